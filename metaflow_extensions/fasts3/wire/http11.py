"""HTTP/1.1 as a client of S3 meets it: bytes in, heads and bodies out (RFC 9112). This file does not know a socket.

Strict where a lenient reading would let one message pass for another, bounded where a hostile server would go on for
ever, lenient only where RFC 9112 allows it and servers need it (in heads bare LF, folded lines, reasons in any
alphabet).
"""

import re
from enum import Enum
from typing import NamedTuple, Optional

MAX_HEAD = 64 * 1024  # bytes; S3 limits user metadata to 2 KB, and no server sends more than a few KB in all
MAX_HEADERS = 200
MAX_NAMES = 500  # of headers that are remembered
MAX_INTERIM = 16  # 1xx heads before the real one
MAX_CHUNK_LINE = 4096  # bytes of a chunk's size line, extensions included

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 9110 section 5.6.2
_FOLD = re.compile(r"\n[ \t]+")  # obs-fold, RFC 9112 section 5.2: a space instead
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: (.*))?\Z", re.DOTALL)
_DIGITS = re.compile(r"[0-9]{1,19}\Z")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?\Z", re.DOTALL)
_CHUNK_LINE = re.compile(rb"([^\r\0]*)\r\Z")  # RFC 9112 section 2.2 allows a bare LF in heads, not here
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:")
_ENDS_OF_HEAD = (b"\n\r\n", b"\n\n")  # an empty line; the CR before it belongs to the line above


class ProtocolError(Exception):
    """What came is not HTTP/1.1, or not what this reader puts up with."""


class Framing(Enum):
    """How the end of a body is told (RFC 9112 section 6.3)."""

    NONE = "no body"
    LENGTH = "Content-Length"
    CHUNKED = "chunked"
    CLOSE = "until the connection ends"

    def __repr__(self) -> str:
        return f"Framing.{self.name}"


class Head(NamedTuple):
    """A status line and the fields below it."""

    status: int
    reason: str
    headers: "dict[str, str]"  # names in lower case; the values of a name that came twice are joined by ", "
    keep_alive: bool  # the server will take another request on this connection


class Body(NamedTuple):
    """How much follows a head."""

    framing: Framing
    length: int = 0  # bytes, where the framing is LENGTH


def end_of_head(data: "bytes | bytearray", first: int = 0, last: Optional[int] = None, searched: int = 0) -> int:
    """Where the body begins, or -1 while the head has not ended.

    Parameters
    ----------
    data : bytes or bytearray
    first, last : int, optional
        What has come is ``data[first:last]``.
    searched : int
        Bytes of it in which no end was found before.

    Raises
    ------
    ProtocolError
        The head is over `MAX_HEAD` bytes.
    """
    if last is None:
        last = len(data)
    start = first + max(0, searched - 2)
    end = -1
    for mark in _ENDS_OF_HEAD:
        found = data.find(mark, start, last if end < 0 else end)
        if found >= 0:
            end = found + len(mark)
    if (last if end < 0 else end) - first > MAX_HEAD:
        raise ProtocolError(f"the head of the reply is over {MAX_HEAD} bytes")
    return end


def parse_head(data: bytes) -> Head:
    """Read a head, from its first byte to its empty line.

    Raises
    ------
    ProtocolError
    """
    text = data.decode("latin-1").replace("\r\n", "\n")
    if "\r" in text or "\0" in text:  # RFC 9112 section 2.2, RFC 9110 section 5.5
        raise ProtocolError("the head of the reply holds a bare CR or a NUL")
    first, _, rest = text.partition("\n")
    status_line = _STATUS_LINE.match(first)
    if not status_line:
        raise ProtocolError(f"the reply does not begin as HTTP/1.1 does: {data[:40]!r}")
    minor, status, reason = status_line.groups()
    if status == "101":  # RFC 9110 section 15.2.2
        raise ProtocolError("the server changes to a protocol that nobody asked for")
    if "\n " in rest or "\n\t" in rest:
        rest = _FOLD.sub(" ", rest)
    lines = rest.split("\n")[:-2]  # without what follows the last line's end, and the empty line's
    if len(lines) > MAX_HEADERS:
        raise ProtocolError(f"the reply has over {MAX_HEADERS} headers")
    headers: dict[str, str] = {}
    for line in lines:
        sent_name, colon, value = line.partition(":")
        name = _lower.get(sent_name) or _lower_name(sent_name)
        if not colon or not name:
            raise ProtocolError(f"not a header: {line[:80]!r}")
        value = value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Head(int(status), reason or "", headers, _keeps_alive(minor, headers))


