"""Tests of the driver of one coroutine."""

import os
import socket

import pytest

from metaflow_extensions.fasts3.wire.blocking import complete
from metaflow_extensions.fasts3.wire.waiting import READ, Aside, Pause, Readiness, wait_for


def test_it_waits_for_sockets_pauses_and_what_blocks():
    left, right = socket.socketpair()
    pauses = []

    async def all_of_it():
        right.send(b"x")
        await wait_for(Readiness(left.fileno(), left, READ, 5.0))
        answer = await wait_for(Pause(3.5))
        return left.recv(1), answer, await wait_for(Aside(os.getpid))

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


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_is_raised_while_it_waits_is_raised_in_the_coroutine_too(error):
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


def test_nobody_waits_for_nonsense():
    async def nonsense():
        await wait_for("nonsense")

    with pytest.raises(TypeError, match="str"):
        complete(nonsense())
