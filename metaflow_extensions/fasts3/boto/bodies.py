"""The bodies that boto3's transfers read and write: memory, files and parts of files."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, BinaryIO, Optional

from s3transfer.utils import ReadFileChunk

from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.checksums import crc32_text
from metaflow_extensions.fasts3.wire.failures import TransferError
from metaflow_extensions.fasts3.wire.local_files import became_shorter, local_failure, open_to_read
from metaflow_extensions.fasts3.wire.sinks import Sink

CHUNK = 2**20  # bytes per read from the socket: few Python calls, little memory


def copy(body: Any, sink: Sink, most: Optional[int], allowance: Optional[Allowance]) -> "tuple[int, int]":
    """Copy at most `most` bytes, or all if it is None; return their number and CRC-32."""
    received = crc = 0
    while received != most:
        step = CHUNK if most is None else min(CHUNK, most - received)
        data = body.read(allowance.wait_for_some(step) if allowance else step)
        if not data:
            break
        sink.write(data)
        crc = zlib.crc32(data, crc)
        received += len(data)
    return received, crc


@contextmanager
def source(
    body: Optional[bytes],
    path: Optional[str],
    position: int = 0,
    length: int = -1,
    version: Optional[Sequence[int]] = None,
) -> Iterator[Any]:
    """The body for botocore: bytes, or a part of a file; see `open_to_read`."""
    if path is None:
        yield BytesIO(body or b"")
        return
    with (
        open_to_read(path, position, length, version) as (descriptor, size),
        open(descriptor, "rb", closefd=False) as file,
    ):
        file.seek(position)
        yield _FileSection(path, file, size)


class _FileSection(ReadFileChunk):
    """Exactly this many bytes of a file.

    botocore sends this number as Content-Length and then everything that `read` returns, even if it differs.
    """

    def __init__(self, path: str, file: BinaryIO, size: int) -> None:
        super().__init__(file, size, file.tell() + size)
        self._path = path

    def read(self, amount: Optional[int] = None) -> bytes:
        left = len(self) - self.tell()
        wanted = left if amount is None or amount < 0 else min(amount, left)
        try:
            data: bytes = super().read(wanted)
        except OSError as error:
            raise TransferError(local_failure(error)) from error
        if len(data) < wanted:
            raise TransferError(became_shorter(self._path))
        return data


def checksum_argument(stream: Any) -> dict[str, str]:
    """The CRC-32 of a body as an argument, which boto3 sends as a header.

    Over TLS, boto3 would send its own checksum after the body (aws-chunked), which Ceph 16, for example, rejects
    with 411.
    """
    crc = 0
    for data in iter(lambda: stream.read(CHUNK), b""):
        crc = zlib.crc32(data, crc)
    stream.seek(0)
    return {"ChecksumCRC32": crc32_text(crc)}
