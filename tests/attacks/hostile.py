"""A server that responds to every request with bytes that the test chooses, with or without TLS."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Callable, Optional

LONG = 20.0  # seconds until a client that does not close its connection counts as broken
GOOD_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Hostile:
    """The server.

    Attributes
    ----------
    respond : callable
        Maps the head of a request, other than HeadBucket, to the bytes of the response.
    heads : list of bytes
        Heads of all received requests.
    """

    def __init__(self, listener: socket.socket, tls: Optional[ssl.SSLContext]) -> None:
        self.respond: Callable[[bytes], bytes] = lambda _: GOOD_HEAD
        self.heads: list[bytes] = []
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._tls = tls

    def client_params(self, **changes: object) -> "dict[str, object]":
        """Return the keyword arguments for clients."""
        scheme = "https" if self._tls else "http"
        return {
            "endpoint_url": f"{scheme}://localhost:{self.port}",
            "aws_access_key_id": "AKIAEXAMPLE",
            "aws_secret_access_key": "hush-hush",
            "aws_session_token": "token-token",
            "region_name": "us-east-1",
            **changes,
        }

    def accept(self) -> None:
        """Serve until the listener is closed."""
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError):  # in most tests, the client closes the connection
            sock.settimeout(LONG)
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            with sock:
                self._respond_to_all(sock)
        sock.close()

    def _respond_to_all(self, sock: socket.socket) -> None:
        unread = b""
        while True:
            while b"\r\n\r\n" not in unread:
                data = sock.recv(65536)
                if not data:
                    return
                unread += data
            head, _, unread = unread.partition(b"\r\n\r\n")
            self.heads.append(head)
            of_bucket = head.startswith(b"HEAD /bucket ")
            response = GOOD_HEAD if of_bucket else self.respond(head)
            sock.sendall(response)
            if b"\r\nconnection: close" in response:
                return


@contextmanager
def hostile(tls: Optional[ssl.SSLContext] = None) -> "Iterator[Hostile]":
    """Run the server."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        server = Hostile(listener, tls)
        accepting = threading.Thread(target=server.accept, daemon=True)
        accepting.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)  # ends `accept`, which closing would not
        accepting.join(LONG)
        assert not accepting.is_alive()


def response(body: bytes = b"", status: str = "200 OK", **headers: object) -> bytes:
    """A complete response; `content_length` may be wrong."""
    given = {"content_length": len(body), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body


def error(message: str, code: str = "AccessDenied", status: str = "403 Forbidden") -> bytes:
    """An error response of S3, with any message."""
    document = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return response(document.encode(), status)
