"""Tests of the observers of outcomes: when and what progress is shown, and the lines about retries.

The tests control the clock.
"""

import pytest

from metaflow_extensions.fasts3.api.observers import INTERVAL, MEMORY, ProgressReport, RetryReport
from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue, Plan, Unwanted
from metaflow_extensions.fasts3.plans.tally import Tally
from metaflow_extensions.fasts3.wire.failures import Code, Failure

SLOW = Failure(Code.BUSY, "Please reduce your request rate", "SlowDown", 503, "id", 3, 1.0)
FATAL = Failure(Code.ACCESS_DENIED)
JOB = Job(0, "get", "b", "k")


class Ten(Plan):
    """A plan for ten objects of 1,000 bytes."""

    def __init__(self):
        self.tally = Tally("get", 10, 10_000)

    def start(self):
        return iter([JOB])

    def receive(self, job, outcome):
        if outcome.failure:
            raise JobFailed(job, outcome.failure)
        self.tally.objects += 1
        self.tally.bytes += 1000
        return [job]


class Display:
    """Records what it is told to show."""

    def __init__(self, first=0.0, interval=0.1):
        self.first, self.interval = first, interval
        self.shown, self.closed = [], 0
        self.raises = None

    def show(self, progress):
        self.shown.append(progress)
        if self.raises:
            raise self.raises

    def close(self):
        self.closed += 1


@pytest.fixture
def watch():
    """Begin to observe ten objects; return the observer, and a function that delivers an outcome after some seconds."""

    def begin(display):
        now, plan = [100.0], Ten()
        observed = ProgressReport(plan.tally, display, lambda: now[0])
        queue = JobQueue(plan, [observed])

        def come(after, outcome=Outcome(0)):
            now[0] += after
            queue.receive(queue.take(), outcome)

        return observed, come

    return begin


def times(display):
    return [round(progress.seconds, 3) for progress in display.shown]


def test_a_short_call_is_not_shown_at_all(watch):
    display = Display(first=2.0)
    observed, come = watch(display)
    for _ in range(10):
        come(0.19)
    observed.finish()
    assert display.shown == []


def test_a_long_one_is_shown_from_then_on_and_at_its_end(watch):
    display = Display(first=2.0, interval=0.1)
    observed, come = watch(display)
    for _ in range(4):
        come(0.6)
    for _ in range(5):
        come(0.04)
    come(0.3)
    observed.finish()
    assert times(display) == [2.4, 2.52, 2.9, 2.9]
    assert [progress.objects for progress in display.shown] == [4, 7, 10, 10]
    assert [progress.done for progress in display.shown] == [False, False, False, True]


def test_without_a_delay_any_call_is_shown_and_has_an_end(watch):
    display = Display()
    observed, come = watch(display)
    come(0.01)
    come(0.01)
    observed.finish()
    assert [(progress.objects, progress.done) for progress in display.shown] == [(1, False), (2, True)]
    nothing = Display()
    watch(nothing)[0].finish()
    assert [progress.done for progress in nothing.shown] == [True]


def test_displayed_progress(watch):
    display = Display()
    _, come = watch(display)
    come(2.0)
    come(1.0, Outcome(0, retried=SLOW))
    assert display.shown[0] == ("get", 1, 10, 1000, 10_000, 0, 2.0, False, 500.0)
    assert display.shown[1][:8] == ("get", 2, 10, 2000, 10_000, 3, 3.0, False)


def test_the_rate_is_that_of_the_last_seconds(watch):
    display = Display()
    _, come = watch(display)
    for _ in range(100):
        come(0.1)
    assert display.shown[-1].rate == pytest.approx(10_000)
    for _ in range(3 * int(MEMORY)):
        come(1.0)
    assert 1000 < display.shown[-1].rate < 1500  # 1,000 a second now
    assert display.shown[-1].bytes / display.shown[-1].seconds > 4000


def test_an_object_that_is_begun_again_is_no_negative_rate(watch):
    display = Display()
    observed, come = watch(display)
    come(1.0)
    observed._tally.bytes -= 5000
    come(1.0)
    assert display.shown[-1].rate > 0


def test_an_outcome_that_fails_the_plan_is_not_shown(watch):
    display = Display()
    _, come = watch(display)
    come(1.0)
    with pytest.raises(JobFailed):
        come(1.0, Outcome(0, None, FATAL))
    assert times(display) == [1.0]


def test_a_display_that_raises_is_called_once_and_ends_the_call_with_its_error(watch):
    display = Display()
    observed, come = watch(display)
    display.raises = KeyError("mine")
    with pytest.raises(Unwanted):
        come(1.0)
    assert observed._tally.objects == 1
    observed(Outcome(0))
    assert times(display) == [1.0]

    def fail():
        raise Unwanted

    with pytest.raises(KeyError) as raised:
        observed.conclude(fail)
    assert raised.value is display.raises
    assert display.closed == 1


def test_no_progress_after_the_end(watch):
    display = Display()
    observed, come = watch(display)
    observed.conclude(lambda: None)
    come(1.0)
    assert (display.shown, display.closed) == ([], 1)


def report(outcomes, seconds_each=0.0):
    lines, now = [], [0.0]
    retries = RetryReport(lines.append, lambda: now[0])
    for outcome in outcomes:
        now[0] += seconds_each
        retries(outcome)
    retries.write()
    return lines


def test_without_retries_there_is_no_report():
    assert report([Outcome(n, None) for n in range(5)]) == []


def test_one_line_for_a_call():
    outcomes = [Outcome(n, None, None, True, SLOW if n % 2 else None) for n in range(10)]
    assert report(outcomes) == [
        "Transient S3 failures: 5 of 10 requests needed retries, 15 in total; "
        "reason of the last: SlowDown: Please reduce your request rate"
    ]


def test_retries_of_a_long_call_are_reported_periodically():
    outcomes = [Outcome(n, None, None, True, SLOW) for n in range(100)]
    lines = report(outcomes, seconds_each=INTERVAL / 20)
    assert 4 <= len(lines) <= 6
