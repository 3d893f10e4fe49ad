"""Tests of sending requests: closed kept-alive connections, 100 Continue, early responses, Ctrl-C."""

import threading
import time
from types import SimpleNamespace

import pytest
from wire.completed import Completed
from wire.scripted import (
    LONG,
    NOD,
    OK,
    Scripted,
    announce,
    close,
    error,
    expect,
    expect_head,
    expect_or_end,
    read_body,
    reset,
    respond,
    response,
    silence,
)

from metaflow_extensions.fasts3.wire import sending
from metaflow_extensions.fasts3.wire.bandwidth import Allowance, Bandwidth
from metaflow_extensions.fasts3.wire.blocking import Interrupted, complete
from metaflow_extensions.fasts3.wire.connections import Connections
from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.sending import Payload, send

SHORT = 1.0  # seconds; what is not silent has to be done within it, on a busy machine too
LARGE = bytes(range(256)) * 2**16  # 16 MB: more than both sides' buffers hold


@pytest.fixture
def connections_to(endpoint_of, opened):
    return lambda server, **changes: opened(Connections(endpoint_of(server, **changes)))


def head_for(payload, expect_nod=False):
    nod = "Expect: 100-continue\r\n" if expect_nod else ""
    return f"PUT /k HTTP/1.1\r\nHost: test\r\n{nod}Content-Length: {payload.size}\r\n\r\n".encode()


def put(connections, payload=Payload(b"small"), expect_nod=False, repeatable=True):
    """Status and body of the response; the connection is kept if possible."""
    head, body, connection = complete(
        send(connections, "PUT", head_for(payload, expect_nod), payload, expect_nod, repeatable)
    )
    document = Completed(connection).read_document(body, 10_000)
    if head.keep_alive and not connection.has_leftover:
        connections.give_back(connection)
    else:
        connection.close()
    return head.status, document


@pytest.fixture(params=["bytes", "file"])
def large(request, tmp_path):
    if request.param == "bytes":
        yield Payload(LARGE)
    else:
        (tmp_path / "f").write_bytes(b"before" + LARGE)
        with open(tmp_path / "f", "rb") as file:
            yield Payload(file=file.fileno(), position=6, length=len(LARGE))


# --- A kept connection.


@pytest.mark.parametrize("end", [close, reset])
@pytest.mark.parametrize("after_request", [False, True], ids=["before", "after the request"])
def test_a_closed_kept_connection_is_no_failure(tls, connections_to, end, after_request):
    gone = threading.Event()
    closing = [expect, end] if after_request else [end, announce(gone)]
    with Scripted([[expect, respond(OK), *closing], [expect, respond(OK), silence]], tls) as server:
        connections = connections_to(server)
        assert put(connections)[0] == 200
        assert after_request or gone.wait(LONG)
        assert put(connections)[0] == 200
    assert [request.body for request in server.requests] == [b"small"] * (3 if after_request else 2)


def test_a_request_that_is_not_repeatable_is_sent_once(tls, connections_to):
    """The server may have executed it, which the caller has to know."""
    with Scripted([[expect, respond(OK), expect, close]], tls) as server:
        connections = connections_to(server)
        put(connections)
        with pytest.raises(TransferError) as failed:
            put(connections, repeatable=False)
    assert failed.value.failure.code is Code.UNREACHABLE
    assert server.accepted == 1


def test_a_slow_request_has_moved(connections_to, monkeypatch):
    """Between its bytes, it was silent for less than the timeout each time."""
    with Scripted([[expect, close]] * 2) as server:
        for seconds, moved in ((0.0, False), (1e6, True)):
            connections = connections_to(server)
            monkeypatch.setattr(sending, "time", SimpleNamespace(monotonic=lambda ago=seconds: time.monotonic() - ago))
            with pytest.raises(TransferError) as failed:
                put(connections)
            assert failed.value.failure.moved is moved


def test_a_large_body_on_a_connection_that_is_gone(tls, connections_to, large):
    with Scripted([[expect, respond(OK), expect_head, reset], [expect, respond(OK), silence]], tls) as server:
        connections = connections_to(server)
        put(connections)
        assert put(connections, large)[0] == 200
    assert server.requests[-1].body == LARGE


