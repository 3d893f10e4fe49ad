"""The process of `listing_only`: ListObjectsV2 of sets of keys that are prepared beforehand; signatures are ignored.

Each line of standard input orders a set of keys, as JSON: prefix, shape, number of keys, their size. A line of standard
output says when it is there; the first one says the port. The process ends when its standard input does.

Started as ``python -m benchmarks.servers.listing_program SECONDS``: the delay of each page. Requests wait side by side.
"""

import asyncio
import hashlib
import json
import sys
import threading
from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import Callable
from urllib.parse import parse_qs, urlsplit

LOOPBACK = "127.0.0.1"
PAGE = 1000  # keys
ROW = (
    "<Contents><Key>{}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>&quot;{:032x}&quot;</ETag>"
    "<Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)
DOCUMENT = (
    b'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<IsTruncated>%b</IsTruncated>%b%b</ListBucketResult>"
)
OBJECT = bytes(1024)  # what GET brings of any key
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: %b\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    b'ETag: "00000000000000000000000000000000"\r\nx-amz-request-id: LISTING\r\n\r\n'
)


def _tree(number: int) -> str:
    """A key as tables have them."""
    month, day, hour = number // 90_000, number // 3_000 % 30, number // 125 % 24
    return f"year=2024/month={month:02}/day={day:02}/hour={hour:02}/part-{number:08}.parquet"


SHAPES: "dict[str, Callable[[int], str]]" = {
    "numbered": lambda number: f"{number:08}",
    "hashed": lambda number: hashlib.sha256(b"%d" % number).hexdigest(),
    "trees": _tree,
}


class Keys:
    """A set of keys, and their rows of a page, laid one after the other."""

    def __init__(self, prefix: str, shape: str, count: int, size: int) -> None:
        self.names = sorted(f"{prefix}/{SHAPES[shape](number)}" for number in range(count))
        rows = [ROW.format(name, number, size).encode() for number, name in enumerate(self.names)]
        self.ends = array("Q", accumulate(map(len, rows), initial=0))
        self.rows = b"".join(rows)

    def page(self, query: "dict[str, str]") -> bytes:
        """The document of a page."""
        names, prefix = self.names, query.get("prefix", "")
        first, end = bisect_left(names, prefix), bisect_left(names, f"{prefix}\U0010ffff")
        if "continuation-token" in query:
            first = int(query["continuation-token"])
        elif "start-after" in query:
            first = max(first, bisect_right(names, query["start-after"]))
        stop = min(first + min(PAGE, int(query.get("max-keys", PAGE))), end)
        more = b"<NextContinuationToken>%d</NextContinuationToken>" % stop if stop < end else b""
        rows = self.rows[self.ends[first] : self.ends[max(first, stop)]]
        return DOCUMENT % (b"true" if more else b"false", more, rows)


class Listings:
    """Responds to requests."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sets: dict[str, Keys] = {}  # by their prefix

    def add(self, prefix: str, shape: str, count: int, size: int) -> None:
        """Prepare a set of keys."""
        self._sets.setdefault(prefix, Keys(prefix, shape, count, size))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to the requests of one connection."""
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                method, target, _ = request.split(b" ", 2)
                url = urlsplit(target.decode())
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                is_object = "/" in url.path.strip("/")
                if method == b"GET" and not is_object:
                    await asyncio.sleep(self._seconds)
                    body, kind = self._page(query), b"application/xml"
                else:
                    body, kind = OBJECT if is_object else b"", b"application/octet-stream"
                writer.write(HEAD % (len(body), kind))
                if method == b"GET":
                    writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _page(self, query: "dict[str, str]") -> bytes:
        keys = self._sets.get(query.get("prefix", "").partition("/")[0])
        return keys.page(query) if keys and not query.get("delimiter") else DOCUMENT % (b"false", b"", b"")


async def main() -> None:
    """Serve until standard input ends."""
    listings = Listings(float(sys.argv[1]))
    server = await asyncio.start_server(listings.serve, LOOPBACK, 0, backlog=1024)
    ended, loop = asyncio.Event(), asyncio.get_running_loop()

    def obey() -> None:
        print(server.sockets[0].getsockname()[1], flush=True)
        for line in sys.stdin:
            listings.add(*json.loads(line))
            print("ready", flush=True)
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=obey, daemon=True).start()
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
