"""Tests of framing: one table of responses, whole and split at every offset, and h11 as oracle for generated ones."""

from typing import NamedTuple

import h11
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from wire.h11_oracle import Parsed, agree, may_be_taken_by_us_alone, read_by_h11

from metaflow_extensions.fasts3.wire.http11 import (
    MAX_CHUNK_LINE,
    MAX_HEAD,
    MAX_HEADERS,
    Body,
    ChunkedReader,
    Framing,
    Head,
    ProtocolError,
    body_of,
    content_length,
    end_of_head,
    header_lines,
    parse_head,
)


class Read(NamedTuple):
    """The part of one response that was read."""

    interim: "list[int]"
    head: Head
    framing: Framing
    body: bytes
    leftover: bytes = b""


class Reading:
    """Reads one response from pieces, as a connection does from a socket."""

    def __init__(self, method):
        self._method = method
        self._buffer = bytearray()
        self._searched = 0
        self._interim = []
        self._chunks = ChunkedReader()
        self._head = self._framed = None
        self._body = bytearray()

    def feed(self, data):
        self._buffer += data
        while self._head is None:
            size = end_of_head(self._buffer, searched=self._searched)
            if size < 0:
                self._searched = len(self._buffer)
                return
            head = parse_head(bytes(self._buffer[:size]))
            del self._buffer[:size]
            self._searched = 0
            if head.status >= 200:
                self._head, self._framed = head, body_of(self._method, head)
            else:
                self._interim.append(head.status)
        if self._framed.framing is Framing.CHUNKED:
            self._body += self._chunks.feed(bytes(self._buffer))
            self._buffer.clear()
        else:
            close = self._framed.framing is Framing.CLOSE
            wanted = len(self._buffer) if close else self._framed.length - len(self._body)
            self._body += self._buffer[:wanted]
            del self._buffer[:wanted]

    def read(self, ended):
        """Return what was read; None if it is incomplete."""
        if self._head is None:
            return None
        framing = self._framed.framing
        complete = {
            Framing.NONE: True,
            Framing.LENGTH: len(self._body) == self._framed.length,
            Framing.CHUNKED: self._chunks.done,
            Framing.CLOSE: ended,
        }[framing]
        leftover = self._chunks.leftover if framing is Framing.CHUNKED else bytes(self._buffer)
        return Read(self._interim, self._head, framing, bytes(self._body), leftover) if complete else None


def read(pieces, method="GET", ended=True):
    reading = Reading(method)
    for piece in pieces:
        reading.feed(piece)
    return reading.read(ended)


def cuts(raw):
    """A text whole, byte by byte, and cut in two at every offset."""
    yield [raw]
    yield [raw[at : at + 1] for at in range(len(raw))]
    for at in range(1, len(raw)):
        yield [raw[:at], raw[at:]]


def ok(headers, framing, body=b"", keep=True, status=200, reason="OK", interim=(), leftover=b""):
    return Read(list(interim), Head(status, reason, headers, keep), framing, body, leftover)


CHUNKED = {"transfer-encoding": "chunked"}
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TWO = {"content-length": "2"}

