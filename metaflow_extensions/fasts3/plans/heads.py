"""The plans that request the headers of objects."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Optional, Union

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome, of_version
from metaflow_extensions.fasts3.plans.plan import JobFailed, Plan
from metaflow_extensions.fasts3.plans.refusals import is_hopeless
from metaflow_extensions.fasts3.plans.tally import Tally
from metaflow_extensions.fasts3.wire.failures import Code
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo

# Bucket and key, and perhaps the id of a version.
Wanted = Union[tuple[str, str], tuple[str, str, Optional[str]]]


class Heads(Plan):
    """`Plan` that requests the headers of objects, or of versions of them.

    `results` has one per object, in the same order. With `missing_ok`, it is None for a missing key, which fails
    otherwise. `unverified_buckets` may not exist: the 404 of a HEAD has no error code.
    """

    def __init__(self, wanted: "Sequence[Wanted]", missing_ok: bool = False) -> None:
        self._wanted = wanted
        self._missing_ok = missing_ok
        self.results: list[Optional[ObjectInfo]] = [None] * len(wanted)
        self.unverified_buckets: set[str] = set()
        self.tally = Tally("info", len(wanted), 0)

    def start(self) -> Iterator[Job]:
        return (
            Job(index, "head", bucket, key, of_version(*version) if version else {})
            for index, (bucket, key, *version) in enumerate(self._wanted)
        )

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if not outcome.failure:
            self.results[job.number] = outcome.result
        elif outcome.failure.code is Code.NOT_FOUND and self._missing_ok:
            self.unverified_buckets.add(job.bucket)
        else:
            raise JobFailed(job, outcome.failure)
        self.tally.objects += 1
        return ()


class TolerantHeads(Heads):
    """`Plan` that requests headers and ignores most failures, because later requests report the problem."""

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        try:
            return super().receive(job, outcome)
        except JobFailed as failed:
            if is_hopeless(job, failed.failure):
                raise
            self.tally.objects += 1
            return ()
