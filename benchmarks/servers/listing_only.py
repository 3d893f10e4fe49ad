"""A server of one thing: ListObjectsV2 of as many keys as are wanted, none of which is anywhere.

In a process of its own; signatures are ignored.
"""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Optional
from urllib.parse import parse_qs, urlsplit

from .place import Place

LOOPBACK = "127.0.0.1"
PAGE = 1000  # keys
ROW = (
    "<Contents><Key>{}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>&quot;{:032x}&quot;</ETag>"
    "<Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)
DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<IsTruncated>{}</IsTruncated>{}{}</ListBucketResult>"
)


class ListingOnly:
    """As a ``with`` block, gives its `Place`.

    Parameters
    ----------
    keys : int
        Below any prefix that is asked for.
    """

    def __init__(self, keys: int) -> None:
        self._keys = keys

    def __enter__(self) -> Place:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(self._keys)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        port = int(self._process.stdout.readline())
        return Place(f"http://{LOOPBACK}:{port}", "listed", "us-east-1", "nobody", "ignored")

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self._process.communicate()  # it ends when its stdin does


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    keys = 0

    def do_HEAD(self) -> None:
        is_bucket = "/" not in self.path.strip("/")
        self.send_response(200 if is_bucket else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        first = int(query.get("continuation-token", 0))
        end = min(first + PAGE, self.keys)
        rows = "".join(ROW.format(_key(query["prefix"], number), number, number) for number in range(first, end))
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < self.keys else ""
        document = DOCUMENT.format("true" if more else "false", more, rows).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(document)))
        self.end_headers()
        self.wfile.write(document)

    def log_message(self, *_: object) -> None:
        pass


def _key(prefix: str, number: int) -> str:
    """A key as tables have them."""
    return f"{prefix}year=2024/month={number // 90_000:02}/day={number // 3_000 % 30:02}/part-{number:08}.parquet"


def main() -> None:
    """Serve until stdin ends, and say where."""
    _Handler.keys = int(sys.argv[1])
    server = ThreadingHTTPServer((LOOPBACK, 0), _Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
