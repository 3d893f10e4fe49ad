"""Tests of one connection: responses in all sizes of pieces, and every way in which a connection ends."""

import contextlib
import fcntl
import os
import resource
import socket
import ssl
import threading

import pytest
from wire.completed import Completed, at_once
from wire.scripted import (
    LONG,
    OK,
    Pieces,
    Scripted,
    announce,
    close,
    drip,
    end_sending,
    expect,
    expect_head,
    reset,
    respond,
    response,
    silence,
    stall,
)

from metaflow_extensions.fasts3.wire.connection import BUFFER, Connection
from metaflow_extensions.fasts3.wire.connection_errors import ConnectionLost
from metaflow_extensions.fasts3.wire.http11 import MAX_HEAD, MAX_INTERIM, Body, Framing, ProtocolError

SHORT = 0.15  # seconds of silence, where silence is what is tested
REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
FIRST = b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 5\r\n\r\n'
SECOND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
CHUNKED = b"4;ext=1\r\nabcd\r\n1\r\ne\r\n0\r\nTrailer: x\r\n\r\n"


def cut(data):
    """All ways to get some bytes: whole, one by one, and cut at every offset."""
    yield [data]
    yield [data[number : number + 1] for number in range(len(data))]
    for offset in range(1, len(data)):
        yield [data[:offset], data[offset:]]


def over(pieces):
    source = pieces if isinstance(pieces, Pieces) else Pieces(pieces)
    return Completed(Connection(source, 1.0), at_once)


def take_body(connection, length, limit=100):
    scratch = memoryview(bytearray(64))
    data = b""
    while len(data) < length:
        data += bytes(connection.read_some(min(limit, length - len(data)), scratch))
    return data


# --- Heads.


def test_responses_at_any_split():
    for pieces in cut(CONTINUE + FIRST + b"hello" + SECOND):
        connection = over(pieces)
        head, body = connection.read_response("GET")
        assert (head.status, head.headers["etag"], body) == (200, '"a"', Body(Framing.LENGTH, 5))
        assert take_body(connection, 5) == b"hello"
        head, body = connection.read_response("GET")
        assert (head.status, body.framing) == (404, Framing.NONE)
        assert connection.responses == 2
        assert not connection.has_leftover


def test_a_hundred_responses_in_one_packet_are_read_in_order():
    many = [
        b"HTTP/1.1 200 OK\r\nNumber: %d\r\nPad: %s\r\nContent-Length: 0\r\n\r\n" % (n, b"x" * 900) for n in range(200)
    ]
    connection = over([b"".join(many)])  # over what the buffer holds: heads lie across its end
    assert len(b"".join(many)) > 2 * BUFFER
    for number in range(200):
        assert connection.read_response("GET")[0].headers["number"] == str(number)


def test_bytes_after_a_response_are_detected():
    connection = over([FIRST + b"hello" + b"HTTP"])
    connection.read_response("GET")
    assert take_body(connection, 5) == b"hello"
    assert connection.has_leftover
    assert connection.is_stale()


@pytest.mark.parametrize("size", [MAX_HEAD + 1, 10 * MAX_HEAD])
def test_a_head_without_an_end_is_refused(size):
    source = Pieces([b"HTTP/1.1 200 OK\r\nX: " + b"x" * size] + [b"y" * 1000] * 100)
    with pytest.raises(ProtocolError, match="exceeds 65536 bytes"):
        over(source).read_response("GET")
    assert len(source.pieces) > 90  # and it was not read to its end first


def test_a_head_as_long_as_is_allowed():
    start, end = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ", b"\r\n\r\n"
    for before in (b"", CONTINUE):
        head, _ = over([before + start + b"x" * (MAX_HEAD - len(start + end)) + end]).read_response("GET")
        assert len(head.headers["x"]) == MAX_HEAD - len(start + end)


@pytest.mark.parametrize(("count", "fails"), [(MAX_INTERIM - 1, False), (MAX_INTERIM, True)])
def test_interim_responses_are_passed_over_up_to_a_limit(count, fails):
    connection = over([CONTINUE * count + OK])
    if fails:
        with pytest.raises(ProtocolError, match="interim"):
            connection.read_response("GET")
    else:
        assert connection.read_response("GET")[0].status == 200
        assert connection.responses == 1


