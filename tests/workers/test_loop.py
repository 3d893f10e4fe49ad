"""Tests of the driver of many coroutines."""

import os
import socket
import threading

import pytest

from metaflow_extensions.fasts3.wire.waiting import READ, WRITE, InThread, Pause, Readiness, wait_for
from metaflow_extensions.fasts3.workers.loop import Loop


@pytest.fixture
def loop():
    loop = Loop(threads=2)
    yield loop
    loop.close()


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def run(loop, coroutines, turns=2000):
    """Run all to their end; return their results."""
    ends = {}
    for number, coroutine in enumerate(coroutines):
        loop.spawn(coroutine, lambda value, number=number: ends.__setitem__(number, value))
    for _ in range(turns):
        if len(ends) == len(coroutines):
            return [ends[number] for number in range(len(coroutines))]
        loop.turn(0.05)
    raise AssertionError(f"only {len(ends)} of {len(coroutines)} came to an end")


async def read(sock, timeout=5.0):
    await wait_for(Readiness(sock.fileno(), sock, READ, timeout))
    return sock.recv(100)


async def write(sock, data):
    await wait_for(Readiness(sock.fileno(), sock, WRITE, 5.0))
    return sock.send(data)


def test_one_waits_for_another(loop, pair):
    left, right = pair
    assert run(loop, [read(left), write(right, b"hello")]) == [b"hello", 5]


def test_the_same_socket_is_written_and_read_in_turn(loop, pair):
    left, right = pair

    async def both():
        await write(left, b"ping")
        return await read(left)

    async def echo():
        return await write(right, (await read(right)).upper())

    for _ in range(3):
        assert run(loop, [both(), echo()]) == [b"PING", 4]


def test_a_descriptor_that_is_given_out_again_is_another_socket(loop):
    for _ in range(3):
        left, right = socket.socketpair()
        with left, right:
            assert run(loop, [read(left), write(right, b"x")]) == [b"x", 1]


def test_an_event_of_a_closed_socket_is_not_that_of_the_next_with_its_descriptor(loop, pair):
    """Both events come at once: a coroutine closes the idle socket, and opens another."""
    idle, peer = socket.socketpair()
    assert run(loop, [read(idle), write(peer, b"x")]) == [b"x", 1]
    left, right = pair
    opened = []

    async def replace():
        await wait_for(Readiness(left.fileno(), left, READ, 5.0))
        descriptor = idle.fileno()
        idle.close()
        opened.extend(socket.socketpair())
        opened[0].setblocking(False)
        assert opened[0].fileno() == descriptor
        return await read(opened[0])

    ends = []
    loop.spawn(replace(), ends.append)
    loop.turn(0.0)  # epoll reports sockets in the order in which they became ready, after those of the last turn
    right.send(b"x")
    peer.close()
    loop.turn(0.05)
    assert ends == []  # reading would have raised BlockingIOError, or blocked
    opened[1].send(b"later")
    for _ in range(100):
        if ends:
            break
        loop.turn(0.05)
    assert ends == [b"later"]
    for one in opened:
        one.close()


def test_silence_ends_in_a_time_out_where_it_is_awaited(loop, pair):
    async def patient():
        try:
            return await read(pair[0], timeout=0.0)
        except TimeoutError:
            return "silence"

    assert run(loop, [patient(), patient_of_another()]) == ["silence", "done"]


async def patient_of_another():
    return "done"


def test_an_idle_socket_that_closes_does_not_keep_the_loop_busy(loop, pair):
    left, right = pair
    assert run(loop, [read(left), write(right, b"x")]) == [b"x", 1]
    right.close()
    loop.turn(0.05)
    assert left.fileno() not in loop._selector.get_map()


def test_pauses_end_in_their_order(loop):
    order = []

    async def pause(seconds):
        result = await wait_for(Pause(seconds))
        order.append(seconds)
        return result

    assert run(loop, [pause(0.03), pause(0.0), pause(0.01)]) == [False, False, False]
    assert order == [0.0, 0.01, 0.03]


def test_blocking_calls_run_in_threads(loop, pair):
    left, right = pair
    begun, main = threading.Event(), threading.get_ident()

    def block():
        begun.set()
        return (right.recv(10), threading.get_ident() != main)

    async def aside():
        return await wait_for(InThread(block))

    async def meanwhile():
        return await write(left, b"go on")

    assert run(loop, [aside(), meanwhile()]) == [(b"go on", True), 5]
    assert begun.is_set()


def test_exceptions_of_threads_are_raised_in_the_coroutine(loop):
    async def aside():
        try:
            await wait_for(InThread(lambda: 1 / 0))
        except ZeroDivisionError:
            return "raised"

    assert run(loop, [aside()]) == ["raised"]


def test_other_descriptors_can_be_watched(loop):
    reader, writer = os.pipe()
    seen = []
    loop.watch(reader, READ, lambda: seen.append(os.read(reader, 10)))
    os.write(writer, b"x")
    loop.turn(1.0)
    loop.watch(reader, READ, None)
    os.write(writer, b"y")
    loop.turn(0.0)
    os.close(reader)
    os.close(writer)
    assert seen == [b"x"]


def test_invalid_waits_raise(loop):
    async def nonsense():
        await wait_for("nonsense")

    with pytest.raises(TypeError, match="str"):
        loop.spawn(nonsense(), print)
