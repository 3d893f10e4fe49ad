"""The transfers on boto3: for everything that our own HTTP client does not support, and as a reference for tests.

One method is one request. The client does not retry; `workers/performer.py` decides about retries.
"""

from typing import Any

from metaflow_extensions.fasts3.boto.copies import CopyTransfers
from metaflow_extensions.fasts3.boto.events import hook_into
from metaflow_extensions.fasts3.boto.listings import ListingTransfers
from metaflow_extensions.fasts3.boto.multipart import MultipartTransfers
from metaflow_extensions.fasts3.boto.objects import ObjectTransfers


class Boto3Transfers(ObjectTransfers, MultipartTransfers, CopyTransfers, ListingTransfers):
    """`wire.transfers.Transfers` on a boto3 client. One instance serves many threads."""

    def __init__(self, client: Any) -> None:
        self._client = client
        hook_into(client)
        self._only_md5: set[str] = set()  # buckets whose server accepts no other checksum for DeleteObjects
        # A stub of a client may have no configuration.
        setting = getattr(client.meta.config, "request_checksum_calculation", "when_required")
        self._sends_checksums = setting == "when_supported"
