"""Sends a request on a connection, and perhaps again on a new one if the server has closed a kept-alive connection."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.connection import Connection
from metaflow_extensions.fasts3.wire.connection_errors import ConnectionLost
from metaflow_extensions.fasts3.wire.connections import Connections
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError, malformed
from metaflow_extensions.fasts3.wire.http11 import Body, Head, ProtocolError, body_of
from metaflow_extensions.fasts3.wire.local_files import open_to_read

WAIT_FOR_CONTINUE = 1.0  # seconds to wait for `100 Continue`; some servers do not send it
READ_STEP = 2**20  # bytes of a file to read at a time
SENT_TOGETHER = 64 * 1024  # bytes; smaller bodies are sent with the head, in one packet instead of two


class Payload(NamedTuple):
    """The body of a request: bytes, or a section of an open file."""

    data: "bytes | bytearray | memoryview" = b""
    file: Optional[int] = None  # a descriptor
    position: int = 0
    length: int = 0
    allowance: Optional[Allowance] = None  # limits the bandwidth

    @property
    def size(self) -> int:
        return len(self.data) if self.file is None else self.length

    def pieces(self) -> "Iterator[bytes | bytearray | memoryview]":
        """Yield all bytes, in order."""
        if self.file is None:
            yield self.data
            return
        position, end = self.position, self.position + self.length
        while position < end:
            data = os.pread(self.file, min(READ_STEP, end - position), position)
            if not data:
                raise EOFError
            yield data
            position += len(data)


NOTHING = Payload()


def payload_of(
    body: Optional[bytes],
    path: Optional[str],
    position: int = 0,
    length: int = -1,
    version: Optional[Sequence[int]] = None,
    allowance: Optional[Allowance] = None,
) -> AbstractContextManager[Payload]:
    """Return the body of an upload: bytes, or without them a section of a file; see `local_files.open_to_read`."""
    if path is None:
        return nullcontext(Payload(body or b"", allowance=allowance))
    return _section_of(path, position, length, version, allowance)


@contextmanager
def _section_of(
    path: str, position: int, length: int, version: Optional[Sequence[int]], allowance: Optional[Allowance]
) -> Iterator[Payload]:
    with open_to_read(path, position, length, version) as (file, size):
        yield Payload(file=file, position=position, length=size, allowance=allowance)


async def send(
    connections: Connections, method: str, head: bytes, payload: Payload, expect: bool, repeatable: bool
) -> "tuple[Head, Body, Connection]":
    """Send a request and read the head of the response.

    Parameters
    ----------
    connections : Connections
    method : str
    head : bytes
        The request's head.
    payload : Payload
    expect : bool
        The head has "Expect: 100-continue".
    repeatable : bool
        A second execution has the same result (RFC 9110 section 9.2.2). Others are not sent again here: the server may
        have executed the first request, and the caller must know that.

    Returns
    -------
    tuple of Head, Body and the Connection to read the body from

    Raises
    ------
    TransferError
        As `Connections.take`; UNREACHABLE, MALFORMED.
    """
    fresh = False
    while True:
        connection = await connections.take(fresh, checked=not repeatable)
        connection.asked_at = time.monotonic()
        try:
            return (*await _converse(connection, method, head, payload, expect), connection)
        except ConnectionLost as error:
            connection.close()
            # A server may close a kept-alive connection at any time: no failure, unless part of a response arrived.
            fresh = repeatable and not fresh and connection.responses > 0 and not error.response_began
            if not fresh:
                raise TransferError(Failure(Code.UNREACHABLE, str(error), moved=connection.has_moved)) from error
        except ProtocolError as error:
            connection.close()
            raise malformed(str(error)) from error
        except BaseException:  # Ctrl-C, or an error of a local file: an unknown part of the request was sent
            connection.close()
            raise


async def _converse(
    connection: Connection, method: str, head: bytes, payload: Payload, expect: bool
) -> "tuple[Head, Body]":
    if payload.file is None and not expect and len(payload.data) <= SENT_TOGETHER and not payload.allowance:
        await connection.send(head + payload.data if payload.data else head)
        return await connection.read_response(method)
    await connection.send(head)
    if expect and await connection.has_response(WAIT_FOR_CONTINUE):
        response = await connection.read_head()
        if response.status >= 200:  # final: the body is not sent, but the server may expect it, so close the connection
            return response._replace(keep_alive=False), body_of(method, response)
    try:
        await _send_body(connection, payload)
    except ConnectionLost as lost:
        # A server that refuses a request stops reading; its response may have arrived before the connection broke.
        if not await connection.has_response(0):
            raise
        try:
            response, body = await connection.read_response(method)
        except ConnectionLost as silent:
            raise ConnectionLost(str(lost), lost.response_began or silent.response_began) from lost
        return response._replace(keep_alive=False), body
    return await connection.read_response(method)


async def _send_body(connection: Connection, payload: Payload) -> None:
    size = payload.size
    sent = 0
    while sent < size:
        step = await payload.allowance.some(size - sent) if payload.allowance else size
        if payload.file is not None:
            await connection.send_file(payload.file, payload.position + sent, step)
        else:
            await connection.send(payload.data if step == size else memoryview(payload.data)[sent : sent + step])
        sent += step
