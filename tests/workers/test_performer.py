"""Tests of performing one job: attempts, waits, and reports."""

import random

import pytest

from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.wire.blocking import Interrupted, complete
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo
from metaflow_extensions.fasts3.workers.performer import MOST_SLOW, Performer
from metaflow_extensions.fasts3.workers.retries import Terms

JOB = Job(7, "head", "bucket", "key")


class Scripted:
    """Transfers with given results, one after the other."""

    def __init__(self, *results):
        self.results = list(results)
        self.calls = []

    def head(self, bucket, key):
        self.calls.append((bucket, key))
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    def put(self, bucket, key, body=None, **arguments):
        self.calls.append((bucket, key, body, arguments))
        return "etag"


class Clock:
    """A clock that advances only during waits."""

    def __init__(self, stops=False):
        self.now = 0.0
        self.waits = []
        self._stops = stops

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.waits.append(seconds)
        self.now += seconds
        return self._stops


def failing(code, **fields):
    return TransferError(Failure(code, **fields))


def performer(transfers, clock, terms=Terms(), chance=0.5):
    return Performer(transfers, terms, clock.pause, clock, lambda: chance)


def perform(performer, job, on_begin=None):
    """Perform a job in this thread, with the performer's own pauses."""
    return complete(performer.perform(job, on_begin), performer._pause)


def test_a_success_is_reported_at_once():
    clock, transfers = Clock(), Scripted("result")
    assert perform(performer(transfers, clock), JOB) == (7, "result", None, True, None, False)
    assert transfers.calls == [("bucket", "key")]
    assert clock.waits == []


def test_a_body_is_sent_with_its_job():
    transfers = Scripted()
    perform(performer(transfers, Clock()), Job(1, "put", "b", "k", {"condition": "absent"}, b"body"))
    assert transfers.calls == [("b", "k", b"body", {"condition": "absent"})]


def test_transient_failures_are_tried_again_after_growing_waits():
    clock = Clock()
    transfers = Scripted(failing(Code.BUSY), failing(Code.BROKEN), failing(Code.UNREACHABLE), "result")
    outcome = perform(performer(transfers, clock), JOB)
    assert outcome.result == "result"
    assert (outcome.retried.code, outcome.retried.tries) == (Code.UNREACHABLE, 3)
    assert clock.now == pytest.approx(0.075 + 0.15 + 0.3)


def test_a_failure_has_the_number_and_duration_of_tries():
    clock = Clock()
    transfers = Scripted(*[failing(Code.BUSY, s3_code="SlowDown")] * 4)
    outcome = perform(performer(transfers, clock, Terms(retries=3, responded=True)), JOB)
    assert outcome.failure.s3_code == "SlowDown"
    assert outcome.failure.tries == 4
    assert outcome.failure.seconds == pytest.approx(sum(clock.waits), abs=0.001)
    assert outcome.responded


def test_an_endpoint_that_never_responds_is_given_up_within_seconds():
    clock = Clock()
    outcome = perform(performer(Scripted(*[failing(Code.UNREACHABLE)] * 100), clock), JOB)
    assert outcome.failure.code is Code.UNREACHABLE
    assert clock.now < 6
    assert not outcome.responded


def test_an_endpoint_that_responded_before_is_waited_for():
    clock = Clock()
    terms = Terms(retries=100, outage_limit=120, responded=True)
    perform(performer(Scripted(*[failing(Code.UNREACHABLE)] * 200), clock, terms), JOB)
    assert 90 < clock.now <= 120


def test_a_response_to_one_job_makes_the_next_one_wait_longer():
    clock = Clock()
    one = performer(Scripted("result", *[failing(Code.UNREACHABLE)] * 200), clock)
    perform(one, JOB)
    perform(one, JOB)
    assert clock.now > 60


def test_an_outage_is_waited_for_once_and_not_once_an_object():
    """A job that begins during an outage waits only for the rest of its time."""
    clock = Clock()
    terms = Terms(retries=100, outage_limit=120, responded=True)
    one = performer(Scripted(*[failing(Code.UNREACHABLE)] * 1000), clock, terms)
    first = one.perform(JOB)
    until_it_waits(first)
    clock.now += 100
    perform(one, JOB)
    assert clock.now <= 120
    first.close()


