"""Redirects: how S3 says that a bucket is in another region than a request was sent to, or signed for.

The client never follows a redirect to an address. S3 names the region; boto3's rules determine the endpoint of that
region, and the request is sent again (`workers/relocation.py`). Pure.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html
"""

import re
from collections.abc import Mapping

from metaflow_extensions.fasts3.wire.failures import Code, Failure

BUCKET_REGION = "x-amz-bucket-region"
# The last two: a bucket in a region that accounts must enable, and requests to a regional endpoint.
ELSEWHERE = frozenset(
    {
        "PermanentRedirect",
        "TemporaryRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "IncorrectEndpoint",
    }
)
_HOST_LABEL = re.compile(r"(?!-)[a-zA-Z0-9-]{1,63}(?<!-)\Z")  # a region becomes a part of host names


def is_redirect(failure: Failure) -> bool:
    """Whether the bucket may be in another region.

    A HEAD to a bucket in another region may fail with 400 and no reason.
    """
    bare = failure.status == 400 and failure.s3_code == "400"
    redirected = 300 <= failure.status < 400 and failure.code not in (Code.PRECONDITION, Code.NOT_S3)
    return redirected or bare or failure.s3_code in ELSEWHERE


def with_region(failure: Failure, headers: "dict[str, str]", fields: "Mapping[str, object]") -> Failure:
    """Return a redirect with the region that its response names; other failures as they are.

    Parameters
    ----------
    failure : Failure
    headers : dict of str to str
        Names in lower case.
    fields : mapping of str to object
        Contents of the error document.
    """
    if not is_redirect(failure):
        return failure
    return failure._replace(region=region_in(headers) or _valid(str(fields.get("Region", ""))))


def region_in(headers: "dict[str, str]") -> str:
    """Return the bucket's region in the headers of a response; "" without one."""
    return _valid(headers.get(BUCKET_REGION, ""))


def _valid(region: str) -> str:
    return region if _HOST_LABEL.match(region) else ""
