"""A real S3 behind a proxy that applies faults to requests: it can drop, delay or corrupt them.

A test gives rules: an operation of S3, and a fault for its next requests. A fault is a function of an `Exchange`;
`servers.faults` defines them. The proxy passes through requests without a rule, and their responses.
"""

import contextlib
import fcntl
import http.client
import socket
import struct
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple, Optional
from urllib.parse import parse_qs, urlsplit

import h11
from servers.s3_server import S3Server

LOOPBACK = "127.0.0.1"
LONG = 30.0  # seconds until a server without a response counts as broken
TURNS = 64
WRITES = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload", "DeleteObject", "DeleteObjects"})
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})  # RFC 9110 section 7.6.1


class Request(NamedTuple):
    """One request."""

    method: str
    target: str
    headers: "dict[str, str]"  # names in lower case
    body: bytes

    @property
    def key(self) -> str:
        """The key, encoded; empty for a bucket."""
        return urlsplit(self.target).path.lstrip("/").partition("/")[2]

    @property
    def query(self) -> "dict[str, list[str]]":
        """The query, without the question mark."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def operation(self) -> str:
        """S3's name of the operation."""
        query = self.query
        if "x-amz-copy-source" in self.headers:
            return "UploadPartCopy" if "uploadId" in query else "CopyObject"
        if "uploadId" in query:
            by_method = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
            return by_method[self.method]
        by_query = {
            "POST": {"uploads": "CreateMultipartUpload", "delete": "DeleteObjects"},
            "GET": {
                "uploads": "ListMultipartUploads",
                "versions": "ListObjectVersions",
                "tagging": "GetObjectTagging",
            },
        }
        named = [name for text, name in by_query.get(self.method, {}).items() if text in query]
        if named:
            return named[0]
        if not self.key:
            return {"GET": "ListObjectsV2", "HEAD": "HeadBucket"}[self.method]
        return {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}[self.method]


class Response(NamedTuple):
    """The response of the real server."""

    status: int
    headers: "dict[str, str]"
    body: bytes

    @property
    def head(self) -> bytes:
        lines = [f"{name}: {value}\r\n" for name, value in self.headers.items()]
        phrase = http.client.responses.get(self.status, "Unknown")
        return f"HTTP/1.1 {self.status} {phrase}\r\n{''.join(lines)}\r\n".encode("latin-1")


@dataclass
class Exchange:
    """One request and its response, which a fault may change."""

    request: Request
    proxy: "FaultyS3"
    socket: socket.socket
    keep_alive: bool = True  # the connection takes another request

    def forward(self) -> Response:
        """Send the request to the real server."""
        if self.request.operation not in WRITES:
            return self.proxy.forward(self.request)
        # After a timeout, the client repeats a write. If the server executed the first request after the second, or
        # after a later write, the first would win. No client can prevent this race, so the proxy does.
        with contextlib.ExitStack() as turns:
            for turn in self.proxy.turns(self.request):
                turns.enter_context(turn)
            if self._is_abandoned():
                raise ConnectionAbortedError
            return self.proxy.forward(self.request)

    def _is_abandoned(self) -> bool:
        try:
            return not self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False

    def send(self, data: bytes) -> None:
        """Send bytes to the client."""
        self.socket.sendall(data)

    def end(self) -> None:
        """Close the connection in an orderly way."""
        self.keep_alive = False

    def reset(self) -> None:
        """Reset the connection (SO_LINGER of 0 seconds sends RST)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.keep_alive = False

    def wait_until_received(self) -> None:
        """Wait until the client's system has received everything."""
        until = time.monotonic() + LONG
        while fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)) != bytes(4) and time.monotonic() < until:
            time.sleep(0.001)

    def wait_until_client_closes(self) -> None:
        """Send nothing more until the client closes the connection."""
        self.keep_alive = False
        with contextlib.suppress(OSError):
            while self.socket.recv(65536):
                pass


Fault = Callable[[Exchange], None]


def pass_through(exchange: Exchange) -> None:
    """No fault."""
    response = exchange.forward()
    exchange.send(response.head + response.body)


@dataclass
class _Rule:
    matches: Callable[[Request], bool]
    fault: Fault
    remaining: Optional[int]  # requests that it applies to; None: all
    skip: int  # requests to pass through before these


