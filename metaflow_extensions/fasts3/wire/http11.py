"""HTTP/1.1 as S3's clients use it: bytes in, heads and bodies out (RFC 9112). This file does not know sockets.

Strict where lenient parsing would allow response smuggling, bounded against hostile servers, and lenient only where
RFC 9112 allows it and servers need it (in heads: bare LF, folded lines, reason phrases in any encoding).
"""

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple, Optional

MAX_HEAD = 64 * 1024  # bytes; S3 limits user metadata to 2 KB, and servers send a few KB at most
MAX_HEADERS = 200
MAX_NAMES = 500  # header names kept in `_lower`
MAX_INTERIM = 16  # 1xx heads before the final one
MAX_CHUNK_LINE = 4096  # bytes of a chunk's size line, extensions included

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 9110 section 5.6.2
_FOLD = re.compile(r"\n[ \t]+")  # obs-fold, RFC 9112 section 5.2: replaced by a space
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: (.*))?\Z", re.DOTALL)
_DIGITS = re.compile(r"[0-9]{1,19}\Z")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?\Z", re.DOTALL)
_CHUNK_LINE = re.compile(rb"([^\r\0]*)\r\Z")  # RFC 9112 section 2.2 allows a bare LF in heads only
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:")
_END_OF_HEAD = re.compile(rb"\n\r?\n")  # an empty line


class ProtocolError(Exception):
    """A response is not HTTP/1.1, or exceeds this reader's limits."""


class Framing(Enum):
    """How the end of a body is determined (RFC 9112 section 6.3)."""

    NONE = "no body"
    LENGTH = "Content-Length"
    CHUNKED = "chunked"
    CLOSE = "until the connection ends"

    def __repr__(self) -> str:
        return f"Framing.{self.name}"


class Head(NamedTuple):
    """A status line and its headers."""

    status: int
    reason: str
    headers: "dict[str, str]"  # names in lower case; repeated headers are joined by ", "
    keep_alive: bool  # the server accepts another request on this connection


class Body(NamedTuple):
    """The framing and length of a body."""

    framing: Framing
    length: int = 0  # bytes, if the framing is LENGTH


def end_of_head(data: "bytes | bytearray", first: int = 0, last: Optional[int] = None, searched: int = 0) -> int:
    """Return the offset of the body; -1 if the head is incomplete.

    Parameters
    ----------
    data : bytes or bytearray
    first, last : int, optional
        The received bytes are ``data[first:last]``.
    searched : int
        How many of them were searched before.

    Raises
    ------
    ProtocolError
        The head exceeds `MAX_HEAD` bytes.
    """
    if last is None:
        last = len(data)
    found = _END_OF_HEAD.search(data, first + max(0, searched - 2), last)
    end = found.end() if found else last
    if end - first > MAX_HEAD:
        raise ProtocolError(f"the head of the response exceeds {MAX_HEAD} bytes")
    return end if found else -1


def parse_head(data: bytes) -> Head:
    """Parse a head, its empty line included.

    Raises
    ------
    ProtocolError
    """
    text = data.decode("latin-1").replace("\r\n", "\n")
    if "\r" in text or "\0" in text:  # RFC 9112 section 2.2, RFC 9110 section 5.5
        raise ProtocolError("the head of the response contains a bare CR or a NUL")
    first, _, rest = text.partition("\n")
    status_line = _STATUS_LINE.match(first)
    if not status_line:
        raise ProtocolError(f"the response does not begin with an HTTP/1.1 status line: {data[:40]!r}")
    minor, status, reason = status_line.groups()
    if status == "101":  # RFC 9110 section 15.2.2
        raise ProtocolError("the server switched protocols without a request to (status 101)")
    if "\n " in rest or "\n\t" in rest:
        rest = _FOLD.sub(" ", rest)
    lines = rest.split("\n")[:-2]  # without the last line's end and the empty line
    if len(lines) > MAX_HEADERS:
        raise ProtocolError(f"the response has more than {MAX_HEADERS} headers")
    headers: dict[str, str] = {}
    for line in lines:
        sent_name, colon, value = line.partition(":")
        name = _lower.get(sent_name) or _lower_name(sent_name)
        if not colon or not name:
            raise ProtocolError(f"invalid header: {line[:80]!r}")
        value = value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Head(int(status), reason or "", headers, _keeps_alive(minor, headers))


_lower: "dict[str, str]" = {}  # header names as sent -> in lower case; a server sends the same ones always


def _lower_name(name: str) -> str:
    """Return a header name in lower case, "" if invalid; caches at most `MAX_NAMES` names."""
    if not TOKEN.match(name):
        return ""
    if len(_lower) < MAX_NAMES:
        _lower[name] = name.lower()
    return name.lower()


