"""Puts a request on a connection, once more on a new one where a kept one turns out to be gone."""

import os
from typing import Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.connection import Connection
from metaflow_extensions.fasts3.wire.connection_errors import ConnectionLost, tls_remedy
from metaflow_extensions.fasts3.wire.connections import Connections, Untrusted
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.http11 import Body, Head, ProtocolError, body_of

WAIT_FOR_NOD = 1.0  # seconds for `100 Continue`; not every server sends it
READ_STEP = 2**20  # bytes of a file read at a time
SENT_TOGETHER = 64 * 1024  # bytes of a body that are copied behind the head, to be one packet instead of two


class Payload(NamedTuple):
    """The body of a request: bytes, or a run of bytes of an open file."""

    data: "bytes | bytearray | memoryview" = b""
    file: Optional[int] = None  # a descriptor
    position: int = 0
    length: int = 0
    allowance: Optional[Allowance] = None  # what the bytes wait for

    @property
    def size(self) -> int:
        return len(self.data) if self.file is None else self.length

    def feed(self, take: "Callable[[bytes | bytearray | memoryview], object]") -> None:
        """Hand over all bytes, in order."""
        if self.file is None:
            take(self.data)
            return
        position, end = self.position, self.position + self.length
        while position < end:
            data = os.pread(self.file, min(READ_STEP, end - position), position)
            if not data:
                raise EOFError
            take(data)
            position += len(data)


NOTHING = Payload()


async def send(
    connections: Connections, method: str, head: bytes, payload: Payload, expect: bool
) -> "tuple[Head, Body, Connection]":
    """Send a request and read the head of the reply.

    Parameters
    ----------
    connections : Connections
    method : str
    head : bytes
        Of the request.
    payload : Payload
    expect : bool
        The head asks for a nod before the body.

    Returns
    -------
    tuple of Head, Body and the Connection on which the body is to be read

    Raises
    ------
    TransferError
        UNREACHABLE, UNTRUSTED or MALFORMED.
    """
    fresh = False
    while True:
        try:
            connection = await connections.take(fresh)
        except Untrusted as error:
            raise TransferError(Failure(Code.UNTRUSTED, str(error))) from error
        except ConnectionLost as error:
            raise TransferError(Failure(Code.UNREACHABLE, str(error), remedy=tls_remedy(error.__cause__))) from error
        try:
            return (*await _converse(connection, method, head, payload, expect), connection)
        except ConnectionLost as error:
            connection.close()
            # A server may close a kept connection at any time: not a failure, if it closed before it said a word.
            fresh = not fresh and connection.replies > 0 and not error.heard
            if not fresh:
                raise TransferError(Failure(Code.UNREACHABLE, str(error))) from error
        except ProtocolError as error:
            connection.close()
            raise TransferError(Failure(Code.MALFORMED, str(error))) from error
        except BaseException:  # Ctrl-C, or a local file: nobody knows how far it came
            connection.close()
            raise


async def _converse(
    connection: Connection, method: str, head: bytes, payload: Payload, expect: bool
) -> "tuple[Head, Body]":
    if payload.file is None and not expect and len(payload.data) <= SENT_TOGETHER and not payload.allowance:
        await connection.send(head + payload.data if payload.data else head)
        return await connection.read_reply(method)
    await connection.send(head)
    if expect and await connection.has_answer(WAIT_FOR_NOD):
        answer = await connection.read_head()
        if answer.status >= 200:  # final: the body stays here, and the server can't know that nothing follows
            return answer._replace(keep_alive=False), body_of(method, answer)
    try:
        await _send_body(connection, payload)
    except ConnectionLost as lost:
        # A server that has refused stops reading; its reason may have come before the end.
        if not await connection.has_answer(0):
            raise
        try:
            answer, body = await connection.read_reply(method)
        except ConnectionLost as silent:
            raise ConnectionLost(str(lost), lost.heard or silent.heard) from lost
        return answer._replace(keep_alive=False), body
    return await connection.read_reply(method)


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
