"""Failures of single objects, after which a plan continues with the others."""

from typing import NamedTuple

from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.wire.failures import TRANSIENT, Code, Failure

MOST_IN_A_ROW = 16  # consecutive objects that failed although their requests were retried

# Failures that all other requests would have, too.
_HOPELESS = frozenset(
    {
        Code.UNREACHABLE,
        Code.NO_BUCKET,
        Code.NO_CREDENTIALS,
        Code.EXPIRED,
        Code.SKEWED,
        Code.UNTRUSTED,
        Code.NOT_S3,
        Code.NO_DESCRIPTORS,
        Code.DISK_FULL,
        Code.DEFECT,
    }
)


def is_hopeless(job: Job, failure: Failure) -> bool:
    """Whether the other jobs of a plan would fail in the same way."""
    # Downloads are written to the client's own files: if the directory does not accept one, it accepts none.
    return failure.code in _HOPELESS or (failure.code is Code.LOCAL_FILE and job.operation == "get")


class Refusal(NamedTuple):
    """Why one object was not transferred or deleted."""

    operation: str  # a method of `Transfers`
    failure: Failure


class Refusals:
    """Collects the failures of a plan that continues after them; `by_url` has them in order of arrival."""

    def __init__(self) -> None:
        self.by_url: dict[str, Refusal] = {}
        self._in_a_row = 0

    def note_success(self) -> None:
        """Record that an object was transferred or deleted: occasional failures do not end the plan."""
        self._in_a_row = 0

    def note(self, job: Job, failure: Failure) -> None:
        """Record that a job's object failed; raise JobFailed if the others would fail, too."""
        self._in_a_row += failure.code in TRANSIENT
        if is_hopeless(job, failure) or self._in_a_row >= MOST_IN_A_ROW:
            raise JobFailed(job, failure)
        self.by_url[job.url] = Refusal(job.operation, failure)
