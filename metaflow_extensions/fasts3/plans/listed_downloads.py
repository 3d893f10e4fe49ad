"""The plan that downloads all that listings find, in parallel with the listings."""

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Callable, Optional

from metaflow_extensions.fasts3.plans.download import Download, Downloaded, Spill
from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.listings import Listing, Pagers, outermost
from metaflow_extensions.fasts3.plans.object_downloads import ObjectDownloads
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

FIRST_PAGE = 2**48  # job numbers of pages start here, above those of objects


class ListedDownloads(ObjectDownloads):
    """`Plan` that downloads all objects below prefixes.

    A page's objects are requested as soon as the page arrives. Pages take precedence over objects, so that listings
    never wait. A prefix inside another one is not listed again. `name` returns the local path for a key; None: in
    memory. `results` has one per object, in the order of discovery; None if unfinished.
    """

    def __init__(
        self,
        listings: Sequence[Listing],
        name: Callable[[str], Optional[str]],
        step: int = PART_SIZE,
        spill: Optional[Spill] = None,
    ) -> None:
        self._found: list[Download] = []
        self._local: list[Optional[str]] = []  # of started downloads
        super().__init__(self._found, self._local, False, step, spill)
        self._name = name
        self.results: list[Optional[Downloaded]] = []
        self._pagers = Pagers(outermost(listings), itertools.count(FIRST_PAGE))

    @property
    def objects(self) -> list[tuple[str, str]]:
        """Bucket and key of each object found."""
        return [(one.bucket, one.key) for one in self._found]

    def start(self) -> Iterator[Optional[Job]]:
        yield from self._pagers.start()
        while len(self._local) < len(self._found) or not self._pagers.ended:
            index = len(self._local)
            if index < len(self._found):
                self._local.append(self._name(self._found[index].key))
                yield self._first_job(index, self._local[index])
            else:
                yield None

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        if job.operation != "list_page":
            return super().receive(job, outcome)
        index, entries = self._pagers.receive(job, outcome)
        for key, size in entries:
            download = Download(job.bucket, key, size=size)
            self._found.append(download)
            self._expect(download)
        self.results.extend([None] * len(entries))
        if self._pagers.ended:
            self._expect_no_more(len(self._found))
        return self._pagers.jobs(index)

    def below(self, listings: Iterable[Listing]) -> "Iterator[list[tuple[Download, Downloaded]]]":
        """Yield each listing's objects, distinct and in key order; also for listings inside the original ones."""
        # Some servers list in another order than S3, and hostile ones repeat keys.
        names = {(one.bucket, one.key): index for index, one in enumerate(self._found)}
        ordered = sorted(names)
        for listing in listings:
            found: list[tuple[Download, Downloaded]] = []
            first = bisect_left(ordered, (listing.bucket, listing.prefix))
            for name in map(ordered.__getitem__, range(first, len(ordered))):
                if name[0] != listing.bucket or not name[1].startswith(listing.prefix):
                    break
                result = self.results[names[name]]
                assert result is not None  # noqa: S101  # for the type checker
                found.append((self._found[names[name]], result))
            yield found

    def _finish(self, index: int, result: Optional[Downloaded]) -> None:
        self.results[index] = result
