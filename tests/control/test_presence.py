"""Tests of the first contact: reasons within seconds, nothing asked twice."""

import socket
import threading

import pytest

from metaflow_extensions.fasts3.control import presence
from metaflow_extensions.fasts3.pool.messages import Outcome
from metaflow_extensions.fasts3.wire.blocking import Interrupted, Interruption
from metaflow_extensions.fasts3.wire.failures import Code, Failure


@pytest.fixture
def url(request):
    """An endpoint that no other test knows."""
    return f"https://{request.node.name}.example"


def failing(code, **facts):
    return lambda: Outcome(0, None, Failure(code, **facts))


def test_who_answers_is_remembered_with_the_bucket(url):
    assert presence.meet(url, "bucket", lambda: Outcome(0)) is None
    assert presence.has_answered(url)
    assert presence.knows_bucket(url, "bucket")


@pytest.mark.parametrize("code", [Code.NO_BUCKET, Code.ACCESS_DENIED, Code.BUSY, Code.REJECTED])
def test_any_answer_will_do(url, code):
    assert presence.meet(url, "bucket", failing(code, status=400)) is None
    assert presence.has_answered(url)
    assert not presence.knows_bucket(url, "bucket")


def test_who_is_not_there_is_told_and_asked_again(url):
    failure = Failure(Code.UNREACHABLE, "the name does not resolve")
    assert presence.meet(url, "bucket", lambda: Outcome(0, None, failure)) == failure
    assert not presence.has_answered(url)


@pytest.mark.parametrize("code", [Code.NO_CREDENTIALS, Code.UNTRUSTED, Code.REJECTED])
def test_what_was_not_even_asked_is_left_to_the_call_itself(url, code):
    assert presence.meet(url, "bucket", failing(code)) is None
    assert not presence.has_answered(url)


def test_what_hangs_is_not_waited_for(url, monkeypatch):
    ever = threading.Event()
    monkeypatch.setattr(presence, "LISTENING_LIMIT", 0.2)
    failure = presence.meet(url, "bucket", lambda: ever.wait(30) and Outcome(0))
    assert failure.code is Code.UNREACHABLE
    assert "no connection in" in failure.message
    ever.set()
    for thread in threading.enumerate():
        if thread.name == "fasts3-presence":
            thread.join(5)


def test_who_accepts_connections_is_given_time_to_answer(monkeypatch):
    """The answer comes only after it was looked whether anybody listens."""
    monkeypatch.setattr(presence, "LISTENING_LIMIT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def ask():
            listener.accept()[0].close()
            return Outcome(0)

        assert presence.meet(url, "bucket", ask) is None
    assert presence.has_answered(url)


def test_but_not_for_ever(monkeypatch):
    monkeypatch.setattr(presence, "LISTENING_LIMIT", 0.1)
    monkeypatch.setattr(presence, "ANSWER_LIMIT", 0.3)
    ever = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        failure = presence.meet(url, "bucket", lambda: ever.wait(30) and Outcome(0))
    ever.set()
    assert failure.code is Code.UNREACHABLE
    assert "accepts connections, and has not answered" in failure.message


def test_a_call_that_is_stopped_waits_for_no_answer(url):
    ever = threading.Event()
    interruption = Interruption()
    interruption.set()
    with pytest.raises(Interrupted):
        presence.meet(url, "bucket", lambda: ever.wait(30) and Outcome(0), check=interruption.check)
    ever.set()


def test_without_a_thread_for_it_the_caller_asks(url, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert presence.meet(url, "bucket", lambda: Outcome(0)) is None
    assert presence.has_answered(url)


def test_a_process_that_may_open_no_socket_has_learnt_nothing(url):
    assert presence.meet(url, "bucket", failing(Code.NO_DESCRIPTORS)) is None
    assert not presence.has_answered(url)


def test_answers_are_remembered_for_this_process_only(url, monkeypatch):
    assert not presence.has_answered(url)
    presence.note_answer(url)
    assert presence.has_answered(url)
    monkeypatch.setattr(presence.os, "getpid", lambda: -1)
    assert not presence.has_answered(url)


def test_a_defect_is_no_silence_of_the_server(url):
    def ask():
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError):
        presence.meet(url, "bucket", ask)