@dataclass
class FaultyS3:
    """The proxy; a context manager.

    Parameters
    ----------
    real : S3Server
        The server behind it. Signatures stay valid: the server receives the Host header that was signed.
    """

    real: S3Server
    requests: "list[Request]" = field(default_factory=list)
    injected: int = 0  # faults so far
    accepted: int = 0  # connections so far
    problems: "list[BaseException]" = field(default_factory=list)  # errors in the test itself

    def __enter__(self) -> "FaultyS3":
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._turns = [threading.Lock() for _ in range(TURNS)]
        self.port = 0
        self.listen_again()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_listening()
        for thread in self._threads:
            thread.join(LONG)
        assert not any(thread.is_alive() for thread in self._threads), "a connection is still open"

    def client_params(self) -> "dict[str, Any]":
        """Return the keyword arguments for clients that use the proxy."""
        return {**self.real.client_params(), "endpoint_url": f"http://{LOOPBACK}:{self.port}"}

    def inject(self, operation: str, fault: Fault, times: Optional[int] = 1, after: int = 0) -> None:
        """Apply a fault to the next requests of an operation, or to all from now on."""
        self.inject_where(lambda request: request.operation == operation, fault, times, after)

    def inject_where(
        self, matches: Callable[[Request], bool], fault: Fault, times: Optional[int] = 1, after: int = 0
    ) -> None:
        """Apply a fault to the next requests that meet a condition."""
        with self._lock:
            self._rules.append(_Rule(matches, fault, times, after))

    def remove_faults(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._rules = []

    def clear(self) -> None:
        """Remove all rules, and the records of requests and problems."""
        with self._lock:
            self._rules = []
            self.requests = []
            self.problems = []
            self.injected = 0
            self.accepted = 0

    def stop_listening(self) -> None:
        """Stop listening, and break open connections."""
        self._listener.shutdown(socket.SHUT_RDWR)  # ends `accept`, which closing would not
        self._accepting.join(LONG)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def listen_again(self) -> None:
        """Listen on the same port again."""
        self._listener = socket.create_server((LOOPBACK, self.port), backlog=512)
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._accepting.start()

    def turns(self, request: Request) -> "list[threading.Lock]":
        """The locks for the writes of a key; a request with many keys needs all of them."""
        if request.operation == "DeleteObjects":
            return self._turns
        number = hash(request.key) % TURNS
        return self._turns[number : number + 1]

    def forward(self, request: Request) -> Response:
        """Send a request to the real server."""
        url = urlsplit(self.real.endpoint_url)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=LONG)
        with contextlib.closing(connection):
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name != "expect":
                    connection.putheader(name, value)
            connection.endheaders(request.body)
            response = connection.getresponse()
            body = response.read()
            headers = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
            length = response.getheader("Content-Length") if request.method == "HEAD" else str(len(body))
            return Response(response.status, {**headers, "Content-Length": length or "0"}, body)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(sock)
                self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads = [known for known in self._threads if known.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            for request in _read_requests(sock):
                exchange = Exchange(request, self, sock)
                self.fault_for(request)(exchange)
                if not exchange.keep_alive:
                    break
        except OSError:
            pass  # the client closed the connection, which is not an error
        except BaseException as problem:
            self.problems.append(problem)
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()

    def fault_for(self, request: Request) -> Fault:
        """The fault for a request, by the rules; a subclass may decide otherwise."""
        with self._lock:
            self.requests.append(request)
            for rule in self._rules:
                if rule.remaining == 0 or not rule.matches(request):
                    continue
                if rule.skip:
                    rule.skip -= 1
                    continue
                if rule.remaining is not None:
                    rule.remaining -= 1
                self.injected += 1
                return rule.fault
        return pass_through


def _read_requests(sock: socket.socket) -> Iterator[Request]:
    """The requests that arrive on a connection; h11 checks that they are HTTP."""
    leftover = b""
    while True:
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=256 * 1024)
        parser.receive_data(leftover) if leftover else None
        head: Any = None
        body: list[bytes] = []
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                if parser.they_are_waiting_for_100_continue:
                    # With its reason: old versions of botocore do not know a 100 without one.
                    proceed = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                    sock.sendall(parser.send(proceed) or b"")
                data = sock.recv(2**20)
                if not data:
                    return
                parser.receive_data(data)
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        yield Request(head.method.decode(), head.target.decode(), headers, b"".join(body))
        leftover = parser.trailing_data[0]