_lower: "dict[str, str]" = {}  # names of headers as they were sent, in lower case: a server sends the same ones always


def _lower_name(name: str) -> str:
    """A header's name in lower case, "" where it can't be one; remembered, but not without end."""
    if not _TOKEN.match(name):
        return ""
    if len(_lower) < MAX_NAMES:
        _lower[name] = name.lower()
    return name.lower()


def _keeps_alive(minor: str, headers: "dict[str, str]") -> bool:
    """Whether a connection lasts (RFC 9112 section 9.3); not after chunks of HTTP/1.0, which has none (6.1)."""
    told = headers.get("connection")
    options = {option.strip(" \t") for option in told.lower().split(",")} if told else set()
    if "close" in options:
        return False
    return minor == "1" or ("keep-alive" in options and "transfer-encoding" not in headers)


def body_of(method: str, head: Head) -> Body:
    """How the body after a head is framed (RFC 9112 section 6.3).

    Raises
    ------
    ProtocolError
        The head says two things at once.
    """
    if method == "HEAD" or head.status in (204, 304) or head.status < 200:
        return Body(Framing.NONE)
    coding = head.headers.get("transfer-encoding")
    length = head.headers.get("content-length")
    if coding is not None:
        if length is not None:
            raise ProtocolError("both Transfer-Encoding and Content-Length: somebody may be smuggling a reply")
        if coding.lower() == "chunked":
            return Body(Framing.CHUNKED)
        raise ProtocolError(f"Transfer-Encoding {coding[:80]!r} was not asked for")
    if length is None:
        return Body(Framing.CLOSE)
    size = content_length(head)
    return Body(Framing.LENGTH, size) if size else Body(Framing.NONE)


def content_length(head: Head) -> Optional[int]:
    """The Content-Length of a head, None where it has none; several that agree are one.

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
    """Takes the bytes of a chunked body as they come, gives what is in them (RFC 9112 section 7.1).

    Attributes
    ----------
    done : bool
        The last chunk and the trailers were read.
    leftover : bytes
        What came after them.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._missing = 0  # bytes of the chunk that have not come
        self._in_trailers = False
        self._at_chunk_end = False
        self._trailers = 0  # bytes of them
        self.done = False

    @property
    def leftover(self) -> bytes:
        return bytes(self._buffer)

    def feed(self, data: "bytes | memoryview") -> bytes:
        """Take bytes; give those of the body among them.

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
            raise ProtocolError(f"a line of a chunked body is over {MAX_CHUNK_LINE} bytes")
        if end < 0:
            return None
        line = _CHUNK_LINE.match(self._buffer[:end])
        if not line:
            raise ProtocolError("a line of a chunked body holds a bare LF, a bare CR or a NUL")
        del self._buffer[: end + 1]
        return line.group(1)

    def _take_line(self, line: bytes) -> None:
        if self._in_trailers:
            folded = self._trailers and line[:1] in (b" ", b"\t")
            if line and not folded and not _TRAILER.match(line):  # else the next reply could pass for trailers
                raise ProtocolError(f"not a trailer: {line[:40]!r}")
            self._trailers += len(line)
            if self._trailers > MAX_HEAD:
                raise ProtocolError(f"the trailers are over {MAX_HEAD} bytes")
            self.done = not line
        elif self._at_chunk_end:
            if line:
                raise ProtocolError("a chunk is longer than it says")
            self._at_chunk_end = False
        else:
            size = _CHUNK_SIZE.match(line)
            if not size:
                raise ProtocolError(f"not the size of a chunk: {line[:40]!r}")
            self._missing = int(size.group(1), 16)
            self._in_trailers = not self._missing


def request_head(method: str, target: str, headers: "dict[str, str]") -> bytes:
    """The bytes of a request's head.

    Parameters
    ----------
    target : str
        Path and query, encoded.
    headers : dict of str to str

    Raises
    ------
    ValueError
        A header would end its own line: whoever chose its value would be writing the request.
    """
    lines = [f"{method} {target} HTTP/1.1\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
        name = next((name for name, value in headers.items() if re.search(r"[\r\n\0]", name + value)), "target")
        raise ValueError(f"{name!r} holds a line break or a NUL, which a header can't")
    return f"{text}\r\n".encode("latin-1")
