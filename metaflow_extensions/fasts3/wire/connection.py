"""One connection to a server: sends bytes, reads heads and bodies. The only file that reads and writes sockets.

Sockets do not block: while nothing can be read or written, the coroutine waits and its driver runs others.
"""

import contextlib
import errno
import os
import socket
import ssl
import time
import types
from collections.abc import Generator
from typing import Any, Optional, Union

from metaflow_extensions.fasts3.wire.connection_errors import ConnectionLost, DocumentTooLong, Ended
from metaflow_extensions.fasts3.wire.http11 import (
    MAX_HEAD,
    MAX_INTERIM,
    Body,
    Framing,
    Head,
    ProtocolError,
    body_of,
    end_of_head,
    parse_head,
)
from metaflow_extensions.fasts3.wire.unsized_body import UnsizedBody
from metaflow_extensions.fasts3.wire.waiting import READ, WRITE, Readiness, wait_for

BUFFER = MAX_HEAD + 4096  # bytes; a head and a small body arrive in one read, and no head is longer
SEND_FILE = 8 * 2**20  # bytes that one sendfile call moves at most
READ_FILE = 256 * 1024  # bytes that are read and encrypted at a time
# Exceptions that mean "wait". TLS may have to read in order to write, and vice versa.
NOT_YET_READ = (BlockingIOError, ssl.SSLWantReadError)
NOT_YET_WRITTEN = (BlockingIOError, ssl.SSLWantWriteError)
# The file system does not support sendfile: read and send instead.
NO_SENDFILE = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
Socket = Union[socket.socket, ssl.SSLSocket]


