"""Tests of the retry policy, on a clock that the tests turn."""

import pytest

from metaflow_extensions.fasts3.wire.failures import ONCE_MORE, TRANSIENT, Code, Failure
from metaflow_extensions.fasts3.workers.retries import (
    FIRST_CONTACT_LIMIT,
    FIRST_CONTACT_RETRIES,
    LONGEST_WAIT,
    OUTAGE_RETRIES,
    RETURN_WITHIN,
    SHORTEST_OUTAGE,
    RetryPolicy,
    Terms,
    decide,
)

PATIENT = Terms(retries=20, outage_limit=300)


@pytest.mark.parametrize("code", sorted(set(Code) - TRANSIENT - ONCE_MORE))
def test_permanent_failures_are_not_retried(code):
    assert decide(PATIENT, Failure(code), 1, 0.0, True, 0.5) is None


@pytest.mark.parametrize("code", sorted(TRANSIENT))
def test_transient_failures_are_retried(code):
    assert decide(PATIENT, Failure(code), 1, 0.0, True, 0.5) is not None


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (3, 3), (20, 20)])
def test_retries_count_the_tries_after_the_first(retries, tries):
    terms = Terms(retries=retries)
    waits = []
    for count in range(1, 100):
        wait = decide(terms, Failure(Code.BUSY), count, 0.0, True, 0.0)
        if wait is None:
            break
        waits.append(wait)
    assert len(waits) == retries


def test_waits_grow_and_stay_below_the_longest():
    waits = [decide(PATIENT, Failure(Code.BUSY), tries, 0.0, True, 1.0) for tries in range(1, 21)]
    assert waits == sorted(waits)
    assert waits[0] < 0.2
    assert waits[-1] == LONGEST_WAIT


def test_chance_spreads_the_waits_over_half():
    shortest, longest = (decide(PATIENT, Failure(Code.BUSY), 5, 0.0, True, chance) for chance in (0.0, 1.0))
    assert shortest * 2 == longest


@pytest.mark.parametrize(
    ("responded", "limit"), [(False, FIRST_CONTACT_LIMIT), (True, PATIENT.outage_limit)], ids=["mistake", "outage"]
)
def test_an_endpoint_that_never_responded_is_given_up_soon(responded, limit):
    assert decide(PATIENT, Failure(Code.UNREACHABLE), 1, limit - 1, responded, 0.5) is not None
    assert decide(PATIENT, Failure(Code.UNREACHABLE), 1, limit, responded, 0.5) is None


def test_an_endpoint_that_never_responded_gets_three_tries():
    assert decide(PATIENT, Failure(Code.UNREACHABLE), FIRST_CONTACT_RETRIES, 0.0, False, 0.5) is not None
    assert decide(PATIENT, Failure(Code.UNREACHABLE), FIRST_CONTACT_RETRIES + 1, 0.0, False, 0.5) is None
    assert decide(PATIENT, Failure(Code.UNREACHABLE), FIRST_CONTACT_RETRIES + 1, 0.0, True, 0.5) is not None


def test_an_injected_failure_costs_no_time():
    assert decide(PATIENT, Failure(Code.INJECTED), 7, 1e9, False, 0.5) == 0.0
    assert decide(PATIENT, Failure(Code.INJECTED), 21, 0.0, False, 0.5) is None


@pytest.mark.parametrize("code", sorted(ONCE_MORE))
@pytest.mark.parametrize("tries", [1, 5])
def test_probably_permanent_failures_are_retried_once(code, tries):
    assert decide(PATIENT, Failure(code), tries, 0.0, True, 0.5) is not None
    assert decide(PATIENT, Failure(code), tries, 0.0, True, 0.5, again=True) is None
    assert decide(Terms(retries=0), Failure(code), tries, 0.0, True, 0.5) is None


def test_with_the_server_s_time_the_next_try_begins_at_once():
    assert decide(PATIENT, Failure(Code.SKEWED), 1, 0.0, True, 0.5) == 0.0


@pytest.mark.parametrize(("asked", "least", "most"), [(0, 0, 0.1), (3, 3, 3), (1e6, LONGEST_WAIT, LONGEST_WAIT)])
def test_retry_after_is_respected_up_to_a_limit(asked, least, most):
    assert least <= decide(PATIENT, Failure(Code.BUSY, retry_after=asked), 1, 0.0, True, 0.5) <= most


# --- What the jobs of a process know together.


def policy_of(outage_limit=300.0):
    """A policy for an endpoint that has responded, with the shortest waits."""
    return RetryPolicy(Terms(1000, outage_limit, responded=True), lambda: 0.0)


