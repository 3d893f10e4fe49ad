"""Tests of the retry policy: pure decisions, no clock."""

import pytest

from metaflow_extensions.fasts3.wire.failures import ONCE_MORE, TRANSIENT, Code, Failure
from metaflow_extensions.fasts3.wire.retry import (
    FIRST_CONTACT_LIMIT,
    FIRST_CONTACT_RETRIES,
    LONGEST_WAIT,
    RetryPolicy,
    decide,
)

PATIENT = RetryPolicy(retries=20, outage_limit=300)


@pytest.mark.parametrize("code", sorted(set(Code) - TRANSIENT - ONCE_MORE))
def test_what_stays_wrong_is_not_tried_again(code):
    assert decide(PATIENT, Failure(code), 1, 0.0, True, 0.5) is None


@pytest.mark.parametrize("code", sorted(TRANSIENT))
def test_what_may_pass_is_tried_again(code):
    assert decide(PATIENT, Failure(code), 1, 0.0, True, 0.5) is not None


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (3, 3), (20, 20)])
def test_retries_count_the_tries_after_the_first(retries, tries):
    policy = RetryPolicy(retries=retries)
    waits = []
    for count in range(1, 100):
        wait = decide(policy, Failure(Code.BUSY), count, 0.0, True, 0.0)
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
    ("answered", "limit"), [(False, FIRST_CONTACT_LIMIT), (True, PATIENT.outage_limit)], ids=["mistake", "outage"]
)
def test_an_endpoint_that_never_answered_is_given_up_soon(answered, limit):
    assert decide(PATIENT, Failure(Code.UNREACHABLE), 1, limit - 1, answered, 0.5) is not None
    assert decide(PATIENT, Failure(Code.UNREACHABLE), 1, limit, answered, 0.5) is None


def test_who_has_never_answered_is_asked_three_times():
    assert decide(PATIENT, Failure(Code.UNREACHABLE), FIRST_CONTACT_RETRIES, 0.0, False, 0.5) is not None
    assert decide(PATIENT, Failure(Code.UNREACHABLE), FIRST_CONTACT_RETRIES + 1, 0.0, False, 0.5) is None
    assert decide(PATIENT, Failure(Code.UNREACHABLE), FIRST_CONTACT_RETRIES + 1, 0.0, True, 0.5) is not None


def test_an_injected_failure_costs_no_time():
    assert decide(PATIENT, Failure(Code.INJECTED), 7, 1e9, False, 0.5) == 0.0
    assert decide(PATIENT, Failure(Code.INJECTED), 21, 0.0, False, 0.5) is None


@pytest.mark.parametrize("code", sorted(ONCE_MORE))
@pytest.mark.parametrize("tries", [1, 5])
def test_what_is_probably_the_same_the_next_time_is_tried_once_more(code, tries):
    assert decide(PATIENT, Failure(code), tries, 0.0, True, 0.5) is not None
    assert decide(PATIENT, Failure(code), tries, 0.0, True, 0.5, again=True) is None
    assert decide(RetryPolicy(retries=0), Failure(code), tries, 0.0, True, 0.5) is None


def test_with_the_server_s_time_the_next_try_begins_at_once():
    assert decide(PATIENT, Failure(Code.SKEWED), 1, 0.0, True, 0.5) == 0.0


@pytest.mark.parametrize(("asked", "least", "most"), [(0, 0, 0.1), (3, 3, 3), (1e6, LONGEST_WAIT, LONGEST_WAIT)])
def test_s3_is_left_alone_for_as_long_as_it_asks_but_not_for_ever(asked, least, most):
    assert least <= decide(PATIENT, Failure(Code.BUSY, retry_after=asked), 1, 0.0, True, 0.5) <= most
