"""One object that is wanted: what is asked for, what becomes of it, and what is known while it comes in pieces."""

from dataclasses import dataclass, field
from typing import NamedTuple, Optional, Protocol

from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.wire.checksums import crc32_of_all, crc32_text
from metaflow_extensions.fasts3.wire.transfers import GetReply


class Download(NamedTuple):
    """An object, or a range of one, that is wanted."""

    bucket: str
    key: str
    byte_range: Optional[str] = None  # a Range header; None: the whole object
    nothing_at: Optional[int] = None  # no bytes, from this offset: HTTP has no empty range, so HEAD is asked
    size: Optional[int] = None  # bytes of it, where a listing told; for those who watch


class Downloaded(NamedTuple):
    """What became of it."""

    path: Optional[str]  # None: its bytes are in the reply
    reply: GetReply


class Spill(Protocol):
    """Files for objects that are wanted in memory and come in pieces."""

    def make(self, reply: GetReply) -> str:
        """Make one for all of an object, with the bytes of the first reply in it; its path."""

    def take(self, path: str) -> bytes:
        """All bytes of one, which is no more then."""

    def drop(self, path: str) -> None:
        """Let one go."""


@dataclass
class LargeObject:
    """An object that is being downloaded by several responses: the first one, and those of its pieces."""

    result: Downloaded
    restarts: int = 0
    missing: int = 1  # responses that have not come to their end; at first, the first one
    checksums: dict[int, tuple[Optional[int], int]] = field(default_factory=dict)  # offset -> CRC-32 and length of each
    reading: bool = True  # the first response has not come to its end
    spoiled: Optional[tuple[Job, str]] = None  # it has to be begun again: for which job, and why

    def is_of(self, reply: GetReply) -> bool:
        """Whether a response is of the same version; not every server knows If-Match."""
        first = self.result.reply.info
        return (reply.info.etag, reply.info.size) == (first.etag, first.size)

    def take(self, reply: GetReply) -> None:
        """Take what one response brought."""
        self.checksums[reply.first] = (reply.crc, reply.received)
        self.missing -= 1

    @property
    def received(self) -> int:
        """Bytes that have come."""
        return sum(length for _, length in self.checksums.values())

    def compared(self) -> Optional[tuple[str, str]]:
        """The CRC-32 that S3 keeps of the object, and that of the bytes that came; None where one is not known."""
        told = self.result.reply.whole_crc
        pieces = [(crc, length) for _, (crc, length) in sorted(self.checksums.items()) if crc is not None]
        if told is None or len(pieces) < len(self.checksums):
            return None
        return told, crc32_text(crc32_of_all(pieces))
