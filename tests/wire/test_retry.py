"""Tests of the retry policy: pure decisions, no clock."""

import pytest

from metaflow_extensions.fasts3.wire.failures import TRANSIENT, Code
from metaflow_extensions.fasts3.wire.retry import FIRST_CONTACT_LIMIT, LONGEST_WAIT, RetryPolicy, decide

PATIENT = RetryPolicy(retries=20, outage_limit=300)


@pytest.mark.parametrize("code", sorted(set(Code) - TRANSIENT))
def test_what_stays_wrong_is_not_tried_again(code):
    assert decide(PATIENT, code, 1, 0.0, True, 0.5) is None


@pytest.mark.parametrize("code", sorted(TRANSIENT))
def test_what_may_pass_is_tried_again(code):
    assert decide(PATIENT, code, 1, 0.0, True, 0.5) is not None


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (3, 3), (20, 20)])
def test_retries_count_the_tries_after_the_first(retries, tries):
    policy = RetryPolicy(retries=retries)
    waits = []
    for count in range(1, 100):
        wait = decide(policy, Code.BUSY, count, 0.0, True, 0.0)
        if wait is None:
            break
        waits.append(wait)
    assert len(waits) == retries


def test_waits_grow_and_stay_below_the_longest():
    waits = [decide(PATIENT, Code.BUSY, tries, 0.0, True, 1.0) for tries in range(1, 21)]
    assert waits == sorted(waits)
    assert waits[0] < 0.2
    assert waits[-1] == LONGEST_WAIT


def test_chance_spreads_the_waits_over_half():
    assert decide(PATIENT, Code.BUSY, 5, 0.0, True, 0.0) * 2 == decide(PATIENT, Code.BUSY, 5, 0.0, True, 1.0)


@pytest.mark.parametrize(
    ("answered", "limit"), [(False, FIRST_CONTACT_LIMIT), (True, PATIENT.outage_limit)], ids=["mistake", "outage"]
)
def test_an_endpoint_that_never_answered_is_given_up_soon(answered, limit):
    assert decide(PATIENT, Code.UNREACHABLE, 1, limit - 1, answered, 0.5) is not None
    assert decide(PATIENT, Code.UNREACHABLE, 1, limit, answered, 0.5) is None


def test_an_injected_failure_costs_no_time():
    assert decide(PATIENT, Code.INJECTED, 7, 1e9, False, 0.5) == 0.0
    assert decide(PATIENT, Code.INJECTED, 21, 0.0, False, 0.5) is None
