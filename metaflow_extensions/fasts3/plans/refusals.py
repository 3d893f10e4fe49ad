"""Failures of single objects or files, after which a plan of many goes on with the others."""

from typing import NamedTuple

from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.wire.failures import TRANSIENT, Code, Failure

MOST_IN_A_ROW = 16  # objects that failed although S3 was asked again and again, and none succeeded in between

# With these of one request, no other would fare better.
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
    """Whether the other jobs of a plan would fail as this one did."""
    # Downloads are written to files of our own: a directory that takes none of them takes no other.
    return failure.code in _HOPELESS or (failure.code is Code.LOCAL_FILE and job.operation == "get")


class Refusal(NamedTuple):
    """Why one object was not moved or deleted."""

    operation: str  # a method of `Transfers`
    failure: Failure


class Refusals:
    """Takes the failures of a plan that goes on after them.

    Attributes
    ----------
    by_url : dict of str to Refusal
        In the order in which they came.
    """

    def __init__(self) -> None:
        self.by_url: dict[str, Refusal] = {}
        self._in_a_row = 0

    def note_success(self) -> None:
        """An object was moved or deleted: what fails now and then is no reason to give up."""
        self._in_a_row = 0

    def note(self, job: Job, failure: Failure) -> None:
        """Note that the object of a job failed.

        Raises
        ------
        JobFailed
            The others would fail as well.
        """
        self._in_a_row += failure.code in TRANSIENT
        if is_hopeless(job, failure) or self._in_a_row >= MOST_IN_A_ROW:
            raise JobFailed(job, failure)
        self.by_url[job.url] = Refusal(job.operation, failure)
