"""`Transfers` on our own wire; the methods are coroutines."""

import time
from typing import Callable, Optional

from metaflow_extensions.fasts3.wire.copies import CopyTransfers
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.deletion import DeletionTransfers
from metaflow_extensions.fasts3.wire.exchange import Exchange
from metaflow_extensions.fasts3.wire.listing import BucketTransfers
from metaflow_extensions.fasts3.wire.multipart import MultipartTransfers
from metaflow_extensions.fasts3.wire.objects import ObjectTransfers
from metaflow_extensions.fasts3.wire.open_uploads import OpenUploadTransfers
from metaflow_extensions.fasts3.wire.tagging import TaggingTransfers
from metaflow_extensions.fasts3.wire.template import RequestTemplate
from metaflow_extensions.fasts3.wire.versions import VersionTransfers


class WireTransfers(
    ObjectTransfers,
    MultipartTransfers,
    CopyTransfers,
    TaggingTransfers,
    OpenUploadTransfers,
    BucketTransfers,
    DeletionTransfers,
    VersionTransfers,
):
    """All methods of `transfers.Transfers`. Threads share it.

    Parameters
    ----------
    template : callable
        Returns the `RequestTemplate` of an operation and a bucket.
    credentials : callable
        Returns the credentials to sign with now, or None.
    clock : callable
        `time.time`; another in tests.
    """

    def __init__(
        self,
        template: Callable[[str, str], RequestTemplate],
        credentials: Callable[[], Optional[CredentialSet]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._exchange = Exchange(template, credentials, clock)

    def close(self) -> int:
        """Close idle connections and return their number."""
        return self._exchange.close()