class Connection:
    """A connected socket and its read buffer.

    Attributes
    ----------
    responses : int
        Heads read so far; 0 on a new connection.
    asked_at : float
        `time.monotonic` when the last request began.
    idle_since : float
        `time.monotonic` when it was last returned to the pool.
    made_at : float
        `time.monotonic` when it was connected.
    capacity : int
        Size of its buffer in bytes.
    """

    def __init__(self, sock: Socket, read_timeout: float) -> None:
        sock.setblocking(False)
        self._socket = sock
        self.capacity = BUFFER
        self._buffer = bytearray(self.capacity)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0  # the buffered bytes
        self._filled = False  # the last read filled its buffer, so there may be more
        self._in_response = False  # an interim head has arrived, the final one has not
        self.responses = 0
        self.asked_at = self.idle_since = 0.0
        self.made_at = time.monotonic()
        self._timeout = read_timeout
        self._readable = Readiness(sock.fileno(), sock, READ, read_timeout)
        self._writable = Readiness(sock.fileno(), sock, WRITE, read_timeout)
        self._is_tls = isinstance(sock, ssl.SSLSocket)

    @property
    def tls_session(self) -> Optional[ssl.SSLSession]:
        """Lets the next connection to the same server skip the full handshake."""
        return self._socket.session if isinstance(self._socket, ssl.SSLSocket) else None

    @property
    def has_moved(self) -> bool:
        """Whether bytes of the last request or its response moved for longer than a silent connection could last."""
        return time.monotonic() - self.asked_at > 2 * self._timeout

    @property
    def has_leftover(self) -> bool:
        """Whether bytes follow the response: they must not be read as the next response."""
        if self._filled and self._start == self._end:  # reads stop at the end of the body, so look now
            self._filled = False
            with contextlib.suppress(OSError, ValueError):  # nothing more, or an error that the next read raises
                self._start, self._end = 0, self._socket.recv_into(self._view)
        return self._start != self._end or (self._is_tls and bool(self._socket.pending()))  # type: ignore[union-attr]

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def is_stale(self) -> bool:
        """Whether it can't take a request: readable bytes or an end between two requests mean so."""
        if self.has_leftover:
            return True
        try:
            return self._socket.recv(1) is not None
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except (OSError, ValueError):
            return True

    async def send(self, data: "bytes | bytearray | memoryview") -> None:
        """Send all bytes."""
        view: Optional[memoryview] = None
        while True:
            try:
                sent = self._socket.send(data if view is None else view)
            except NOT_YET_WRITTEN:
                await self._wait(self._writable)
                continue
            except ssl.SSLWantReadError:
                await self._wait(self._readable)
                continue
            except OSError as error:
                raise self._lost(error) from error
            if sent == len(data if view is None else view):
                return
            view = memoryview(data)[sent:] if view is None else view[sent:]

    async def send_file(self, file: int, position: int, length: int) -> None:
        """Send bytes of a file, with sendfile where there is no TLS.

        Parameters
        ----------
        file : int
            A descriptor.

        Raises
        ------
        EOFError
            The file is shorter.
        """
        end = position + length
        while position < end:
            if self._is_tls:
                sent = await self._copy(file, position, end)
            else:
                try:
                    sent = os.sendfile(self._socket.fileno(), file, position, min(SEND_FILE, end - position))
                except BlockingIOError:
                    await self._wait(self._writable)
                    continue
                except OSError as error:
                    if error.errno not in NO_SENDFILE:
                        raise self._lost(error) from error
                    sent = await self._copy(file, position, end)
            if not sent:
                raise EOFError
            position += sent

    async def _copy(self, file: int, position: int, end: int) -> int:
        data = os.pread(file, min(READ_FILE, end - position), position)
        await self.send(data)
        return len(data)

    async def has_response(self, seconds: float) -> bool:
        """Wait at most `seconds` until there is something to read, the end included."""
        until = time.monotonic() + seconds
        while self._start == self._end:
            # Readable bytes may be no response: TLS 1.3 servers send session tickets, too (RFC 8446 section 4.6.1).
            try:
                count = self._socket.recv_into(self._view)
            except NOT_YET_READ:
                pass
            except OSError:
                return True
            else:
                self._start, self._end = 0, count
                return True
            left = until - time.monotonic()
            if left <= 0:
                return False
            try:
                await wait_for(Readiness(self._readable.descriptor, self._socket, READ, left))
            except TimeoutError:
                return False
        return True

    async def read_head(self) -> Head:
        """Read one head, interim or final.

        Raises
        ------
        ConnectionLost, ProtocolError
        """
        if self._start == self._end:
            self._start = self._end = 0
            await self._fill(response_began=False)
        searched = 0
        while True:
            end = end_of_head(self._buffer, self._start, self._end, searched)
            if end >= 0:
                break
            searched = self._end - self._start
            await self._fill(response_began=searched > 0)
        head = parse_head(bytes(self._view[self._start : end]))
        self._start = end
        self._in_response = head.status < 200
        return head

    async def read_response(self, method: str) -> "tuple[Head, Body]":
        """Read the head of the response, skipping interim ones (RFC 9110 section 15.2).

        Raises
        ------
        ConnectionLost, ProtocolError
        """
        for _ in range(MAX_INTERIM):
            head = await self.read_head()
            if head.status >= 200:
                self.responses += 1
                return head, body_of(method, head)
        raise ProtocolError(f"over {MAX_INTERIM} interim responses")

    async def read_some(self, limit: int, scratch: memoryview) -> memoryview:
        """Read bytes of a body: at least one, at most `limit`.

        Parameters
        ----------
        scratch : memoryview
            Buffer for bytes that were not read ahead; TLS records are small, so more are read while data is available.

        Returns
        -------
        memoryview
            Valid until the next read.
        """
        if self._start != self._end:
            stop = min(self._end, self._start + limit)
            view, self._start = self._view[self._start : stop], stop
            return view
        if limit < len(scratch):
            scratch = scratch[:limit]
        while True:
            try:
                count = self._socket.recv_into(scratch)
                break
            except NOT_YET_READ:
                await self._wait(self._readable, response_began=True)
            except OSError as error:
                raise self._lost(error, response_began=True) from error
        if not count:
            raise Ended("the connection ended in the middle of a response", response_began=True)
        if self._is_tls:
            count = self._read_more_records(scratch, count)
        self._filled = count == len(scratch)
        return scratch[:count]

    def _read_more_records(self, scratch: memoryview, count: int) -> int:
        """Add available records: one has at most 16 KB, too little to write at a time."""
        try:
            while count < len(scratch):
                more = self._socket.recv_into(scratch[count:])
                if not more:
                    break
                count += more
        except OSError:  # no more data yet; the next read raises errors
            pass
        return count

    async def read_document(self, body: Body, limit: int) -> bytes:
        """Read a whole body of any framing into memory.

        Raises
        ------
        ConnectionLost, ProtocolError
            Also if it is longer than `limit` bytes.
        """
        if body.framing is Framing.NONE:
            return b""
        parts: list[bytes] = []
        size = 0
        unsized = UnsizedBody(self, body.framing) if body.framing is not Framing.LENGTH else None
        scratch = memoryview(bytearray(BUFFER))
        missing = body.length
        while missing or unsized:
            data = bytes(await (unsized or self).read_some(missing or BUFFER, scratch))
            if not data:
                break
            missing -= len(data) if missing else 0
            size += len(data)
            if size > limit:
                raise DocumentTooLong(f"a document is over {limit} bytes")
            parts.append(data)
        return b"".join(parts)

    def put_back(self, data: bytes) -> None:
        """Return bytes to the buffer: the rest of the last read, at most `capacity`."""
        data += bytes(self._view[self._start : self._end])  # what that read has left in it
        self._start, self._end = 0, len(data)
        self._buffer[: len(data)] = data

    async def _fill(self, response_began: bool) -> None:
        if self._end == len(self._buffer):  # a head that starts late in the buffer needs space
            kept = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, len(kept)
            self._buffer[: len(kept)] = kept
        # Waiting for data that is already decrypted would hang. Otherwise TLS holds nothing: it does not read ahead.
        if not (self._is_tls and self._socket.pending()):  # type: ignore[union-attr]
            await self._wait(self._readable, response_began)
        while True:
            try:
                count = self._socket.recv_into(self._view[self._end :])
                break
            except NOT_YET_READ:
                await self._wait(self._readable, response_began)
            except OSError as error:
                raise self._lost(error, response_began) from error
        if not count:
            raise Ended("the server closed the connection without a response", response_began or self._in_response)
        self._end += count
        self._filled = self._end == len(self._buffer)

    @types.coroutine
    def _wait(self, what: Readiness, response_began: bool = False) -> "Generator[Any, Any, None]":
        """Wait as `wait_for` does, without a coroutine around it for each wait; a timeout is a lost connection."""
        try:
            yield what
        except TimeoutError:
            # response_began=True even if nothing arrived: an immediate second attempt would double the timeout.
            raise ConnectionLost(f"no response for {self._timeout:g} seconds", response_began=True) from None

    def _lost(self, error: OSError, response_began: bool = False) -> ConnectionLost:
        message = error.strerror or str(error)
        if isinstance(error, ssl.SSLEOFError):
            message = "the connection ended without close_notify, TLS's end of data"
        return ConnectionLost(message, response_began or self._in_response)
