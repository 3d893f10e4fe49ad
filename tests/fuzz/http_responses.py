"""HTTP responses, heads and bodies, as a connection reads them; the oracle is h11.

The first byte is the request: `G` for GET, `H` for HEAD; in lower case the limits are small, so that few bytes reach
them. The second byte determines how the following bytes, the response, are split.
"""

import contextlib
from unittest import mock

from wire.h11_oracle import Parsed, agree, may_be_taken_by_us_alone, read_by_h11
from wire.scripted import Pieces

from metaflow_extensions.fasts3.wire import connection as connections
from metaflow_extensions.fasts3.wire import http11
from metaflow_extensions.fasts3.wire.connection import Connection
from metaflow_extensions.fasts3.wire.connection_errors import ConnectionLost
from metaflow_extensions.fasts3.wire.http11 import Body, Framing, ProtocolError

TOKENS = [
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 206 Partial Content\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 "),
    *(b"404", b"204", b"304", b"503", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"chunked", b"\r\n\r\n"),
    *(b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"keep-alive", b"close", b", ", b"\r\n", b"\n", b"\r"),
    *(b"\n\n", b"\r\n ", b"\r\n\t", b": ", b":", b";", b"; a=b", b"0\r\n\r\n", b"5\r\nhello\r\n", b"0\r\n", b"\0"),
    *(b"ETag: ", b"Content-Range: bytes 0-4/5\r\n", b"x-amz-meta-", b"ffffffffffffffff\r\n", b"\x0b", b"\x80", b"-1"),
]
SMALL = {http11: {"MAX_HEAD": 128, "MAX_HEADERS": 6, "MAX_CHUNK_LINE": 12}, connections: {"BUFFER": 144}}
LARGEST_DOCUMENT = 2**20  # bytes


def check(data: bytes) -> bool:
    """Read a response, cut in three ways; whether it was taken."""
    mode, width, raw = data[:1], max(1, *data[1:2]) if data[1:2] else 1, data[2:]
    method = "HEAD" if mode in (b"H", b"h") else "GET"
    with contextlib.ExitStack() as limits:
        if mode.islower():
            for module, values in SMALL.items():
                limits.enter_context(mock.patch.multiple(module, **values))
        ours, *others = (read_by_us(method, pieces) for pieces in _cuts(raw, width))
    assert all(other == ours for other in others), (ours, others)
    if isinstance(ours, type):
        return False
    theirs = read_by_h11(method, raw)
    if theirs is None:
        assert may_be_taken_by_us_alone(method, raw, ours), ours
    else:
        assert agree(ours, theirs), (ours, theirs)
    return True


def _cuts(raw: bytes, width: int) -> "list[list[bytes]]":
    """The bytes whole, in runs of a width (or of a larger one: 200 will do), and in two."""
    at = width * len(raw) // 256
    width = max(width, len(raw) // 200)
    runs = [raw[at : at + width] for at in range(0, len(raw), width)]
    return [[raw], runs, [raw[:at], raw[at:]]]


def read_by_us(method: str, pieces: "list[bytes]") -> "Parsed | type[Exception]":
    """The response that a connection reads, or the error."""
    source = Pieces(pieces)
    steps = 4 * len(source.pieces) + 64  # a read and a wait for each piece, and those that come behind the last
    connection = Connection(source, 1.0)  # type: ignore[arg-type]
    try:
        head, body = _driven(connection.read_response(method), steps)
        data = _driven(connection.read_document(body, LARGEST_DOCUMENT), steps)
    except (ProtocolError, ConnectionLost) as error:
        return type(error)
    assert len(data) <= sum(map(len, pieces))
    reused = head.keep_alive and body.framing is not Framing.CLOSE
    leftover = _driven(connection.read_document(Body(Framing.CLOSE), LARGEST_DOCUMENT), steps)
    return Parsed(head.status, head.reason, head.headers, data, leftover, reused)


def _driven(coroutine, steps):
    """Drive a coroutine for which everything is there already, so many steps at the most."""
    for _ in range(steps):
        try:
            coroutine.send(None)
        except StopIteration as end:
            return end.value
    raise AssertionError(f"it goes on after {steps} steps")