def failed(policy, now, code=Code.BUSY, times=1):
    """A job that begins and fails this many times."""
    attempts = policy.begin(now)
    for _ in range(times):
        assert policy.note_failure(attempts, Failure(code), now)
    return attempts


def succeeded(policy, now):
    """Another job succeeds."""
    policy.begin(now)
    policy.end(now)


def test_the_time_of_an_outage_counts_from_the_first_failure_of_all_jobs():
    policy = policy_of(outage_limit=120)
    failed(policy, 10.0)
    late = policy.begin(100.0)
    assert policy.note_failure(late, Failure(Code.BUSY), 129.0)
    assert not policy.note_failure(late, Failure(Code.BUSY), 129.99)
    succeeded(policy, 129.99)
    failed(policy, 130.0)


@pytest.mark.parametrize(
    ("failure", "ends"),
    [
        (Failure(Code.NOT_FOUND, status=404), True),
        (Failure(Code.PRECONDITION, status=412), True),
        (Failure(Code.NOT_S3, status=404), False),  # a page of a proxy, whose server is down
        (Failure(Code.LOCAL_FILE), False),
    ],
)
def test_a_response_that_refuses_ends_an_outage(failure, ends):
    policy = policy_of(outage_limit=120)
    failed(policy, 10.0)
    refused = policy.begin(20.0)
    assert not policy.note_failure(refused, failure, 60.0)
    policy.end()
    assert policy.note_failure(policy.begin(140.0), Failure(Code.BUSY), 140.0) is ends


def test_an_outage_before_an_idle_time_does_not_count():
    policy = policy_of(outage_limit=120)
    failed(policy, 10.0)
    policy.end()
    failed(policy, 1000.0)


def test_jobs_that_wait_for_the_end_of_an_outage_retry_in_turns():
    policy = policy_of()
    failed(policy, 0.0)
    moments = [failed(policy, 2 * SHORTEST_OUTAGE).retry_at for _ in range(500)]
    assert [round(after - before, 6) for before, after in zip(moments[1:], moments[2:])] == [1 / OUTAGE_RETRIES] * 498


def test_jobs_do_not_retry_in_turns_after_a_short_failure_nor_while_others_succeed():
    policy = policy_of()
    failed(policy, 0.0)
    now = SHORTEST_OUTAGE / 2
    assert {failed(policy, now).retry_at for _ in range(9)} == {now + 0.05}
    succeeded(policy, 10.0)
    assert {failed(policy, 11.0).retry_at for _ in range(9)} == {11.0 + 0.05}


@pytest.mark.parametrize("code", [Code.UNREACHABLE, Code.BUSY])
def test_the_end_of_an_outage_shortens_the_waits_of_unreachable_jobs(code):
    policy = policy_of()
    waiting = failed(policy, 5.0, code, times=9)  # for ten seconds
    succeeded(policy, 5.0 + SHORTEST_OUTAGE / 2)  # that was no outage
    assert waiting.retry_at == 15.0
    policy.seconds_to_wait(waiting, 6.0)
    assert waiting.retry_at == 15.0
    failed(policy, 7.0)
    succeeded(policy, 9.0)
    policy.seconds_to_wait(waiting, 9.0)
    assert (waiting.retry_at <= 9.0 + RETURN_WITHIN) is (code is Code.UNREACHABLE)


def test_a_job_waits_for_its_retry_and_then_for_the_throttle():
    policy = policy_of()
    refused, now = policy.begin(0.0), 0.0
    assert policy.note_failure(refused, Failure(Code.BUSY, status=503), 0.0)
    others = [policy.begin(0.0) for _ in range(5)]
    assert all(0 <= policy.seconds_to_wait(one, 0.0) < 1 for one in others)  # which reserves the first moments
    while seconds := policy.seconds_to_wait(refused, now):
        now += seconds
    assert now > refused.retry_at
    assert policy.seconds_to_wait(refused, now) == 0.0  # nothing is reserved twice


def test_shared_state_is_locked():
    class Guarded(RetryPolicy):
        guarded = False

        def __setattr__(self, name, value):
            assert not self.guarded or self._lock.locked(), f"{name} without the lock"
            super().__setattr__(name, value)

    class Throttle:
        def __getattr__(self, name):
            called.add(name)
            assert policy._lock.locked(), f"{name} without the lock"
            return lambda now: 0.0

    called = set()
    policy = Guarded(Terms())
    policy._throttle = Throttle()
    policy.__dict__["guarded"] = True
    attempts = policy.begin(0.0)
    policy.seconds_to_wait(attempts, 0.0)
    policy.note_failure(attempts, Failure(Code.BUSY, status=503), 0.0, moved=True)
    policy.end(1.0)
    assert called == {"reserve", "slow_down", "note_success"}
    assert not policy._lock.locked()
