"""Tests of the look for a listener: reasons within seconds, nothing asked twice."""

import errno
import socket
import threading
import time

import pytest

from metaflow_extensions.fasts3.control import presence


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def closed():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_a_listener_is_there(listener):
    assert presence.why_absent(listener, "bucket") is None


def test_a_closed_port_is_named(closed):
    reason = presence.why_absent(closed, "bucket")
    assert "nobody answers at 127.0.0.1 port" in reason
    assert closed.rpartition(":")[2] in reason


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a" * 70 + ".invalid", "..", "no such host.invalid"])
def test_a_name_that_does_not_resolve_is_named(name):
    assert name in presence.why_absent(f"http://{name}:80", "bucket")


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch):
    ever = threading.Event()
    monkeypatch.setattr(presence, "TIME_LIMIT", 0.2)
    monkeypatch.setattr(socket, "create_connection", lambda *_: ever.wait(30) and socket.socket())
    started = time.monotonic()
    assert "did not answer" in presence.why_absent("https://s3.example", "bucket")
    assert time.monotonic() - started < 5
    ever.set()
    for thread in threading.enumerate():
        if thread.name == "fasts3-presence":
            thread.join(5)


def test_without_a_thread_for_it_the_caller_asks(listener, closed, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert presence.why_absent(listener, "bucket") is None
    assert "nobody answers" in presence.why_absent(closed, "bucket")


def test_a_process_that_may_open_no_socket_has_learnt_nothing(closed, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert presence.why_absent(closed, "bucket") is None


def test_of_aws_the_bucket_s_own_host_is_enough(monkeypatch):
    asked = []

    def connect(address, timeout):
        asked.append(address)
        if not address[0].startswith("bucket."):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    assert presence.why_absent("https://s3.eu-west-1.amazonaws.com", "bucket") is None
    assert [host for host, _ in asked] == ["s3.eu-west-1.amazonaws.com", "bucket.s3.eu-west-1.amazonaws.com"]
    assert {port for _, port in asked} == {443}


def test_answers_are_remembered_for_this_process_only(monkeypatch):
    url = "https://remembered.example"
    assert not presence.has_answered(url)
    presence.note_answer(url)
    assert presence.has_answered(url)
    monkeypatch.setattr(presence.os, "getpid", lambda: -1)
    assert not presence.has_answered(url)
