"""The regions of buckets that S3 has named in redirects, for all clients of this process.

Each boto3 client follows redirects for itself, which would redirect every worker. Here, a redirect is a failure that
names the region (`wire/redirects.py`). The user's process learns it, repeats the job (`workers/relocation.py`), and
gives the region to the workers, in templates and recipes. Clients use it through an event handler (`events.tune`), so
boto3's rules determine the endpoint, as for a client that is configured with this region.
"""

import re

from botocore.loaders import create_loader

_known: dict[str, dict[str, str]] = {}  # by endpoint URL and bucket


def regions_at(endpoint_url: str) -> dict[str, str]:
    """The known regions of an endpoint's buckets; clients of the same endpoint share them."""
    return _known.setdefault(endpoint_url, {})


def partition_of(region: str) -> str:
    """The part of AWS that a region belongs to: "aws", "aws-cn" and so on; each has its own accounts and hosts."""
    partitions = create_loader().load_data("partitions")["partitions"]
    by_name = [one["id"] for one in partitions if region in one["regions"]]
    by_form = [one["id"] for one in partitions if re.match(one["regionRegex"], region)]
    return str((by_name or by_form or ["aws"])[0])