RESPONSES = [
    pytest.param(
        "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", ok(TWO, Framing.LENGTH, b"hi"), id="Content-Length"
    ),
    pytest.param(
        "GET",
        b"HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nhiHTTP/1.1",
        ok(TWO, Framing.LENGTH, b"hi", leftover=b"HTTP/1.1"),
        id="more than the size",
    ),
    pytest.param(
        "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ok({"content-length": "0"}, Framing.NONE), id="empty"
    ),
    pytest.param(
        "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", ok(TWO, Framing.NONE), id="HEAD with a length"
    ),
    pytest.param("HEAD", CHUNKED_HEAD, ok(CHUNKED, Framing.NONE), id="HEAD with chunked"),
    pytest.param("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n", ok({}, Framing.NONE, status=204, reason="No Content")),
    pytest.param(
        "GET",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
        ok(TWO, Framing.NONE, status=304, reason="Not Modified"),
        id="304 with a length and without a body",
    ),
    pytest.param(
        "GET",
        CHUNKED_HEAD + b"2\r\nhi\r\n1\r\n!\r\n0\r\n\r\nHTTP",
        ok(CHUNKED, Framing.CHUNKED, b"hi!", leftover=b"HTTP"),
        id="chunks",
    ),
    pytest.param("GET", CHUNKED_HEAD + b"0\r\n\r\n", ok(CHUNKED, Framing.CHUNKED, b""), id="no chunk but the last"),
    pytest.param(
        "GET",
        CHUNKED_HEAD + b'2;a=b;c="d\t\xe9"\r\nhi\r\n00 ; x\r\n\r\n',
        ok(CHUNKED, Framing.CHUNKED, b"hi"),
        id="extensions of chunks",
    ),
    pytest.param(
        "GET",
        CHUNKED_HEAD + b"2\r\nhi\r\n0\r\nx-amz-checksum-crc32: AAAA\r\nX: y\r\n z\r\n\r\nnext",
        ok(CHUNKED, Framing.CHUNKED, b"hi", leftover=b"next"),
        id="trailers",
    ),
    pytest.param(
        "GET",
        CHUNKED_HEAD + b"4\r\n\r\n\r\n\r\n0000000000000000\r\n\r\n",
        ok(CHUNKED, Framing.CHUNKED, b"\r\n\r\n"),
        id="a chunk of line ends, and a long zero",
    ),
    pytest.param(
        "GET",
        CHUNKED_HEAD + b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
        ok(CHUNKED, Framing.CHUNKED, b"01234567890123456789"),
        id="hexadecimal digits of both cases",
    ),
    pytest.param(
        "GET",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
        ok({"transfer-encoding": "Chunked"}, Framing.CHUNKED),
        id="names of codings have no case",
    ),
    pytest.param("GET", b"HTTP/1.1 200 OK\r\n\r\nhi\r\n\r\n", ok({}, Framing.CLOSE, b"hi\r\n\r\n"), id="close"),
    pytest.param(
        "PUT",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        ok(TWO, Framing.LENGTH, b"hi", interim=[100, 103]),
        id="interim",
    ),
    pytest.param(
        "GET",
        b"HTTP/1.1 200 OK\nContent-Length: 2\nA: b\n\nhi",
        ok({"content-length": "2", "a": "b"}, Framing.LENGTH, b"hi"),
        id="bare LF (RFC 9112 section 2.2)",
    ),
    pytest.param("GET", b"HTTP/1.1 200\r\n\r\n", ok({}, Framing.CLOSE, reason=""), id="no reason, no space"),
    pytest.param("GET", b"HTTP/1.1 200 \r\n\r\n", ok({}, Framing.CLOSE, reason=""), id="no reason"),
    pytest.param(
        "GET",
        "HTTP/1.1 200 C'est bien, é\r\n\r\n".encode(),
        ok({}, Framing.CLOSE, reason="C'est bien, Ã©"),
        id="a reason in any alphabet",
    ),
    pytest.param(
        "GET",
        b"HTTP/1.1 200 OK\r\nA: b\r\n  c\t\r\n\td\r\nE:\r\n f\r\nG: h\r\n \r\nI: j\r\n\r\n",
        ok({"a": "b c\t d", "e": "f", "g": "h", "i": "j"}, Framing.CLOSE),
        id="folded (RFC 9112 section 5.2)",
    ),
    pytest.param(
        "GET",
        b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nhi",
        ok(TWO, Framing.LENGTH, b"hi"),
        id="folded Content-Length",
    ),
    pytest.param(
        "GET",
        b"HTTP/1.1 200 OK\r\nx-amz-meta-a: 1\r\nX-Amz-Meta-A:  2 \t\r\nEmpty:\r\nColons: a:b: c\r\n\r\n",
        ok({"x-amz-meta-a": "1, 2", "empty": "", "colons": "a:b: c"}, Framing.CLOSE),
        id="names without case, twice, without a value",
    ),
    pytest.param(
        "GET",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2, 2\r\n\r\nhi",
        ok({"content-length": "2, 2, 2"}, Framing.LENGTH, b"hi"),
        id="Content-Length thrice, but the same (RFC 9110 section 8.6)",
    ),
    pytest.param(
        "GET",
        b"HTTP/1.1 200 OK\r\nConnection: Upgrade, CLOSE\r\nContent-Length: 2\r\n\r\nhi",
        ok({"connection": "Upgrade, CLOSE", **TWO}, Framing.LENGTH, b"hi", keep=False),
        id="closes afterwards",
    ),
    pytest.param(
        "GET",
        b"HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 2\r\n\r\nhi",
        ok({"connection": "closed", **TWO}, Framing.LENGTH, b"hi"),
        id="a word that begins as close does",
    ),
    pytest.param(
        "GET",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        ok(TWO, Framing.LENGTH, b"hi", keep=False),
        id="HTTP/1.0 closes",
    ),
    pytest.param(
        "GET",
        b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi",
        ok({"connection": "Keep-Alive", **TWO}, Framing.LENGTH, b"hi"),
        id="HTTP/1.0 with keep-alive (RFC 9112 section 9.3)",
    ),
    pytest.param(
        "GET",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 2\r\n\r\nhi",
        ok({"connection": "keep-alive, close", **TWO}, Framing.LENGTH, b"hi", keep=False),
        id="HTTP/1.0 with both",
    ),
    pytest.param(
        "GET",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ok({"connection": "keep-alive", **CHUNKED}, Framing.CHUNKED, keep=False),
        id="HTTP/1.0 knows no chunks (RFC 9112 section 6.1)",
    ),
]


