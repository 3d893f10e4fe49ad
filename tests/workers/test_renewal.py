"""Tests of which jobs are repeated because credentials had expired."""

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.workers.renewal import Renewal


def refused(number, signed_as=0, code=Code.EXPIRED):
    return Job(number, "head", "bucket"), Outcome(number, None, Failure(code, signed_as=signed_as))


def succeeded(number):
    return Job(number, "head", "bucket"), Outcome(number, "response")


def test_a_set_is_replaced_once_for_all_that_were_signed_with_it():
    renewed = []
    renewal = Renewal(lambda generation: not renewed.append(generation))
    assert [renewal.wants_again(*refused(number, 1)) for number in (1, 2, 3)] == [True] * 3
    assert renewed == [1]


def test_a_job_is_done_again_for_each_set_that_expires_after_it_has_worked():
    renewed = []
    renewal = Renewal(lambda generation: not renewed.append(generation))
    for generation in (1, 2, 3):
        assert renewal.wants_again(*refused(1, generation))
        assert not renewal.wants_again(*succeeded(1))
    assert renewed == [1, 2, 3]


def test_a_set_with_which_nothing_works_is_not_replaced():
    renewed = []
    renewal = Renewal(lambda generation: not renewed.append(generation))
    assert renewal.wants_again(*refused(1, 1))
    assert not renewal.wants_again(*refused(1, 2))
    assert renewed == [1]


def test_without_newer_credentials_the_job_fails():
    assert not Renewal(lambda _: False).wants_again(*refused(1, 1))


def test_with_unknown_credentials_each_job_is_repeated_once():
    renewal = Renewal(lambda _: True)
    assert [renewal.wants_again(*refused(number)) for number in (1, 2, 1)] == [True, True, False]


def test_other_failures_are_not_repeated():
    renewal = Renewal(lambda _: 1 / 0)
    assert not renewal.wants_again(*refused(1, 1, Code.ACCESS_DENIED))
    assert not renewal.wants_again(*succeeded(1))