@pytest.mark.parametrize("offset", range(len(FIRST)))
def test_an_end_within_the_head(offset):
    with pytest.raises(ConnectionLost) as lost:
        over([FIRST[:offset]]).read_response("GET")
    assert lost.value.response_began is (offset > 0)


def test_an_end_after_an_interim_response_is_no_silent_end():
    with pytest.raises(ConnectionLost) as lost:
        over([CONTINUE]).read_response("GET")
    assert lost.value.response_began


# --- Bodies.


def test_buffered_bytes_are_returned_first_and_up_to_the_count():
    source = Pieces([FIRST + b"hello", b"world", b"!"])
    connection = over(source)
    connection.read_response("GET")
    scratch = memoryview(bytearray(4))
    reads = source.reads
    assert bytes(connection.read_some(2, scratch)) == b"he"
    assert bytes(connection.read_some(100, scratch)) == b"llo"
    assert source.reads == reads  # no system call for what is here
    assert bytes(connection.read_some(100, scratch)) == b"worl"  # as much as there is room for
    assert bytes(connection.read_some(100, scratch)) == b"d"
    assert bytes(connection.read_some(1, scratch)) == b"!"
    with pytest.raises(ConnectionLost) as lost:
        connection.read_some(1, scratch)
    assert lost.value.response_began


def test_no_byte_is_read_beyond_the_body():
    connection = over([FIRST, b"hello" + SECOND])
    connection.read_response("GET")
    assert bytes(connection.read_some(5, memoryview(bytearray(100)))) == b"hello"
    assert connection.read_response("GET")[0].status == 404


BODIES = {
    "length": (Body(Framing.LENGTH, 5), b"abcde", SECOND),
    "chunked": (Body(Framing.CHUNKED), CHUNKED, SECOND),
    "close": (Body(Framing.CLOSE), b"abcde", b""),
}


@pytest.mark.parametrize(("body", "data", "after"), BODIES.values(), ids=BODIES)
def test_documents_at_any_split(body, data, after):
    for pieces in cut(data + after):
        connection = over(pieces)
        assert connection.read_document(body, 5) == b"abcde"
        if after:
            assert connection.read_response("GET")[0].status == 404
        assert not connection.has_leftover


@pytest.mark.parametrize(("body", "data", "after"), BODIES.values(), ids=BODIES)
def test_a_document_over_the_limit(body, data, after):
    for pieces in cut(data + after):
        with pytest.raises(ProtocolError, match="over 4 bytes"):
            over(pieces).read_document(body, 4)


def test_no_document():
    connection = over([SECOND])
    assert connection.read_document(Body(Framing.NONE), 0) == b""
    assert connection.read_response("GET")[0].status == 404


def test_documents_are_limited():
    source = Pieces([b"x" * 1000] * 1000)
    with pytest.raises(ProtocolError):
        over(source).read_document(Body(Framing.CLOSE), 10_000)
    assert len(source.pieces) > 980


@pytest.mark.parametrize("name", ["length", "chunked"])
def test_an_end_within_a_document(name):
    body, data, _ = BODIES[name]
    for offset in range(len(data)):
        with pytest.raises(ConnectionLost) as lost:
            over([data[:offset]]).read_document(body, 100)
        assert lost.value.response_began


def test_a_malformed_chunked_document():
    with pytest.raises(ProtocolError):
        over([b"zz\r\n"]).read_document(Body(Framing.CHUNKED), 100)


def test_large_documents_of_many_chunks():
    chunk = b"%x\r\n%s\r\n" % (5000, b"y" * 5000)
    connection = over([chunk * 100 + b"0\r\n\r\n" + SECOND])
    assert connection.read_document(Body(Framing.CHUNKED), 10**6) == b"y" * 500_000
    assert connection.read_response("GET")[0].status == 404


# --- The network.


def test_bytes_that_drip(tls, connect):
    with Scripted([[expect, drip(CONTINUE + FIRST + b"hello"), drip(SECOND)]], tls) as server:
        connection = connect(server)
        connection.send(REQUEST)
        connection.read_response("GET")
        assert take_body(connection, 5) == b"hello"
        assert connection.read_response("GET")[0].status == 404


def test_a_body_of_many_records_fills_the_scratch(tls, connect):
    data = os.urandom(3 * 2**20)
    with Scripted([[expect, respond(response(data))]], tls) as server:
        connection = connect(server)
        connection.send(REQUEST)
        connection.read_response("GET")
        got, scratch = bytearray(), memoryview(bytearray(2**20))
        while len(got) < len(data):
            got += connection.read_some(len(data) - len(got), scratch)
        assert got == data
        assert not connection.has_leftover