@pytest.mark.parametrize(("method", "raw", "expected"), RESPONSES)
def test_responses_at_any_split(method, raw, expected):
    for pieces in cuts(raw):
        assert read(pieces, method) == expected


@pytest.mark.parametrize(("method", "raw", "expected"), RESPONSES)
def test_a_response_that_is_cut_short_is_not_whole(method, raw, expected):
    needed = len(raw) - len(expected.leftover)
    if expected.framing is Framing.CLOSE:
        assert read([raw], method, ended=False) is None
        needed -= len(expected.body)
    for at in range(needed):
        assert read([raw[:at]], method) is None
    assert read([raw[:needed]], method) is not None


REFUSED = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "an empty line first": b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\n\r\n",
    "http": b"http/1.1 200 OK\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a status below 100": b"HTTP/1.1 099 OK\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\n\r\n",
    "digits of another alphabet": b"HTTP/1.1 2\xb20 OK\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\n\r\n",
    "CR in the reason": b"HTTP/1.1 200 O\rK\r\n\r\n",
    "an unrequested protocol": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nA\r\n\r\n",
    "no name": b"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi",
    "a tab before the colon": b"HTTP/1.1 200 OK\r\nContent-Length\t: 2\r\n\r\nhi",
    "a space in the name": b"HTTP/1.1 200 OK\r\nContent Length: 2\r\n\r\nhi",
    "a letter that is none of ASCII in the name": b"HTTP/1.1 200 OK\r\n\xe9: 2\r\n\r\n",
    "a NUL in the name": b"HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n",
    "a NUL in the value": b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
    "a CR in the value": b"HTTP/1.1 200 OK\r\nA: b\rContent-Length: 0\r\n\r\n",
    "a CR at the end of the value": b"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n",
    "a NUL in a folded line": b"HTTP/1.1 200 OK\r\nA: b\r\n c\0\r\n\r\n",
    "a CR in a folded line": b"HTTP/1.1 200 OK\r\nA: b\r\n c\rd\r\n\r\n",
    "a line of a CR": b"HTTP/1.1 200 OK\r\nA: b\r\n\r\r\n\r\n",
    "a continuation of the status line": b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
    "both framings": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both framings, the other way round": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    "both framings in HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "identity": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
    "chunked twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunked with a tab that is none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
    "an empty coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n",
} | {
    f"Content-Length {value!r}": b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\nhi" % value
    for value in (
        *(b"-1", b"-0", b"+2", b"2.0", b"0x2", b"2_0", b"2 2", b"two", b"", b"\xb2", b"\xa02", b"\x0b2", b"2;", b"1e0"),
        *(b"2, 3", b"2,", b",2", b",", b"2, +2", b"2, \xa02", b"2,\x0b2", b"2, 02", b"9" * 20, b"1" + b"0" * 400),
        *(b"2\r\nContent-Length: 3", b"2\r\ncontent-length: ", b"2\r\n 3"),
    )
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_rejected_responses_at_any_split(raw):
    for pieces in cuts(raw):
        with pytest.raises(ProtocolError):
            read(pieces)


REFUSED_CHUNKS = {
    "no digits": b"\r\n",
    "not hexadecimal": b"g\r\n",
    "negative": b"-1\r\n",
    "signed": b"+1\r\n",
    "0x": b"0x1\r\n",
    "underlined": b"1_0\r\n",
    "a space first": b" 1\r\nx\r\n0\r\n\r\n",
    "two numbers": b"1 1\r\n",
    "a tab that is none": b"1\x0b\r\n",
    "17 digits": b"00000000000000001\r\n",
    "absurd": b"f" * 1000 + b"\r\n",
    "shorter than its chunk": b"1\r\nhi\r\n0\r\n\r\n",
    "bare LF": b"2\nhi\r\n0\r\n\r\n",
    "bare LF behind the chunk": b"2\r\nhi\n0\r\n\r\n",
    "bare LF at the end": b"2\r\nhi\r\n0\r\n\n",
    "longer than its chunk": b"3\r\nhi\r\n0\r\n\r\n",
    "no line end behind the chunk": b"2\r\nhi0\r\n\r\n",
    "a CR too many": b"2\r\nhi\r\r\n0\r\n\r\n",
    "a CR in an extension": b"2;a\rb\r\nhi\r\n0\r\n\r\n",
    "a NUL in an extension": b"2;a\0b\r\nhi\r\n0\r\n\r\n",
    "the next response as trailers": b"2\r\nhi\r\n0\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a trailer without a name": b"0\r\n: x\r\n\r\n",
    "a trailer with a space in its name": b"0\r\na b: x\r\n\r\n",
    "a NUL in a trailer": b"0\r\na: x\0\r\n\r\n",
    "a CR in a trailer": b"0\r\na: x\ry\r\n\r\n",
    "a continuation of no trailer": b"0\r\n x\r\n\r\n",
}


@pytest.mark.parametrize("raw", REFUSED_CHUNKS.values(), ids=REFUSED_CHUNKS)
def test_rejected_chunks_at_any_split(raw):
    for pieces in cuts(raw):
        with pytest.raises(ProtocolError):
            read([CHUNKED_HEAD, *pieces])


# --- Bounds

STATUS_LINE = b"HTTP/1.1 200 OK\r\n"


def head_of(size):
    """A head of so many bytes."""
    filler = b"A: %s\r\n\r\n"
    return STATUS_LINE + filler % (b"x" * (size - len(STATUS_LINE) - len(filler) + 2))


def test_a_head_of_the_largest_size_and_none_larger():
    raw = head_of(MAX_HEAD)
    assert end_of_head(raw) == end_of_head(raw + b"body") == MAX_HEAD
    for larger in (head_of(MAX_HEAD + 1), head_of(MAX_HEAD + 1) + b"body"):
        with pytest.raises(ProtocolError):
            end_of_head(larger)


def test_a_head_that_never_ends_is_given_up():
    assert end_of_head(b"x" * MAX_HEAD) == -1
    with pytest.raises(ProtocolError):
        end_of_head(b"x" * (MAX_HEAD + 1))


def test_the_end_of_a_head_is_found_from_where_the_search_stopped():
    for raw in (b"a\r\n\r\nb\n\n", b"a\n\nb", b"a\n\r\nb", b"a\r\n\nb"):
        end = raw.index(b"b")
        for stopped in range(end):  # nothing before it was an end
            assert end_of_head(raw, searched=stopped) == end
            assert end_of_head(b"z\n\n" + raw, 3, 3 + len(raw), stopped) == 3 + end
            assert end_of_head(bytearray(raw), 0, stopped) == -1


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_as_many_headers_as_allowed_and_no_more(line_end):
    lines = [b"A%d: b" % number for number in range(MAX_HEADERS)]
    assert len(parse_head(line_end.join([b"HTTP/1.1 200 OK", *lines, b"", b""])).headers) == MAX_HEADERS
    for more in (b"A: b", b"A0: b"):
        with pytest.raises(ProtocolError):
            parse_head(line_end.join([b"HTTP/1.1 200 OK", *lines, more, b"", b""]))


def test_a_chunk_s_line_of_the_largest_size_and_none_larger():
    line = b"1;" + b"x" * (MAX_CHUNK_LINE - 3)
    assert ChunkedReader().feed(line + b"\r\nz") == b"z"
    for larger in (line + b"xx\r\nz", line + b"xx"):
        with pytest.raises(ProtocolError):
            ChunkedReader().feed(larger)
    reader = ChunkedReader()
    reader.feed(line)
    with pytest.raises(ProtocolError):
        reader.feed(b"xx")


def test_trailers_are_limited():
    reader = ChunkedReader()
    line = b"a:" + b"b" * 1022 + b"\r\n"
    reader.feed(b"0\r\n" + line * (MAX_HEAD // 1024))
    with pytest.raises(ProtocolError):
        reader.feed(b"a:\r\n")


def test_large_chunks_and_many_small_ones():
    body = bytes(range(256)) * 4096  # 1 MB
    assert ChunkedReader().feed(b"100000\r\n%s\r\n0\r\n\r\n" % body) == body
    reader = ChunkedReader()
    assert reader.feed(b"1\r\nx\r\n" * 100_000) == b"x" * 100_000
    assert not reader.done


def test_a_chunk_of_the_largest_size_is_only_what_has_come():
    reader = ChunkedReader()
    assert reader.feed(b"ffffffffffffffff\r\nabc") == b"abc"
    assert reader.feed(b"d") == b"d"
    assert not reader.done


def test_after_the_last_chunk_everything_is_left_over():
    reader = ChunkedReader()
    assert reader.feed(b"1\r\nx\r\n0\r\n\r\nab") == b"x"
    assert reader.feed(b"cd") == b""
    assert (reader.done, reader.leftover) == (True, b"abcd")


@pytest.mark.parametrize(
    ("value", "expected"), [(None, None), ("0", 0), ("007", 7), ("3, 3", 3), ("9" * 19, 10**19 - 1)]
)
def test_content_lengths(value, expected):
    headers = {} if value is None else {"content-length": value}
    assert content_length(Head(200, "OK", headers, True)) == expected


def test_framings_are_shown_by_name():
    assert repr(Body(Framing.CHUNKED)) == "Body(framing=Framing.CHUNKED, length=0)"


# --- Requests

HEADERS = {"host": "h", "x-amz-meta-a": "b\té"}


def test_a_request_s_headers():
    assert header_lines(HEADERS) == "host: h\r\nx-amz-meta-a: b\té\r\n"
    server = h11.Connection(h11.SERVER)
    server.receive_data(f"PUT /b/k?x=y HTTP/1.1\r\n{header_lines(HEADERS)}\r\n".encode("latin-1"))
    request = server.next_event()
    assert (request.method, request.target) == (b"PUT", b"/b/k?x=y")
    assert {name.decode(): value.decode("latin-1") for name, value in request.headers} == HEADERS


@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("injected", ["\n", "\r", "\r\n", "\0", "\r\nx-evil: 1", "\n\n"])
@pytest.mark.parametrize("where", ["value", "name"])
def test_no_value_adds_a_line_to_a_request(where, injected, at):
    poisoned = "abcd"[:at] + injected + "abcd"[at:]
    parts = {"value": "v", "name": "n", where: poisoned}
    headers = {"host": "h", parts["name"]: parts["value"], "z": "z"}
    with pytest.raises(ValueError, match="line break or a NUL") as refused:
        header_lines(headers)
    assert repr(parts["name"]) in str(refused.value)


# --- h11 as the oracle

EXAMPLES = examples(250)
END = b"\r\n"
name = st.text("!#$%&'*+.^_`|~09azAZ-", min_size=1, max_size=8).map(lambda text: f"X-{text}".encode())
word = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_categories=["Cc", "Zs"]), max_size=6)
words = st.lists(word.filter(bool), max_size=3).map(lambda some: "  ".join(some).encode("latin-1"))


@st.composite
def fields(draw):
    """Lines of a head without effect on the framing."""
    lines = []
    for field in draw(st.lists(st.one_of(name, st.just(b"X-Again")), max_size=4)):
        pad = st.sampled_from([b"", b" ", b"\t", b" \t "])
        line = field + b":" + draw(pad) + draw(words) + draw(pad)
        folded = draw(st.lists(words.filter(bool), max_size=2))
        lines.append(b"".join([line, *(END + draw(st.sampled_from([b" ", b"\t", b"  "])) + part for part in folded)]))
    return lines


@st.composite
def chunked(draw):
    """A chunked body."""
    out = b""
    extension = st.sampled_from([b"", b"", b";a", b";a=b", b';a="b c";d', b" ", b"\t"])
    for chunk in draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4)):
        size = draw(st.sampled_from([b"%x", b"%X", b"%04x"])) % len(chunk)
        out += size + draw(extension) + END + chunk + END
    out += draw(st.sampled_from([b"0", b"000"])) + draw(extension) + END
    return out + b"".join(line + END for line in draw(fields())) + END