def test_only_once(connections_to):
    """Other kept connections are as old and are not tried. If the server closes a new one too, that is an error."""
    both = threading.Barrier(2, timeout=LONG)
    kept = [expect, lambda _: both.wait(), respond(OK), expect_or_end, close]
    with Scripted([kept, kept, [expect, close]]) as server:
        connections = connections_to(server)
        threads = [threading.Thread(target=put, args=(connections,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        with pytest.raises(TransferError) as failed:
            put(connections)
        connections.close()
    assert failed.value.failure.code is Code.UNREACHABLE
    assert server.accepted == 3


def test_a_new_connection_that_is_closed_is_a_failure(tls, connections_to):
    with Scripted([[expect, close]], tls) as server, pytest.raises(TransferError) as failed:
        put(connections_to(server))
    assert failed.value.failure.code is Code.UNREACHABLE


@pytest.mark.parametrize("begun", [b"H", OK[:30], NOD])
def test_a_request_with_a_partial_response_is_not_repeated(tls, connections_to, begun):
    """The server has taken the request."""
    with Scripted([[expect, respond(OK), expect, respond(begun), close]], tls) as server:
        connections = connections_to(server)
        put(connections)
        with pytest.raises(TransferError) as failed:
            put(connections)
    assert failed.value.failure.code is Code.UNREACHABLE
    assert server.accepted == 1


def test_a_request_with_an_early_partial_response_is_not_repeated(connections_to):
    with Scripted([[expect, respond(OK), expect_head, respond(OK[:20]), reset]]) as server:
        connections = connections_to(server)
        put(connections)
        with pytest.raises(TransferError) as failed:
            put(connections, Payload(LARGE))
    assert failed.value.failure.code is Code.UNREACHABLE
    assert server.accepted == 1


def test_silence_is_not_waited_for_twice(tls, connections_to):
    with Scripted([[expect, respond(OK), expect, silence]], tls) as server:
        connections = connections_to(server, read_timeout=SHORT)
        put(connections)
        with pytest.raises(TransferError, match="no response for") as failed:
            put(connections)
    assert failed.value.failure.code is Code.UNREACHABLE
    assert server.accepted == 1


def test_malformed_responses_end_the_connection(tls, connections_to):
    with Scripted(
        [[expect, respond(b"SSH-2.0-OpenSSH\r\n\r\n"), silence], [expect, respond(OK), silence]], tls
    ) as server:
        connections = connections_to(server)
        with pytest.raises(TransferError) as failed:
            put(connections)
        assert put(connections)[0] == 200
    assert failed.value.failure.code is Code.MALFORMED


# --- Bodies.


def test_head_and_a_small_body_are_one_packet(connections_to, monkeypatch):
    sent = []
    with Scripted([[expect, respond(OK), silence]]) as server:
        connections = connections_to(server)
        connection = Completed(connections).take()

        async def note(data):
            sent.append(len(data))
            await type(connection).send(connection, data)

        monkeypatch.setattr(connection, "send", note)
        connections.give_back(connection)
        put(connections, Payload(b"x" * 1000))
    assert len(sent) == 1
    assert server.requests[0].body == b"x" * 1000


def test_large_bodies(tls, connections_to, large):
    with Scripted([[expect, respond(OK), silence]], tls) as server:
        put(connections_to(server), large)
    assert server.requests[0].body == LARGE


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bodies_of_all_kinds(connections_to, kind):
    with Scripted([[expect, respond(OK), expect, respond(OK), silence]]) as server:
        connections = connections_to(server)
        put(connections, Payload(kind(b"small")))
        put(connections, Payload(kind(LARGE)))
    assert [request.body for request in server.requests] == [b"small", LARGE]


def test_the_pieces_of_a_payload_are_all_its_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(sending, "READ_STEP", 7)
    (tmp_path / "f").write_bytes(bytes(range(100)))
    with open(tmp_path / "f", "rb") as file:
        assert b"".join(Payload(file=file.fileno(), position=3, length=90).pieces()) == bytes(range(3, 93))
        with pytest.raises(EOFError):
            list(Payload(file=file.fileno(), position=3, length=98).pieces())
    assert list(Payload(b"abc").pieces()) == [b"abc"]


# --- The nod (RFC 9110 section 10.1.1).


def test_a_body_waits_for_the_nod(tls, connections_to, large):
    seen = []
    looking = lambda peer: seen.append(peer.unread)  # noqa: E731
    with Scripted([[expect_head, looking, respond(NOD), read_body, respond(OK), silence]], tls) as server:
        assert put(connections_to(server), large, expect_nod=True)[0] == 200
    assert seen == [b""]
    assert server.requests[0].body == LARGE


def test_no_nod_within_a_while(tls, connections_to, large, monkeypatch):
    """Not every server supports it; the tickets of a TLS server are no 100 Continue."""
    monkeypatch.setattr(sending, "WAIT_FOR_CONTINUE", 0.05)
    with Scripted([[expect_head, read_body, respond(OK), silence]], tls) as server:
        assert put(connections_to(server), large, expect_nod=True)[0] == 200
    assert server.requests[0].body == LARGE


@pytest.mark.parametrize("status", ["412 Precondition Failed", "200 OK", "501 Not Implemented"])
def test_a_final_response_instead_of_100_continue(tls, connections_to, large, status):
    refusal = [expect_head, respond(response(b"why", status)), silence]
    with Scripted([refusal, [expect, respond(OK), silence]], tls) as server:
        connections = connections_to(server)
        assert put(connections, large, expect_nod=True) == (int(status[:3]), b"why")
        assert put(connections)[0] == 200  # on another connection: on the first, a body is still owed
    assert server.accepted == 2


def test_unrequested_100_continue(tls, connections_to):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    with Scripted([[expect, respond(NOD + early + NOD + OK), expect, respond(OK), silence]], tls) as server:
        connections = connections_to(server)
        assert put(connections)[0] == 200
        assert put(connections)[0] == 200
    assert server.accepted == 1


def test_many_nods(tls, connections_to, large):
    script = [expect_head, respond(NOD), respond(NOD), read_body, respond(NOD + OK), silence]
    with Scripted([script], tls) as server:
        assert put(connections_to(server), large, expect_nod=True)[0] == 200


@pytest.mark.parametrize("end", [close, reset])
def test_an_end_instead_of_the_nod(tls, connections_to, large, end):
    again = [expect_head, respond(NOD), read_body, respond(OK), silence]
    with Scripted([[expect, respond(OK), expect_head, end], again], tls) as server:
        connections = connections_to(server)
        put(connections)
        assert put(connections, large, expect_nod=True)[0] == 200


# --- A refusal before the end.


@pytest.mark.parametrize("end", [close, reset], ids=["close", "reset"])
def test_an_error_response_before_the_body_was_sent(tls, connections_to, large, end):
    """Closing with unread bytes breaks the connection off, but after the reason."""
    with Scripted([[expect_head, respond(error("EntityTooLarge", "400 Bad Request")), end]], tls) as server:
        status, document = put(connections_to(server), large)
    assert status == 400
    assert b"EntityTooLarge" in document


def test_a_reason_while_the_server_stops_reading(tls, connections_to, large):
    with Scripted([[expect_head, respond(error("EntityTooLarge", "400 Bad Request")), stay]], tls) as server:
        assert put(connections_to(server, read_timeout=SHORT), large)[0] == 400


def stay(peer):
    """Neither read nor close until the test ends."""
    released = threading.Event()
    peer.server.stalled.append(released)
    assert released.wait(LONG)


def test_an_end_without_a_reason(tls, connections_to, large):
    with Scripted([[expect_head, reset]], tls) as server, pytest.raises(TransferError) as failed:
        put(connections_to(server), large)
    assert failed.value.failure.code is Code.UNREACHABLE


# --- A limit of bytes a second.


def limited(payload, rate):
    return payload._replace(allowance=Allowance(Bandwidth(rate)))


def test_a_body_in_steps(tls, connections_to, large):
    with Scripted([[expect, respond(OK), silence]], tls) as server:
        assert put(connections_to(server), limited(large, 1e9))[0] == 200
    assert server.requests[0].body == LARGE


def test_waiting_for_the_limit_is_not_waiting_for_the_server(tls, connections_to):
    with Scripted([[expect, respond(OK), silence]], tls) as server:
        connections = connections_to(server, read_timeout=SHORT)
        assert put(connections, limited(Payload(b"x" * 150_000), 1e5))[0] == 200


def test_a_wait_for_the_limit_that_is_ended_ends_the_connection(tls, connections_to, large):
    with Scripted([[expect_head, silence]], tls) as server:
        connections = connections_to(server)
        payload = limited(large, 1e5)
        with pytest.raises(Interrupted):
            complete(send(connections, "PUT", head_for(payload), payload, False, True), lambda seconds: True)
        assert not connections._idle


# --- Exceptions during a request.


class Stop(BaseException):
    """Ctrl-C, as the wire sees it."""


@pytest.mark.parametrize("method", ["send", "read_response"])
def test_any_exception_in_the_middle_ends_the_connection(connections_to, method, monkeypatch):
    with Scripted([[expect, respond(OK), silence]]) as server:
        connections = connections_to(server)
        put(connections)
        connection = Completed(connections).take()
        connections.give_back(connection)

        async def stop(*_):
            raise Stop

        monkeypatch.setattr(connection, method, stop)
        with pytest.raises(Stop):
            put(connections)
        assert connection._socket.fileno() < 0
        assert not connections._idle


def test_a_file_that_shrinks_ends_the_connection(tls, connections_to, tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 100_000)
    with Scripted([[expect_head, silence]], tls) as server, open(tmp_path / "f", "rb") as file:
        payload = Payload(file=file.fileno(), length=200_000)
        connections = connections_to(server)
        with pytest.raises(EOFError):
            put(connections, payload)
        assert not connections._idle
