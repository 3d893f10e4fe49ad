"""A server that executes a script: for each connection a list of actions, in order.

Each action is a function of a `Peer`. Nothing sleeps: actions wait for an event or for the other side. A deviation from
the script (a missing request, an extra connection) fails the test when the server closes.
"""

import contextlib
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Callable, Optional

LONG = 20.0  # seconds until a waiting script counts as wrong
OK = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\n\r\n'
NOD = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass
class Request:
    """The request of a client."""

    method: str
    target: str
    headers: "dict[str, str]"  # names in lower case
    head: bytes
    connection: int  # counted from 0
    body: bytes = b""


@dataclass
class Peer:
    """The server's end of one connection."""

    socket: socket.socket
    server: "Scripted"
    number: int
    unread: bytes = b""
    request: Optional[Request] = None
    closed: bool = False

    def read(self) -> bytes:
        """Read available bytes; an empty read in the middle of a script is an error."""
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"connection {self.number} was closed by the client")
        return data


Action = Callable[[Peer], None]


def response(body: bytes = b"", status: str = "200 OK", **headers: object) -> bytes:
    """A complete response of S3; a header of None is omitted."""
    given = {"content_length": len(body), "x_amz_request_id": "REQUEST", **headers}
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items() if value is not None]
    return f"HTTP/1.1 {status}\r\n{''.join(lines)}\r\n".encode("latin-1") + body


def error(code: str, status: str, message: str = "It is so.") -> bytes:
    """An error response of S3."""
    document = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return response(document.encode(), status, x_amz_request_id="REQUEST")


def expect(peer: Peer) -> None:
    """Wait for a request and its body."""
    expect_head(peer)
    read_body(peer)


class _EndOfScript(Exception):
    pass


def expect_or_end(peer: Peer) -> None:
    """Wait for a request; if none arrives, the script ends here."""
    try:
        expect(peer)
    except (EOFError, ConnectionError):
        raise _EndOfScript from None


def expect_head(peer: Peer) -> None:
    """Wait for the head of a request only."""
    while b"\r\n\r\n" not in peer.unread:
        peer.unread += peer.read()
    head, _, peer.unread = peer.unread.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    peer.request = Request(method, target, headers, head, peer.number)
    peer.server.requests.append(peer.request)


def read_body(peer: Peer) -> None:
    """Wait for the body of the request whose head was read."""
    assert peer.request
    size = int(peer.request.headers.get("content-length", 0))
    parts = [peer.unread]
    missing = size - len(peer.unread)
    while missing > 0:
        parts.append(peer.read())
        missing -= len(parts[-1])
    data = b"".join(parts)
    peer.request.body, peer.unread = data[:size], data[size:]


def respond(data: bytes = OK) -> Action:
    """Send bytes."""
    return lambda peer: peer.socket.sendall(data)


def respond_or_end(data: bytes) -> Action:
    """Send bytes; if the client closes before the end, the script ends here."""

    def do(peer: Peer) -> None:
        try:
            peer.socket.sendall(data)
        except OSError:
            raise _EndOfScript from None

    return do


def drip(data: bytes) -> Action:
    """Send byte by byte, each in its own packet."""

    def do(peer: Peer) -> None:
        for number in range(len(data)):
            peer.socket.sendall(data[number : number + 1])

    return do


def close(peer: Peer) -> None:
    """Close the connection in an orderly way."""
    peer.socket.close()
    peer.closed = True


def close_orderly(peer: Peer) -> None:
    """Close the connection; with TLS, say so before (`close_notify`)."""
    if isinstance(peer.socket, ssl.SSLSocket):
        with contextlib.suppress(OSError):  # the client does not answer
            peer.socket.unwrap()
    close(peer)


def end_sending(peer: Peer) -> None:
    """Send no more, and continue to read."""
    peer.socket.shutdown(socket.SHUT_WR)


def reset(peer: Peer) -> None:
    """Reset the connection (SO_LINGER of 0 seconds sends RST)."""
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    close(peer)


def announce(event: threading.Event) -> Action:
    """Signal to the test that the script has reached this action."""
    return lambda _: event.set()


