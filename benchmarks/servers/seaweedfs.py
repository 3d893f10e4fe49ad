"""SeaweedFS: an S3 server that checks signatures, and stores and lists objects."""

import shutil
from pathlib import Path
from types import TracebackType
from typing import Optional

from metaflow_extensions.fasts3.local_server.seaweedfs import SeaweedFS

from ..bucket import Bucket
from .place import Place
from .server import Server


class SeaweedServer(Server):
    """See `Server`."""

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self._server = SeaweedFS(scratch / "seaweedfs")
        self._there: set[str] = set()

    def __enter__(self) -> "SeaweedServer":
        (self.scratch / "seaweedfs").mkdir(exist_ok=True)
        server = self._server
        server.start()
        self.place = Place(server.endpoint_url, server.bucket, server.region, server.access_key, server.secret_key)
        self._bucket = Bucket(server)
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self._server.stop()
        shutil.rmtree(self.scratch / "seaweedfs", ignore_errors=True)

    def fill(self, prefix: str, objects: int, size: int) -> None:
        if prefix not in self._there:
            self._bucket.fill(prefix, objects, size)
            self._there.add(prefix)

    def check(self, prefix: str, objects: int, size: int) -> None:
        self._bucket.check(prefix, objects, size)

    def remove(self, prefix: str) -> None:
        self._bucket.remove(prefix)
