"""Tests of the driver of one coroutine."""

import contextlib
import os
import socket
import threading

import pytest

from metaflow_extensions.fasts3.wire.blocking import Interrupted, Interruption, complete
from metaflow_extensions.fasts3.wire.waiting import READ, InThread, Pause, Readiness, wait_for


def test_it_waits_for_sockets_pauses_and_what_blocks():
    left, right = socket.socketpair()
    pauses = []

    async def all_of_it():
        right.send(b"x")
        await wait_for(Readiness(left.fileno(), left, READ, 5.0))
        result = await wait_for(Pause(3.5))
        return left.recv(1), result, await wait_for(InThread(os.getpid))

    with left, right:
        assert complete(all_of_it(), lambda seconds: pauses.append(seconds) or True) == (b"x", True, os.getpid())
    assert pauses == [3.5]


def test_silence():
    left, right = socket.socketpair()

    async def wait():
        with pytest.raises(TimeoutError):
            await wait_for(Readiness(left.fileno(), left, READ, 0.0))
        return "went on"

    with left, right:
        assert complete(wait()) == "went on"


def test_there_is_no_more_time_than_given():
    left, right = socket.socketpair()
    pauses = []

    async def wait():
        with pytest.raises(TimeoutError):
            await wait_for(Readiness(left.fileno(), left, READ, 1000.0))
        return await wait_for(Pause(1000.0))

    with left, right:
        assert complete(wait(), pauses.append, within=0.01) is True
    assert pauses == [0.0]


def test_another_thread_ends_its_waits():
    left, right = socket.socketpair()
    interruption = Interruption()
    reached = threading.Event()

    async def wait():
        reached.set()
        await wait_for(Readiness(left.fileno(), left, READ, 1000.0))

    ended = []

    def run():
        try:
            with interruption:
                complete(wait(), interruption=interruption)
        except Interrupted:
            ended.append(True)

    with left, right:
        thread = threading.Thread(target=run)
        thread.start()
        reached.wait(10)
        assert not interruption.wait(0.0)
        interruption.set()
        thread.join(10)
    assert ended == [True]
    assert interruption.wait(1000.0)


@pytest.mark.parametrize("when", ["before it begins to wait", "before it has a pipe"])
def test_it_need_not_wait_for_what_was_ended_before(when):
    left, right = socket.socketpair()
    interruption = Interruption()

    async def wait():
        await wait_for(Readiness(left.fileno(), left, READ, 1000.0))

    with left, right, contextlib.ExitStack() as stack:
        if when == "before it has a pipe":
            interruption.set()
            stack.enter_context(interruption)
        else:
            stack.enter_context(interruption)
            interruption.set()
        with pytest.raises(Interrupted):
            complete(wait(), interruption=interruption)


def test_without_a_pipe_waits_are_ended_before_they_begin():
    left, right = socket.socketpair()
    interruption = Interruption()
    interruption.set()

    async def wait():
        await wait_for(Readiness(left.fileno(), left, READ, 1000.0))

    with left, right, pytest.raises(Interrupted):
        complete(wait(), interruption=interruption)


def test_an_interruption_leaves_no_descriptor():
    before = os.listdir("/proc/self/fd")
    for _ in range(10):
        with Interruption() as interruption:
            interruption.set()
        interruption.set()  # no thread waits now
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_exceptions_during_a_wait_are_raised_in_the_coroutine(error):
    let_go = []

    async def hold():
        try:
            await wait_for(Pause(1.0))
        except BaseException:
            let_go.append("closed")
            raise

    def interrupted(_):
        raise error

    with pytest.raises(error):
        complete(hold(), interrupted)
    assert let_go == ["closed"]


def test_invalid_waits_raise():
    async def nonsense():
        await wait_for("nonsense")

    with pytest.raises(TypeError, match="str"):
        complete(nonsense())
