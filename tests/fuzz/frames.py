"""Streams of the workers' protocol.

The first byte determines how the following bytes, the stream, are split. Frames have at most 4 KiB here, so that a
reader that buffers more is noticed.
"""

from unittest import mock

from metaflow_extensions.fasts3.workers import frames as messages
from metaflow_extensions.fasts3.workers.frames import HEAD, MAGIC, FrameError, FrameReader, Kind, encode

VERSION = 2  # of the protocol, in the seeds
LIMIT = 4096  # bytes
TOKENS = [
    *(HEAD.pack(MAGIC, VERSION, kind, 2, 0) + b"[]" for kind in Kind),
    *(HEAD.pack(MAGIC, VERSION, 4, 2, 3) + b"[]raw", HEAD.pack(MAGIC, VERSION, 5, 4, 0) + b"null", MAGIC, b"[", b"]"),
    *(b"\0\0\0\0", b"\0\0\0\2", b"\0\0\x10\0", b"\xff\xff\xff\xff", b"NaN", b"1e999", b'"', b"\\ud800", b"[" * 64),
]


def check(data: bytes) -> bool:
    """Read a stream, split in four ways; return whether it consists of frames only."""
    width, stream = max(1, *data[:1]) if data else 1, data[1:]
    with mock.patch.multiple(messages, LIMIT=LIMIT, VERSION=VERSION):
        at = width * len(stream) // 256
        frames, whole = _read([stream])
        for pieces in (_runs(stream, width), _runs(stream, 1), [stream[:at], stream[at:]]):
            assert repr(_read(pieces)) == repr((frames, whole))  # by repr: NaN is not itself
        for frame in frames:
            assert type(frame.kind) is Kind
            assert repr(_read([b"".join(map(bytes, encode(frame)))])) == repr(([frame], True))
    return whole


def _runs(stream, width):
    """The stream in runs of a width, or of a larger one: 200 will do."""
    width = max(width, len(stream) // 200)
    return [stream[at : at + width] for at in range(0, len(stream), width)]


def _read(pieces):
    """The frames in some pieces, and whether there was nothing else."""
    reader, frames = FrameReader(), []
    try:
        for piece in pieces:
            frames += reader.feed(piece)
            assert len(reader._buffer) < HEAD.size + LIMIT
    except FrameError:
        return frames, False
    return frames, not reader._buffer
