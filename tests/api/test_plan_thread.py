"""Tests of the thread that runs a plan beside the user's code."""

import os
import threading

import pytest

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception
from metaflow_extensions.fasts3.api.plan_thread import PlanThread
from metaflow_extensions.fasts3.plans.plan import Requests, Unwanted
from metaflow_extensions.fasts3.wire.blocking import Interrupted

LONG = 10.0  # seconds


def begin(run):
    """Start a thread; return it and the list to which its end is added."""
    ends = []
    thread = PlanThread(run, Requests([]), ends.append, "fasts3-file")
    thread.start("a test", "none")
    return thread, ends


def test_it_runs_a_plan_to_its_end():
    plans = []
    thread, ends = begin(lambda plan, interruption: plans.append(plan))
    assert thread.join(LONG)
    assert ends == [None]
    assert len(plans) == 1


def test_a_failure_is_raised():
    def run(plan, interruption):
        raise KeyError("of the plan")

    thread, ends = begin(run)
    assert thread.join(LONG)
    assert isinstance(ends[0], KeyError)


def test_a_cancelled_plan_is_no_failure():
    def run(plan, interruption):
        raise Unwanted

    thread, ends = begin(run)
    assert thread.join(LONG)
    assert ends == [None]


def test_it_is_stopped():
    def run(plan, interruption):
        assert interruption.wait(LONG)
        raise Interrupted

    thread, ends = begin(run)
    assert not thread.join(0.0)
    thread.stop()
    assert thread.join(LONG)
    assert ends == [None]


def test_it_does_not_wait_for_itself():
    joined = []

    def run(plan, interruption):
        made.wait(LONG)
        joined.append(threads[0].join(LONG))

    made, threads = threading.Event(), []
    thread, _ = begin(run)
    threads.append(thread)
    made.set()
    assert thread.join(LONG)
    assert joined == [False]


def test_a_forked_child_neither_stops_nor_awaits_it(monkeypatch):
    def run(plan, interruption):
        assert interruption.wait(LONG)

    thread, ends = begin(run)
    with monkeypatch.context() as child:
        child.setattr(thread, "_process", os.getpid() + 1)
        assert not thread.is_ours
        thread.stop()
        assert not thread.join(LONG)
    assert ends == []
    thread.stop()
    assert thread.join(LONG)


def test_no_thread_can_be_started(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(MetaflowS3Exception, match=r"thread for a test .* or use none"):
        begin(lambda plan, interruption: None)