@st.composite
def responses(draw):
    """A method, a response to it, and the bytes after it on the connection."""
    raw = b""
    for status in draw(st.lists(st.sampled_from([100, 102, 103, 199]), max_size=2)):
        raw += b"HTTP/1.1 %d Wait" % status + END + b"".join(line + END for line in draw(fields())) + END
    status = draw(st.sampled_from([200, 200, 206, 204, 304, 301, 400, 404, 412, 416, 500, 503, 599]))
    raw += b"HTTP/1.%d %d" % (draw(st.sampled_from([1, 1, 1, 0])), status)
    raw += draw(st.sampled_from([b"", b" "])) or b" " + draw(words)
    raw += END
    lines = draw(fields())
    kind = draw(st.sampled_from(["length", "chunked", "close", "twice", "both"]))
    body = draw(st.binary(max_size=40))
    length = draw(st.sampled_from([b"Content-Length", b"content-length"])) + b": %d" % len(body)
    coding = draw(st.sampled_from([b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED"]))
    lines += {"length": [length], "chunked": [coding], "twice": [length, length], "both": [length, coding]}.get(
        kind, []
    )
    connection = draw(
        st.sampled_from([None, None, b"close", b"Close", b"keep-alive", b"x, close", b"upgrade", b"", b","])
    )
    if connection is not None:
        lines.append(b"Connection: " + connection)
    raw += b"".join(line + END for line in draw(st.permutations(lines))) + END
    body = draw(chunked()) if kind == "chunked" else body
    return draw(st.sampled_from(["GET", "GET", "PUT", "HEAD"])), raw + body + draw(
        st.sampled_from([b"", b"", b"HTTP/1.1"])
    )


def read_by_us(method, pieces):
    try:
        one = read(pieces, method)
    except ProtocolError:
        return None
    if one is None:
        return None
    reused = one.head.keep_alive and one.framing is not Framing.CLOSE
    return Parsed(one.head.status, one.head.reason, one.head.headers, one.body, one.leftover, reused, one.interim)


@EXAMPLES
@given(response=responses(), data=st.data())
def test_responses_are_read_as_h11_reads_them(response, data):
    method, raw = response
    at = data.draw(st.integers(0, len(raw)))
    ours, theirs = read_by_us(method, [raw[:at], raw[at:]]), read_by_h11(method, raw)
    assert agree(ours, theirs), (ours, theirs)


SPOILERS = [b"\r", b"\n", b"\0", b" ", b"\t", b":", b";", b",", b"-", b"+", b"0", b"9", b"a", b"x", b"\x80", b"\xa0"]


@examples(1500)
@given(
    response=st.sampled_from([case.values[:2] for case in RESPONSES]),
    changes=st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from([b"", *SPOILERS]), st.integers(0, 2)), min_size=1, max_size=3
    ),
)
def test_malformed_responses_are_rejected_or_read_as_by_h11(response, changes):
    method, raw = response
    for where, inserted, removed in changes:
        at = int(where * len(raw))
        raw = raw[:at] + inserted + raw[at + removed :]
    ours, theirs = read_by_us(method, [raw]), read_by_h11(method, raw)
    if ours and theirs:
        assert agree(ours, theirs), (raw, ours, theirs)
    elif ours:
        assert may_be_taken_by_us_alone(method, raw, ours), (raw, ours)


@examples(500)
@given(st.lists(st.sampled_from([b"HTTP/1.1 200 OK", b"\r\n", b"\n", b"Content-Length: 1", *SPOILERS]), max_size=12))
def test_garbage_is_refused_or_read_and_nothing_else(pieces):
    read_by_us("GET", pieces)  # raises ProtocolError, or nothing