def test_bytes_beyond_a_body_are_seen_within_a_record(certificates, connect):
    with Scripted([[expect, respond(FIRST), respond(b"hello, world")]], certificates.server()) as server:
        connection = connect(server)
        connection.send(REQUEST)
        connection.read_response("GET")
        assert take_body(connection, 5) == b"hello"
        assert connection.has_leftover  # OpenSSL has decrypted them already
        assert connection.is_stale()


SILENT = {"head": b"", "middle of the head": FIRST[:20], "body": FIRST, "middle of the body": FIRST + b"he"}


@pytest.mark.parametrize("sent", SILENT.values(), ids=SILENT)
def test_silence(tls, connect, sent):
    done = threading.Event()
    with Scripted([[expect, respond(sent), announce(done), silence]], tls) as server:
        connection = connect(server, read_timeout=SHORT)
        connection.send(REQUEST)
        assert done.wait(LONG)
        with pytest.raises(ConnectionLost, match=r"^no response for 0\.15 seconds$") as lost:
            connection.read_document(connection.read_response("GET")[1], 100)
        assert lost.value.response_began  # who waited so long does not wait again within one try


def test_silence_in_a_document_without_a_length_is_not_its_end(tls, connect):
    done = threading.Event()
    with Scripted([[respond(b"abc"), announce(done), silence]], tls) as server:
        connection = connect(server, read_timeout=SHORT)
        assert done.wait(LONG)
        with pytest.raises(ConnectionLost, match="no response"):
            connection.read_document(Body(Framing.CLOSE), 100)


@pytest.mark.parametrize("way", ["bytes", "file"])
def test_a_timeout_of_a_peer_that_does_not_read(tls, connect, way, tmp_path):
    size = 64 * 2**20  # more than both sides' buffers hold
    (tmp_path / "f").write_bytes(b"")
    os.truncate(tmp_path / "f", size)
    with Scripted([[stall(threading.Event())]], tls) as server, open(tmp_path / "f", "rb") as file:
        connection = connect(server, read_timeout=SHORT)
        call, args = (
            (connection.send, (bytes(size),)) if way == "bytes" else (connection.send_file, (file.fileno(), 0, size))
        )
        with pytest.raises(ConnectionLost, match="no response for"):
            call(*args)


def test_a_document_may_end_with_the_connection(tls, connect):
    with Scripted([[respond(b"abc"), respond(b"de"), close]], tls) as server:
        assert connect(server).read_document(Body(Framing.CLOSE), 100) == b"abcde"


def test_a_connection_that_breaks_is_no_end_of_a_document(connect):
    got = threading.Event()
    with Scripted([[respond(FIRST + b"abc"), lambda _: got.wait(LONG), reset]]) as server:
        connection = connect(server)
        connection.read_response("GET")
        take_body(connection, 3)
        got.set()
        with pytest.raises(ConnectionLost, match="reset by peer"):
            connection.read_document(Body(Framing.CLOSE), 100)


@pytest.mark.parametrize("end", [close, reset, end_sending])
def test_an_end_instead_of_a_response(tls, connect, end):
    with Scripted([[expect, end]], tls) as server:
        connection = connect(server)
        connection.send(REQUEST)
        with pytest.raises(ConnectionLost) as lost:
            connection.read_response("GET")
        assert not lost.value.response_began


def test_sending_to_a_closed_peer(tls, connect):
    gone = threading.Event()
    with Scripted([[reset, announce(gone)]], tls) as server:
        connection = connect(server)
        assert gone.wait(LONG)
        with pytest.raises(ConnectionLost):
            connection.send(bytes(2**24))
    connection.close()


# --- Whether it can be used again.


def used(server, connect):
    connection = connect(server)
    connection.send(REQUEST)
    assert connection.read_response("GET")[0].status == 200
    return connection


def test_a_connection_at_rest_is_not_stale(tls, connect):
    with Scripted([[expect, respond(OK), silence]], tls) as server:
        connection = used(server, connect)
        assert not connection.is_stale()
        connection.close()
        assert connection.is_stale()


