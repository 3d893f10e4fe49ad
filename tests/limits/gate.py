"""A route to a server that stops the first upload in its middle until a test releases it."""

import contextlib
import socket
import threading
from typing import Callable, Optional
from urllib.parse import urlsplit

from servers.s3_server import S3Server

LOOPBACK = "127.0.0.1"
STEP = 65536  # bytes


class Gate:
    """Passes on bytes; a context manager.

    Parameters
    ----------
    real : S3Server
        Signatures hold: it sees the Host header that was signed.
    then : callable
        Called once, when an upload has begun and can't go on.
    """

    def __init__(self, real: S3Server, then: Callable[[], object]) -> None:
        self._real = urlsplit(real.endpoint_url)
        self._then: Optional[Callable[[], object]] = then
        self._listener = socket.create_server((LOOPBACK, 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STEP)  # far less than what is sent
        self.url = f"http://{LOOPBACK}:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []

    def __enter__(self) -> "Gate":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends `accept`
        self._threads[0].join()
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in self._open:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((self._real.hostname, self._real.port))
            self._open += [client, server]
            for ends in ((client, server), (server, client)):
                self._threads.append(threading.Thread(target=self._pass_on, args=ends))
                self._threads[-1].start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(STEP):
                if data.startswith(b"PUT ") and self._then:
                    then, self._then = self._then, None
                    then()
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