def _keeps_alive(minor: str, headers: "dict[str, str]") -> bool:
    """Whether a connection stays open (RFC 9112 section 9.3); not after chunks in HTTP/1.0, which has none (6.1)."""
    header = headers.get("connection")
    options = _options(header) if header else frozenset()
    if "close" in options:
        return False
    return minor == "1" or ("keep-alive" in options and "transfer-encoding" not in headers)


@lru_cache(maxsize=16)  # a server sends the same ones always
def _options(header: str) -> "frozenset[str]":
    return frozenset(option.strip(" \t") for option in header.lower().split(","))


def body_of(method: str, head: Head) -> Body:
    """Return the framing of the body after a head (RFC 9112 section 6.3).

    Raises
    ------
    ProtocolError
        The headers contradict each other.
    """
    if method == "HEAD" or head.status in (204, 304) or head.status < 200:
        return Body(Framing.NONE)
    coding = head.headers.get("transfer-encoding")
    length = head.headers.get("content-length")
    if coding is not None:
        if length is not None:
            raise ProtocolError("both Transfer-Encoding and Content-Length: possible response smuggling")
        if coding.lower() == "chunked":
            return Body(Framing.CHUNKED)
        raise ProtocolError(f"the response has Transfer-Encoding {coding[:80]!r}, which was not requested")
    if length is None:
        return Body(Framing.CLOSE)
    size = content_length(head)
    return Body(Framing.LENGTH, size) if size else Body(Framing.NONE)


def content_length(head: Head) -> Optional[int]:
    """Return the Content-Length of a head, None without one; equal repeated values are accepted.

    Raises
    ------
    ProtocolError
    """
    text = head.headers.get("content-length")
    if text is None:
        return None
    if _DIGITS.match(text):
        return int(text)
    values = {value.strip(" \t") for value in text.split(",")}
    value = values.pop()
    if values or not _DIGITS.match(value):
        raise ProtocolError(f"Content-Length is {text[:80]!r}")
    return int(value)


class ChunkedReader:
    """Decodes a chunked body incrementally (RFC 9112 section 7.1).

    Attributes
    ----------
    done : bool
        The last chunk and the trailers were read.
    leftover : bytes
        Bytes after the trailers.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._missing = 0  # bytes of the current chunk still to come
        self._in_trailers = False
        self._at_chunk_end = False
        self._trailers = 0  # bytes of trailers read
        self.done = False

    @property
    def leftover(self) -> bytes:
        return bytes(self._buffer)

    def feed(self, data: "bytes | memoryview") -> bytes:
        """Take bytes and return the decoded body bytes among them.

        Raises
        ------
        ProtocolError
        """
        self._buffer += data
        out = bytearray()
        while not self.done:
            if self._missing:
                taken = self._buffer[: self._missing]
                if not taken:
                    break
                out += taken
                del self._buffer[: len(taken)]
                self._missing -= len(taken)
                self._at_chunk_end = not self._missing
                continue
            line = self._line()
            if line is None:
                break
            self._take_line(line)
        return bytes(out)

    def _line(self) -> Optional[bytes]:
        end = self._buffer.find(b"\n")
        if (end if end >= 0 else len(self._buffer)) > MAX_CHUNK_LINE:
            raise ProtocolError(f"a line of a chunked body exceeds {MAX_CHUNK_LINE} bytes")
        if end < 0:
            return None
        line = _CHUNK_LINE.match(self._buffer[:end])
        if not line:
            raise ProtocolError("a line of a chunked body contains a bare LF, a bare CR or a NUL")
        del self._buffer[: end + 1]
        return line.group(1)

    def _take_line(self, line: bytes) -> None:
        if self._in_trailers:
            folded = self._trailers and line[:1] in (b" ", b"\t")
            if line and not folded and not _TRAILER.match(line):  # else the next response could be read as trailers
                raise ProtocolError(f"invalid trailer: {line[:40]!r}")
            self._trailers += len(line)
            if self._trailers > MAX_HEAD:
                raise ProtocolError(f"the trailers exceed {MAX_HEAD} bytes")
            self.done = not line
        elif self._at_chunk_end:
            if line:
                raise ProtocolError("a chunk is longer than its size line says")
            self._at_chunk_end = False
        else:
            size = _CHUNK_SIZE.match(line)
            if not size:
                raise ProtocolError(f"invalid chunk size: {line[:40]!r}")
            self._missing = int(size.group(1), 16)
            self._in_trailers = not self._missing


def header_lines(headers: "dict[str, str]") -> str:
    """Return the lines of a request's headers.

    Raises
    ------
    ValueError
        A header contains a line break, with which its value could inject other headers.
    """
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if text.count("\n") != len(headers) or text.count("\r") != len(headers) or "\0" in text:
        name = next(name for name, value in headers.items() if re.search(r"[\r\n\0]", name + value))
        raise ValueError(f"{name!r} contains a line break or a NUL, which HTTP does not allow")
    return text
