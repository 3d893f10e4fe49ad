"""The lower bound: a loop around recv_into, one process per core, sequential requests on a persistent connection.

It has no signature, checksum or retry, and reads only the length of a response: the cost in Python of moving bytes from
a socket into files.
"""

import multiprocessing
import os
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Optional
from urllib.parse import urlsplit

from ..servers.place import Place
from .peer import Peer, local_path

BUFFER = 2**20  # bytes

Task = tuple[str, str]  # key, local path


class BareSocket(Peer):
    """A loop around recv_into."""

    verbs = frozenset(("get_one", "get"))
    signs = False

    def open(self) -> None:
        self._processes = len(os.sched_getaffinity(0))
        self._pool = multiprocessing.get_context("fork").Pool(self._processes, _connect, (self.place,))

    def close(self) -> None:
        self._pool.terminate()
        self._pool.join()

    def get(self, keys: Sequence[str], folder: str) -> Any:
        tasks = [(key, local_path(folder, number)) for number, key in enumerate(keys)]
        self._pool.map(_download, [tasks[start :: self._processes] for start in range(self._processes)], chunksize=1)
        return [path for _, path in tasks]


_connection: Optional[socket.socket] = None  # of each process of the pool
_host = ""
_bucket = ""


def _connect(place: Place) -> None:
    global _connection, _host, _bucket  # noqa: PLW0603 - a process of the pool has nowhere else to keep it
    url = urlsplit(place.endpoint_url)
    assert url.hostname
    _host, _bucket = url.netloc, place.bucket
    _connection = socket.create_connection((url.hostname, url.port))
    _connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if place.ca_file:
        _connection = ssl.create_default_context(cafile=place.ca_file).wrap_socket(
            _connection, server_hostname=url.hostname
        )


def _download(tasks: Sequence[Task]) -> None:
    assert _connection is not None
    connection, buffer = _connection, memoryview(bytearray(BUFFER))
    for key, path in tasks:
        connection.sendall(f"GET /{_bucket}/{key} HTTP/1.1\r\nHost: {_host}\r\n\r\n".encode())
        got = connection.recv_into(buffer)
        head = bytes(buffer[:got]).partition(b"\r\n\r\n")[0]  # nginx sends a head in one piece
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{key}: {head[:40]!r}")
        left = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        body = buffer[len(head) + 4 : got]
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        while True:
            os.write(file, body)
            left -= len(body)
            if not left:
                break
            got = connection.recv_into(buffer)
            if not got:
                raise RuntimeError(f"{key}: the response ends early")
            body = buffer[:got]
        os.close(file)