@pytest.mark.parametrize("end", [close, reset, end_sending, respond(b"HTTP/1.1 408 Request Timeout\r\n")])
def test_a_connection_that_ended_or_spoke_is_stale(tls, connect, end):
    read, done = threading.Event(), threading.Event()
    with Scripted([[expect, respond(OK), lambda _: read.wait(LONG), end, announce(done)]], tls) as server:
        connection = used(server, connect)
        read.set()
        assert done.wait(LONG)
        assert connection.is_stale()


def test_stale_or_not_with_many_files_open(connect, opened):
    """`select.select` knows no descriptor over 1023."""
    with Scripted([[expect, respond(CONTINUE), expect_head, respond(OK), silence]]) as server:
        connection = connect(server)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft <= 1100:
            resource.setrlimit(resource.RLIMIT_NOFILE, (1200, hard))
        try:
            high = fcntl.fcntl(connection.inner._socket.fileno(), fcntl.F_DUPFD_CLOEXEC, 1050)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        moved = Completed(opened(Connection(socket.socket(fileno=high), 10.0)))
        moved.send(REQUEST)
        assert moved.has_response(LONG)
        assert moved.read_head().status == 100
        assert not moved.is_stale()
        moved.send(REQUEST)
        assert moved.read_response("GET")[0].status == 200


# --- A response, perhaps.


def test_a_response_that_has_arrived_or_not(tls, connect):
    """With tickets of TLS 1.3, the socket is readable although there is no response."""
    send = threading.Event()
    with Scripted([[expect, lambda _: send.wait(LONG), respond(CONTINUE + OK), silence]], tls) as server:
        connection = connect(server)
        connection.send(REQUEST)
        assert not connection.has_response(0)
        assert not connection.has_response(0.05)
        send.set()
        assert connection.has_response(LONG)
        assert connection.read_head().status == 100
        assert connection.has_response(0)  # read ahead
        assert connection.read_response("GET")[0].status == 200
        assert not connection.is_stale()


def test_waiting_for_a_response_keeps_the_timeout(tls, connect):
    with Scripted([[expect, silence]], tls) as server:
        connection = connect(server, read_timeout=SHORT)
        connection.send(REQUEST)
        assert not connection.has_response(0.01)
        with pytest.raises(ConnectionLost, match=r"0\.15 seconds"):
            connection.read_head()


@pytest.mark.parametrize("end", [close, reset])
def test_a_closed_connection_counts_as_a_response(tls, connect, end):
    with Scripted([[expect, end]], tls) as server:
        connection = connect(server)
        connection.send(REQUEST)
        with contextlib.suppress(ConnectionLost):
            assert connection.has_response(LONG)
        with pytest.raises(ConnectionLost):
            connection.read_head()


# --- Files.


@pytest.fixture
def file(tmp_path):
    (tmp_path / "f").write_bytes(os.urandom(3_000_001))
    with open(tmp_path / "f", "rb") as opened_file:
        yield opened_file


def head_for(size):
    return b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size


@pytest.mark.parametrize("sendfile", ["as it is", "not here", "gives up"])
def test_a_run_of_a_file(tls, connect, file, sendfile, monkeypatch):
    real, calls = os.sendfile, []

    def other(*args):
        calls.append(args)
        if sendfile == "not here" or len(calls) > 1:
            raise OSError(22, "Invalid argument")  # as of a file system that can't
        return real(*args[:-1], 1000)

    if sendfile != "as it is":
        monkeypatch.setattr(os, "sendfile", other)
    file.seek(0)
    data = file.read()[10:-10]
    with Scripted([[expect, respond(OK), silence]], tls) as server:
        connection = connect(server)
        connection.send(head_for(len(data)))
        connection.send_file(file.fileno(), 10, len(data))
        assert connection.read_response("PUT")[0].status == 200
    assert server.requests[0].body == data


def test_a_file_that_ends_early(tls, connect, file):
    with Scripted([[expect_head, silence]], tls) as server:
        connection = connect(server)
        connection.send(head_for(4_000_000))
        with pytest.raises(EOFError):
            connection.send_file(file.fileno(), 0, 4_000_000)


def test_the_session_of_tls(certificates, connect):
    with Scripted([[expect, respond(OK), silence]], certificates.server()) as server:
        assert isinstance(used(server, connect).tls_session, ssl.SSLSession)
    with Scripted([[expect, respond(OK), silence]]) as server:
        assert used(server, connect).tls_session is None
