"""The plan that lists the versions of objects."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.plan import JobFailed, Plan
from metaflow_extensions.fasts3.plans.tally import Tally
from metaflow_extensions.fasts3.wire.transfers import ObjectVersion, VersionsPage


class VersionsOf(NamedTuple):
    """The object, or the objects below a prefix, whose versions are listed."""

    bucket: str
    key: str  # or a prefix, with a trailing slash or empty

    @property
    def is_prefix(self) -> bool:
        """Whether it is a prefix."""
        return not self.key or self.key.endswith("/")


class VersionListings(Plan):
    """`Plan` that lists the versions of objects, several in parallel.

    `results` has the versions for each item, in the same order: by key, the latest version first.
    """

    def __init__(self, wanted: Sequence[VersionsOf]) -> None:
        self._wanted = wanted
        self._numbers = itertools.count()
        self._indices: dict[int, int] = {}  # job number -> index in wanted
        self.results: list[list[ObjectVersion]] = [[] for _ in wanted]
        self.tally = Tally("list", total_bytes=0)

    def start(self) -> Iterator[Job]:
        return (self._job(index, None) for index in range(len(self._wanted)))

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if outcome.failure:
            raise JobFailed(job, outcome.failure)
        index, page = self._indices.pop(job.number), outcome.result
        wanted = self._wanted[index]
        found = page.versions if wanted.is_prefix else [one for one in page.versions if one.key == wanted.key]
        self.results[index] += found
        self.tally.objects += len(found)
        # S3 lists by key, so all versions of an object come before those of longer keys that begin with it.
        ended = page.after is None or (not wanted.is_prefix and any(one.key > wanted.key for one in page.versions))
        if not ended:
            return [self._job(index, page)]
        if not self._indices:
            self.tally.total_objects = self.tally.objects
        return ()

    def _job(self, index: int, before: Optional[VersionsPage]) -> Job:
        number = next(self._numbers)
        self._indices[number] = index
        arguments = {"after": before.after} if before else {}
        return Job(number, "list_versions", self._wanted[index].bucket, self._wanted[index].key, arguments)