def test_time_spent_before_the_first_failure_is_no_outage():
    clock = Clock()

    class Slow(Scripted):
        def head(self, bucket, key):
            clock.now += 1000 if len(self.results) == 2 else 0
            return super().head(bucket, key)

    terms = Terms(retries=5, outage_limit=120, responded=True)
    outcome = perform(performer(Slow(failing(Code.UNREACHABLE), "result"), clock, terms), JOB)
    assert outcome.result == "result"
    assert outcome.retried.seconds == 1000


def test_the_end_of_an_outage_is_the_end_of_all_waits():
    clock, results = Clock(), []
    terms = Terms(retries=100, responded=True)
    one = performer(Scripted(*[failing(Code.UNREACHABLE)] * 8, "result", "result"), clock, terms)
    waiting = one.perform(JOB)
    clock.now += until_it_waits(waiting)
    for _ in range(40):  # its seventh failure has it wait for many seconds
        clock.now += drive(waiting, results)
    assert results == []
    perform(one, JOB)
    began = clock.now
    while not results:
        clock.now += drive(waiting, results)
    assert clock.now - began < 1


def test_a_throttled_job_waits_for_its_turn():
    clock = Clock()
    refused = failing(Code.BUSY, status=503)
    one = performer(Scripted(*["result"] * 20, refused, *["result"] * 100), clock, Terms(responded=True))
    for _ in range(20):
        clock.now += 0.05
        perform(one, JOB)
    began = clock.now
    for _ in range(41):
        perform(one, JOB)
    assert 1.5 < clock.now - began < 4  # at some 20 a second


def test_a_call_does_not_inherit_the_failures_of_the_previous_one():
    clock = Clock()
    terms = Terms(retries=3, outage_limit=120, responded=True)
    one = performer(Scripted(*[failing(Code.UNREACHABLE)] * 5, "result"), clock, terms)
    perform(one, JOB)
    clock.now += 10_000
    assert perform(one, JOB).result == "result"


class Moving(Scripted):
    """Transfers that use the bandwidth limit for each byte, and transfer this many before they return."""

    def get(self, bucket, key, path, allowance=None):
        self.calls.append(allowance)
        result = self.results.pop(0)
        left = 0 if isinstance(result, Exception) and result.failure.status == 503 else 1_000_000
        while left and allowance:
            left -= allowance.wait_for_some(left)
        if isinstance(result, Exception):
            raise result
        return result


GET = Job(8, "get", "bucket", "key", {"path": "/f"})


def test_only_transfers_of_bytes_use_the_bandwidth_limit():
    transfers, clock = Moving("result", "result"), Clock()
    one = performer(transfers, clock, Terms(bandwidth=1e6))
    perform(one, GET)
    perform(one, JOB)
    assert transfers.calls[0] is not None
    assert transfers.calls[1] == ("bucket", "key")
    assert clock.now == pytest.approx(1.0, abs=0.01)


def test_without_a_limit_there_are_no_waits():
    transfers = Moving("result")
    perform(performer(transfers, Clock()), GET)
    assert transfers.calls == [None]


def test_the_jobs_of_a_call_share_its_bandwidth():
    clock = Clock()
    one = performer(Moving(*["result"] * 3), clock, Terms(bandwidth=1e6))
    for _ in range(3):
        perform(one, GET)
    assert clock.now == pytest.approx(3.0, abs=0.01)


def test_waits_for_the_limit_do_not_count_as_failing():
    """Each try takes ten times the outage limit."""
    clock = Clock()
    terms = Terms(retries=5, outage_limit=100, responded=True, bandwidth=1e3)
    outcome = perform(performer(Moving(*[failing(Code.BROKEN)] * 3, "result"), clock, terms), GET)
    assert outcome.result == "result"
    assert clock.now == pytest.approx(4000, rel=0.01)


def test_an_outage_ends_within_the_limit():
    clock = Clock()
    terms = Terms(retries=1000, outage_limit=100, responded=True, bandwidth=1e6)
    outcome = perform(performer(Moving(*[failing(Code.BUSY, status=503)] * 1000), clock, terms), GET)
    assert outcome.failure.code is Code.BUSY
    assert clock.now <= 100


def test_waits_for_the_limit_can_be_stopped():
    clock = Clock(stops=True)
    with pytest.raises(Interrupted):
        perform(performer(Moving(*["result"] * 9), clock, Terms(bandwidth=1e6)), GET)
    assert len(clock.waits) == 1


def until_it_waits(work):
    """Drive a job to its first wait; give its seconds."""
    return work.send(None).seconds


