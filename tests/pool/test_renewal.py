"""Which jobs are done once more because credentials had expired."""

from metaflow_extensions.fasts3.pool.messages import Job, Outcome
from metaflow_extensions.fasts3.pool.renewal import Renewal
from metaflow_extensions.fasts3.wire.failures import Code, Failure


def refused(number, code=Code.EXPIRED):
    return Job(number, "head", "bucket"), Outcome(number, None, Failure(code))


def test_each_job_is_done_again_once():
    renewed = []
    renewal = Renewal(lambda: renewed.append(1))
    assert renewal.wants_again(*refused(1))
    assert renewal.wants_again(*refused(2))
    assert not renewal.wants_again(*refused(1))
    assert len(renewed) == 2  # whoever renews sees to it that what is new is not fetched again


def test_nothing_else_is_done_again():
    renewal = Renewal(lambda: 1 / 0)
    assert not renewal.wants_again(*refused(1, Code.ACCESS_DENIED))
    assert not renewal.wants_again(Job(1, "head", "bucket"), Outcome(1, "reply"))
