"""One requested object: the request, its result, and the state of a download in pieces."""

import os
from dataclasses import dataclass, field
from typing import NamedTuple, Optional, Protocol

from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.wire.checksums import crc32_of_all, crc32_text
from metaflow_extensions.fasts3.wire.transfers import GetResponse


class Download(NamedTuple):
    """A requested object, or a range of one."""

    bucket: str
    key: str
    byte_range: Optional[str] = None  # a Range header; None: the whole object
    nothing_at: Optional[int] = None  # an empty range at this offset: HTTP has none, so a HEAD is sent
    size: Optional[int] = None  # its bytes, if listed; for progress
    version_id: Optional[str] = None  # None: the current version


class Downloaded(NamedTuple):
    """The result of a download."""

    path: Optional[str]  # None: the bytes are in the response
    response: GetResponse


class Spill(Protocol):
    """Creates files for objects that are requested in memory and arrive in pieces."""

    def make(self, response: GetResponse) -> str:
        """Create a file for an object, with the bytes of the first response, and return its path."""

    def take(self, path: str) -> bytes:
        """Return a file's bytes and delete it."""

    def drop(self, path: str) -> None:
        """Delete a file."""


def path_of_restart(path: str, number: int) -> str:
    """Return the path for a restarted download; its extension is the same, because libraries may use it."""
    root, extension = os.path.splitext(path)
    return f"{root}.{number}{extension}"


@dataclass
class LargeObject:
    """An object that several responses download: the first one, and one per piece."""

    result: Downloaded
    restarts: int = 0
    missing: int = 1  # unfinished responses; the first one to begin with
    checksums: dict[int, tuple[Optional[int], int]] = field(default_factory=dict)  # offset -> CRC-32 and length of each
    reading: bool = True  # the first response has not ended
    spoiled: Optional[tuple[Job, str]] = None  # it must be downloaded again: the job, and the reason

    def is_of(self, response: GetResponse) -> bool:
        """Whether a response has the same version; some servers ignore If-Match."""
        return response.info.is_version_of(self.result.response.info)

    def take(self, response: GetResponse) -> None:
        """Record what one response brought."""
        self.checksums[response.first] = (response.crc, response.received)
        self.missing -= 1

    @property
    def received(self) -> int:
        """Bytes received."""
        return sum(length for _, length in self.checksums.values())

    def compared(self) -> Optional[tuple[str, str]]:
        """Return the expected CRC-32, which S3 stores, and the received one; None if one is unknown."""
        expected = self.result.response.whole_crc
        pieces = [(crc, length) for _, (crc, length) in sorted(self.checksums.items()) if crc is not None]
        if expected is None or len(pieces) < len(self.checksums):
            return None
        return expected, crc32_text(crc32_of_all(pieces))