def drive(work, results):
    """Drive a job to its next wait."""
    try:
        return work.send(None).seconds
    except StopIteration as end:
        results.append(end.value)
        return 0.0


def test_waits_between_tries_can_be_stopped():
    clock = Clock(stops=True)
    outcome = perform(performer(Scripted(*[failing(Code.BUSY)] * 9), clock), JOB)
    assert outcome.failure.code is Code.BUSY
    assert len(clock.waits) == 1


@pytest.mark.parametrize(
    ("rate", "chance", "injected"),
    [(50, 0.49, 1), (50, 0.5, 0), (50, 0.2, 2), (90, 0.4, 2), (90, 0.001, 10), (99, 0.9, 0), (99.9, 0.89, 1)],
)
def test_failures_are_injected_less_often_into_retries(rate, chance, injected):
    transfers = Scripted("result")
    outcome = perform(performer(transfers, Clock(), Terms(failure_rate=rate), chance), JOB)
    assert (outcome.result, outcome.retried.tries if outcome.retried else 0) == ("result", injected)
    assert len(transfers.calls) == 1


@pytest.mark.parametrize("rate", [100, 250.0])
def test_with_100_per_cent_every_try_fails(rate):
    outcome = perform(performer(Scripted(), Clock(), Terms(retries=5, failure_rate=rate), 0.99), JOB)
    assert (outcome.failure.code, outcome.failure.tries) == (Code.INJECTED, 6)


def test_thousands_of_objects_arrive_at_the_highest_rate():
    chosen = random.Random(1)
    doer = Performer(Scripted(*["result"] * 6000), Terms(failure_rate=90), Clock().pause, Clock(), chosen.random)
    assert [perform(doer, JOB).result for _ in range(6000)] == ["result"] * 6000


@pytest.mark.parametrize("operation", ["no_such_operation", "__init__"])
def test_unknown_operations_raise(operation):
    assert perform(performer(Scripted(), Clock()), Job(1, operation, "b", "k")).failure.code is Code.REJECTED


@pytest.mark.parametrize(
    ("job", "transfers", "error"),
    [
        (JOB, Scripted(ZeroDivisionError("a defect")), ZeroDivisionError),
        (JOB._replace(arguments={"surprise": 1}), Scripted("result"), TypeError),
        (JOB, Scripted(Interrupted()), Interrupted),
    ],
    ids=["defect", "wrong arguments", "stopped"],
)
def test_a_defect_and_a_stop_are_no_responses_of_s3(job, transfers, error):
    """They come with their own traceback, and the next job finds nothing under way."""
    one = performer(transfers, Clock())
    with pytest.raises(error):
        perform(one, job)
    assert one.policy._jobs == 0


# --- Downloads with interim outcomes.


class Sharing:
    """Transfers whose downloads report their start, if there is an observer."""

    def __init__(self, brings):
        self.brings = brings

    def get(self, bucket, key, ways, begun=None):
        result = GetResponse(ObjectInfo(9, "", None, {}, 0, None), 0, 9, 5)
        if begun:
            begun(result)
        return result._replace(received=self.brings)


SHARED = Job(7, "get", "bucket", "key", {"ways": 4})


@pytest.mark.parametrize("brings", [5, 3])
def test_an_interim_outcome_is_sent_and_a_broken_connection_is_reported(brings):
    interim = []
    outcome = perform(performer(Sharing(brings), Clock()), SHARED, interim.append)
    assert [(one.number, one.begun, one.result.received, one.failure) for one in interim] == [(7, True, 5, None)]
    assert (outcome.begun, outcome.result.received) == (False, brings)
    assert (outcome.retried and outcome.retried.code) == (None if brings == 5 else Code.BROKEN)


def test_without_an_observer_no_other_request_gets_the_rest():
    assert perform(performer(Sharing(5), Clock()), SHARED).retried is None


@pytest.mark.parametrize("moved", [True, False])
def test_an_attempt_that_moved_bytes_was_not_an_outage(moved):
    """Two broken connections of a large part, with minutes of a slow network between them."""
    clock = Clock()

    class Slow:
        def head(self, bucket, key):
            clock.now += 301.0
            raise failing(Code.UNREACHABLE, moved=moved)

    terms = Terms(retries=20, outage_limit=300.0, responded=True)
    outcome = complete(performer(Slow(), clock, terms).perform(JOB), clock.pause)
    assert outcome.failure.tries == (MOST_SLOW + 1 if moved else 2)
