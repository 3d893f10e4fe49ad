"""One connection to a server: bytes out, heads and bodies in. The one file that reads and writes sockets.

Sockets do not block: where nothing can be read or written yet, the coroutine waits, and its driver does other things.
"""

import contextlib
import errno
import os
import socket
import ssl
import time
from typing import Optional, Union

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

BUFFER = MAX_HEAD + 4096  # bytes; a head and a small body come in one read, and no head needs more
SEND_FILE = 8 * 2**20  # bytes that one sendfile call moves at the most
READ_FILE = 256 * 1024  # bytes that are read and encrypted at a time
# What a socket raises that is to be waited for. TLS may have to read in order to write, and the other way round.
NOT_YET_READ = (BlockingIOError, ssl.SSLWantReadError)
NOT_YET_WRITTEN = (BlockingIOError, ssl.SSLWantWriteError)
# Of a file whose file system can't: it is read and sent instead.
NO_SENDFILE = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
Socket = Union[socket.socket, ssl.SSLSocket]


class Connection:
    """A connected socket and what was read from it ahead.

    Attributes
    ----------
    replies : int
        Heads that were read; more than none means that it was kept alive.
    idle_since : float
        `time.monotonic` when it was last given back.
    made_at : float
        `time.monotonic` when it was connected.
    capacity : int
        Bytes that its buffer holds.
    """

    def __init__(self, sock: Socket, read_timeout: float) -> None:
        sock.setblocking(False)
        self._socket = sock
        self.capacity = BUFFER
        self._buffer = bytearray(self.capacity)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0  # what was read ahead
        self._filled = False  # the last read got all that it asked for, so there may be more
        self._in_reply = False  # interim heads came, and the real one has not
        self.replies = 0
        self.idle_since = 0.0
        self.made_at = time.monotonic()
        self._timeout = read_timeout
        self._readable = Readiness(sock.fileno(), sock, READ, read_timeout)
        self._writable = Readiness(sock.fileno(), sock, WRITE, read_timeout)
        self._is_tls = isinstance(sock, ssl.SSLSocket)

    @property
    def tls_session(self) -> Optional[ssl.SSLSession]:
        """For the next connection to the same server, which then needs no full handshake."""
        return self._socket.session if isinstance(self._socket, ssl.SSLSocket) else None

    @property
    def has_leftover(self) -> bool:
        """Whether more than the reply came: what nobody asked for must not be taken for the next reply."""
        if self._filled and self._start == self._end:  # a body is read to its end and not beyond: look now
            self._filled = False
            with contextlib.suppress(OSError, ValueError):  # nothing more; what is wrong is told by the next read
                self._start, self._end = 0, self._socket.recv_into(self._view)
        return self._start != self._end or (self._is_tls and bool(self._socket.pending()))  # type: ignore[union-attr]

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def is_stale(self) -> bool:
        """Whether it can't take a request: between two, any byte or an end that can be read is a reason to go."""
        if self.has_leftover:
            return True
        try:
            return self._socket.recv(1) is not None
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except (OSError, ValueError):
            return True

    async def send(self, data: "bytes | bytearray | memoryview") -> None:
        """Send all of it."""
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
        """Send bytes of a file, by the kernel alone where there is no TLS.

        Parameters
        ----------
        file : int
            A descriptor.

        Raises
        ------
        EOFError
            The file ends before.
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

    async def has_answer(self, seconds: float) -> bool:
        """Wait until there is something to read, be it the end, or so long."""
        until = time.monotonic() + seconds
        while self._start == self._end:
            # What can be read may be no answer: TLS 1.3 sends tickets of its own accord (RFC 8446 section 4.6.1).
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
        """Read one head, interim ones too.

        Raises
        ------
        ConnectionLost, ProtocolError
        """
        if self._start == self._end:
            self._start = self._end = 0
            await self._fill(heard=False)
        searched = 0
        while True:
            end = end_of_head(self._buffer, self._start, self._end, searched)
            if end >= 0:
                break
            searched = self._end - self._start
            await self._fill(heard=searched > 0)
        head = parse_head(bytes(self._view[self._start : end]))
        self._start = end
        self._in_reply = head.status < 200
        return head

    async def read_reply(self, method: str) -> "tuple[Head, Body]":
        """Read the head of the reply, past interim ones (RFC 9110 section 15.2).

        Raises
        ------
        ConnectionLost, ProtocolError
        """
        for _ in range(MAX_INTERIM):
            head = await self.read_head()
            if head.status >= 200:
                self.replies += 1
                return head, body_of(method, head)
        raise ProtocolError(f"over {MAX_INTERIM} interim replies")

    async def read_some(self, limit: int, scratch: memoryview) -> memoryview:
        """Read bytes of a body: at least one, at most `limit`.

        Parameters
        ----------
        scratch : memoryview
            Where they go when nothing was read ahead; filled while there is data, as TLS cuts it into small records.

        Returns
        -------
        memoryview
            Good until the next read.
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
                await self._wait(self._readable, heard=True)
            except OSError as error:
                raise self._lost(error, heard=True) from error
        if not count:
            raise Ended("the connection ended in the middle of a reply", heard=True)
        if self._is_tls:
            count = self._read_more_records(scratch, count)
        self._filled = count == len(scratch)
        return scratch[:count]

    def _read_more_records(self, scratch: memoryview, count: int) -> int:
        """Add what has been decrypted or has arrived: a record is 16 KB at the most, too little to write at a time."""
        try:
            while count < len(scratch):
                more = self._socket.recv_into(scratch[count:])
                if not more:
                    break
                count += more
        except OSError:  # nothing more yet; and what is wrong is told by the next read
            pass
        return count

    async def read_document(self, body: Body, limit: int) -> bytes:
        """Read a whole body into memory, whatever its framing.

        Raises
        ------
        ConnectionLost, ProtocolError
            Also where it is over `limit` bytes.
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
        """Have bytes read once more: what is left of the last read, at most `capacity`."""
        self._start, self._end = 0, len(data)
        self._buffer[: len(data)] = data

    async def _fill(self, heard: bool) -> None:
        if self._end == len(self._buffer):  # make room: a head that begins late in the buffer
            kept = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, len(kept)
            self._buffer[: len(kept)] = kept
        # What is decrypted already would be waited for in vain. Nothing else is inside TLS: it does not read ahead.
        if not (self._is_tls and self._socket.pending()):  # type: ignore[union-attr]
            await self._wait(self._readable, heard)
        while True:
            try:
                count = self._socket.recv_into(self._view[self._end :])
                break
            except NOT_YET_READ:
                await self._wait(self._readable, heard)
            except OSError as error:
                raise self._lost(error, heard) from error
        if not count:
            raise Ended("the server closed the connection without an answer", heard or self._in_reply)
        self._end += count
        self._filled = self._end == len(self._buffer)

    async def _wait(self, what: Readiness, heard: bool = False) -> None:
        try:
            await wait_for(what)
        except TimeoutError:
            # Not "heard", perhaps, but who waited so long must not be made to wait twice for one try.
            raise ConnectionLost(f"no answer for {self._timeout:g} seconds", heard=True) from None

    def _lost(self, error: OSError, heard: bool = False) -> ConnectionLost:
        return ConnectionLost(error.strerror or str(error), heard or self._in_reply)

    def rest(self) -> None:
        """Note the time: nobody uses it from now on."""
        self.idle_since = time.monotonic()
