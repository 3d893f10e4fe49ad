"""Tests of iterators that are read ahead."""

import itertools
import threading

import pytest

from metaflow_extensions.fasts3.cli.read_ahead import ReadAhead


def test_it_gives_what_the_iterator_gives():
    with ReadAhead(iter(range(100)), 3) as ahead:
        assert list(ahead) == list(range(100))
        assert list(ahead) == []


def test_it_reads_ahead_up_to_its_limit():
    read, enough = [], threading.Event()

    def items():
        for number in range(100):
            read.append(number)
            if number == 3:  # three wait, and one is held
                enough.set()
            yield number

    with ReadAhead(items(), 3) as ahead:
        assert enough.wait(10)
        assert read == [0, 1, 2, 3]
        assert next(ahead) == 0


def test_available_items_are_returned_at_once():
    go, all_there = threading.Event(), threading.Event()

    def items():
        yield 0
        go.wait(10)
        yield 1
        yield 2
        all_there.set()

    with ReadAhead(items(), 10) as ahead:
        assert next(ahead) == 0
        assert ahead.ready() == []
        go.set()
        assert all_there.wait(10)
        assert ahead.ready() == [1, 2]
        assert list(ahead) == []


def test_items_that_arrive_in_time_are_returned():
    with ReadAhead(iter(range(3)), 10) as ahead:
        assert ahead.ready(within=3600) == [0, 1, 2]
        assert ahead.ready(within=3600) == []


def test_an_error_is_raised_at_its_position():
    def items():
        yield 1
        raise KeyError("x")

    with ReadAhead(items(), 10) as ahead:
        assert next(ahead) == 1
        with pytest.raises(KeyError):
            next(ahead)


def test_at_the_end_of_the_block_no_more_is_read():
    with ReadAhead(itertools.repeat(0), 2) as ahead:
        next(ahead)
    for reader in [thread for thread in threading.enumerate() if thread.name == "fasts3-ahead"]:
        reader.join(10)
        assert not reader.is_alive()


def test_without_threads_the_caller_reads(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with ReadAhead(iter(range(3)), 10) as ahead:
        assert next(ahead) == 0
        assert ahead.ready() == []
        assert list(ahead) == [1, 2]