def stall(event: threading.Event) -> Action:
    """Wait for a signal of the test, or for its end."""

    def do(peer: Peer) -> None:
        peer.server.stalled.append(event)
        if not event.wait(LONG):
            raise TimeoutError("the test did not end a stall")

    return do


def silence(peer: Peer) -> None:
    """Wait until the client closes the connection."""
    with contextlib.suppress(OSError):
        while peer.socket.recv(65536):
            pass


@dataclass
class Scripted:
    """The server; a context manager.

    Parameters
    ----------
    scripts : lists of actions
        One for each connection, in order. A further connection is a failure.
    tls : ssl.SSLContext, optional
    host : str
        Address to listen on.
    port : int
        0: a free one.
    """

    scripts: "list[list[Action]]"
    tls: Optional[ssl.SSLContext] = None
    host: str = "127.0.0.1"
    port: int = 0
    requests: "list[Request]" = field(default_factory=list)
    refused: "list[str]" = field(default_factory=list)  # handshakes that failed, with the reason
    reused: "list[bool]" = field(default_factory=list)  # TLS connections: whether the session was resumed
    problems: "list[BaseException]" = field(default_factory=list)
    stalled: "list[threading.Event]" = field(default_factory=list)
    accepted: int = 0

    def __enter__(self) -> "Scripted":
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, self.port), family=family)
        self.port = self._listener.getsockname()[1]
        self._peers: list[Peer] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for event in self.stalled:
            event.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # ends `accept`, which closing would not
        self._threads[0].join(LONG)
        until = time.monotonic() + LONG
        while time.monotonic() < until and any(thread.is_alive() for thread in self._threads):
            # More than once: in a handshake the peer's socket becomes another one.
            for peer in self._peers:
                if not peer.closed:
                    with contextlib.suppress(OSError):
                        peer.socket.shutdown(socket.SHUT_RDWR)
            for thread in self._threads:
                thread.join(0.1)
        for peer in self._peers:
            peer.socket.close()
        self._listener.close()
        assert not any(thread.is_alive() for thread in self._threads), "a script is still running"
        if kind is None and self.problems:
            raise self.problems[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            number, self.accepted = self.accepted, self.accepted + 1
            # Otherwise the kernel delays small responses, and drops them when the connection is reset.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(sock, self, number)
            self._peers.append(peer)
            if number < len(self.scripts):
                self._threads.append(threading.Thread(target=self._play, args=(peer,), daemon=True))
                self._threads[-1].start()
            else:
                self.problems.append(AssertionError(f"connection {number} was not in the script"))
                sock.close()
                peer.closed = True

    def _play(self, peer: Peer) -> None:
        try:
            if self.tls:
                try:
                    peer.socket = self.tls.wrap_socket(peer.socket, server_side=True)
                except OSError as problem:
                    self.refused.append(str(problem))
                    return
                self.reused.append(bool(peer.socket.session_reused))
            for action in self.scripts[peer.number]:
                action(peer)
            if not peer.closed:
                silence(peer)
        except _EndOfScript:
            pass
        except BaseException as problem:
            self.problems.append(problem)
        finally:
            peer.socket.close()
            peer.closed = True


class Pieces:
    """A socket that returns prepared pieces, one for each read, and records the sent bytes."""

    def __init__(self, pieces: "list[bytes]") -> None:
        self.pieces = [piece for piece in pieces if piece]
        self.sent = b""
        self.closed = False
        self.reads = 0

    def setblocking(self, _: bool) -> None:
        pass

    def fileno(self) -> int:
        return -1

    def recv_into(self, view: memoryview) -> int:
        self.reads += 1
        if not self.pieces:
            return 0
        piece = self.pieces.pop(0)
        taken, rest = piece[: len(view)], piece[len(view) :]
        if rest:
            self.pieces.insert(0, rest)
        view[: len(taken)] = taken
        return len(taken)

    def send(self, data: bytes) -> int:
        self.sent += bytes(data)
        return len(data)

    def close(self) -> None:
        self.closed = True
