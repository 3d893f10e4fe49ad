"""An object to store, and the condition for storing it."""

from collections.abc import Sequence
from typing import Any, Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.plans.jobs import Buffer
from metaflow_extensions.fasts3.plans.pieces import Piece
from metaflow_extensions.fasts3.wire.conditions import ABSENT, MARK
from metaflow_extensions.fasts3.wire.local_files import Version
from metaflow_extensions.fasts3.wire.transfers import PutHeaders


class Upload(NamedTuple):
    """An object to be stored, from a file or from memory."""

    bucket: str
    key: str
    size: int  # bytes
    headers: PutHeaders = PutHeaders()
    path: Optional[str] = None  # the local file; or
    data: Optional[bytes] = None  # the bytes; or
    read: Optional[Callable[[Piece], Buffer]] = None  # a function that returns them
    version: Optional[Version] = None  # of the local file, because parts of two versions must not be combined
    condition: Optional[str] = None  # the condition for storing it: `wire.conditions`

    @property
    def replaces(self) -> Optional[str]:
        """The ETag of the object to replace, if that is its condition."""
        return None if self.condition == ABSENT else self.condition

    @property
    def mark(self) -> Optional[str]:
        """The mark that identifies its own attempts."""
        return (self.headers.metadata or {}).get(MARK)

    def body(self, piece: Piece) -> Buffer:
        """Return bytes of an upload from memory."""
        if self.data is not None:
            return memoryview(self.data)[piece.first : piece.first + piece.length]
        return self.read(piece) if self.read and piece.length else b""


class UploadsOnDemand(Sequence[Upload]):
    """Uploads that are made when they are first needed: of many files, most may be unchanged."""

    def __init__(self, count: int, make: Callable[[int], Upload]) -> None:
        self._count = count
        self._make = make
        self._made: dict[int, Upload] = {}

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:  # an int; a slice is not needed
        upload = self._made.get(index)
        if upload is None:
            upload = self._made[index] = self._make(index)
        return upload

    def replace(self, index: int, headers: PutHeaders) -> None:
        """Give an upload other headers."""
        self._made[index] = self[index]._replace(headers=headers)
