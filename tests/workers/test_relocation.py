"""Tests of which jobs are repeated because their bucket is in another region."""

import pytest

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.workers.relocation import Relocation


class Learning:
    """Records its arguments, and always returns the same result."""

    def __init__(self, helps=True):
        self.helps = helps
        self.calls = []

    def __call__(self, bucket, region):
        self.calls.append((bucket, region))
        return self.helps


def redirected(number, region="eu-west-1", bucket="bucket"):
    failure = Failure(Code.REJECTED, "", "PermanentRedirect", 301, region=region)
    return Job(number, "head", bucket), Outcome(number, None, failure)


def test_each_job_is_done_again_once():
    learn = Learning()
    relocation = Relocation(learn)
    again = [relocation.wants_again(*redirected(number)) for number in (1, 2, 1, 3, 2)]
    assert again == [True, True, False, True, False]
    assert learn.calls == [("bucket", "eu-west-1")] * 3


def test_one_head_bucket_gets_a_region_that_no_redirect_names():
    learn = Learning()
    relocation = Relocation(learn)
    assert [relocation.wants_again(*redirected(number, "")) for number in (1, 2, 1)] == [True, True, False]
    assert relocation.wants_again(*redirected(3, "", "other"))
    assert learn.calls == [("bucket", ""), ("other", "")]


def test_a_region_of_another_redirect_needs_no_head_bucket():
    learn = Learning()
    relocation = Relocation(learn)
    assert relocation.wants_again(*redirected(1))
    assert relocation.wants_again(*redirected(2, ""))
    assert learn.calls == [("bucket", "eu-west-1")]


@pytest.mark.parametrize("region", ["eu-west-1", ""])
def test_a_region_that_does_not_help_is_no_reason(region):
    relocation = Relocation(Learning(helps=False))
    assert [relocation.wants_again(*redirected(number, region)) for number in (1, 2)] == [False, False]


def test_other_failures_are_not_repeated():
    relocation = Relocation(lambda *_: 1 / 0)
    job, _ = redirected(1)
    assert not relocation.wants_again(job, Outcome(1, "response"))
    assert not relocation.wants_again(job, Outcome(1, None, Failure(Code.NOT_FOUND, "", "NoSuchKey", 404)))
