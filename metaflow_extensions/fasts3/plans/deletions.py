"""The plans that delete objects: those that are named, and all that a listing finds.

Many go in one request. What such a request does not delete is tried again alone, with all the patience and all the
detail that a request of its own has; what fails then is noted, and the rest is done.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.listings import Listing, Pagers
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.refusals import Refusal, Refusals
from metaflow_extensions.fasts3.plans.tally import Tally
from metaflow_extensions.fasts3.wire.deletion import LACKING, MOST_KEYS, goes_with_others
from metaflow_extensions.fasts3.wire.failures import Code, Failure

AHEAD = 16 * MOST_KEYS  # keys that a listing may have found and nobody has deleted yet
MOST_FAILED = 10_000  # keys, of a listing that may have millions; then it is not gone on with


class Deletions:
    """`Plan` that deletes objects.

    Parameters
    ----------
    wanted : iterable of (bucket, key)
        Each once.
    step : int
        Keys of one request, at the most.

    Attributes
    ----------
    apart : int
        Keys that have a request of their own from the beginning.
    deleted : int
        Objects, also those that were not there.
    failures : dict of str to Refusal
        What was not deleted, by its URL.
    """

    def __init__(self, wanted: "Iterable[tuple[str, str]]", step: int = MOST_KEYS) -> None:
        self._together: dict[str, list[str]] = {}
        self._apart: dict[str, list[str]] = {}
        for bucket, key in wanted:
            (self._together if goes_with_others(key) else self._apart).setdefault(bucket, []).append(key)
        self.apart = sum(map(len, self._apart.values()))
        self.tally = Tally("delete", sum(map(len, self._together.values())) + self.apart, 0)
        self._step = step
        self._numbers = itertools.count()
        self._one_by_one: set[str] = set()  # buckets of servers without DeleteObjects
        # Number of a job -> keys of the same bucket, with what was said of them, that wait for what becomes of it.
        self._behind: dict[int, dict[str, Failure]] = {}
        self._refusals = Refusals()
        self.deleted = 0
        self.failures: dict[str, Refusal] = self._refusals.by_url

    def start(self) -> Iterator[Job]:
        for bucket, keys in self._together.items():
            yield from self._batches(bucket, keys)
        for bucket, keys in self._apart.items():
            yield from self._each(bucket, keys)

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        follows = self._after_many(job, outcome) if job.operation == "delete_objects" else self._after_one(job, outcome)
        self.tally.objects = self.deleted + len(self.failures)
        return follows

    def cleanup(self) -> list[Job]:
        return []

    def _batches(self, bucket: str, keys: "list[str]") -> Iterator[Job]:
        """What deletes keys together. Made as it is taken: it may be known by then that they go one by one."""
        for first in range(0, len(keys), self._step):
            batch = keys[first : first + self._step]
            if len(batch) == 1 or bucket in self._one_by_one:
                yield from self._each(bucket, batch)
            else:
                yield self._many(bucket, batch)

    def _each(self, bucket: str, keys: "Iterable[str]") -> Iterator[Job]:
        return (self._alone(bucket, key) for key in keys)

    def _many(self, bucket: str, keys: "list[str]") -> Job:
        lowest, highest = min(keys), max(keys)
        alike = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(lowest, highest)))
        return Job(next(self._numbers), "delete_objects", bucket, lowest[:alike], {"keys": keys})

    def _alone(self, bucket: str, key: str) -> Job:
        return Job(next(self._numbers), "delete", bucket, key)

    def _after_many(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        keys, failure = job.arguments["keys"], outcome.failure
        if failure is not None:
            # Else it says nothing of a request for one: the server does not know DeleteObjects (501, 405), takes none
            # of our checksums with it, or can't read the document.
            if failure.code not in LACKING:
                raise JobFailed(job, failure)
            if failure.s3_code != "MalformedXML":  # that may be the fault of one key among these
                self._one_by_one.add(job.bucket)
            return self._first_of(job.bucket, dict.fromkeys(keys, failure))
        refused = {key: outcome.reply[key] for key in keys if key in outcome.reply}
        self.deleted += len(keys) - len(refused)
        if len(refused) < len(keys):
            self._refusals.note_success()
        denied: dict[str, Failure] = {}
        for key, told in refused.items():
            code, _, message = told.partition(": ")
            if code == "AccessDenied":
                denied[key] = Failure(Code.ACCESS_DENIED, message, code, 403)
        others = self._each(job.bucket, [key for key in refused if key not in denied])
        return [*others, *self._first_of(job.bucket, denied)]

    def _first_of(self, bucket: str, told: "dict[str, Failure]") -> "list[Job]":
        """Try the first of several keys again, and the others only if that ends otherwise than for all of them here.

        Who may not delete is told so of each of millions; one request says the rest, with an id to ask support about.
        """
        if not told:
            return []
        first, *others = told
        job = self._alone(bucket, first)
        if others:
            self._behind[job.number] = {key: told[key] for key in others}
        return [job]

    def _after_one(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        failure = outcome.failure
        behind = self._behind.pop(job.number, {})
        # AWS answers 204 where there is nothing; not everybody does.
        if failure is None or failure.s3_code == "NoSuchKey":
            self.deleted += 1
            self._refusals.note_success()
        else:
            self._refusals.note(job, failure)
            if behind and next(iter(behind.values())).code is failure.code:
                for key, told in behind.items():
                    self.failures[job._replace(key=key).url] = Refusal("delete_objects", told)
                return ()
        return self._each(job.bucket, behind)


class ListedDeletions(Deletions):
    """`Plan` that deletes all that listings find, page by page while they go on.

    It holds the keys of a few pages at a time, however many there are.

    Parameters
    ----------
    listings : sequence of Listing
        None inside another, see `outermost`.

    Attributes
    ----------
    gave_up : bool
        Whether so much failed that the rest was not even listed.
    """

    def __init__(self, listings: Sequence[Listing]) -> None:
        super().__init__(())
        self.tally.total_objects = None  # who lists does not know it before the end
        self._pagers = Pagers(listings, self._numbers, AHEAD)
        self.gave_up = False

    def start(self) -> Iterator[Job]:
        return self._pagers.start()

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        follows = self._after_page(job, outcome) if job.operation == "list_page" else super().receive(job, outcome)
        found, ended = self._pagers.count, self._pagers.ended
        if len(self.failures) >= MOST_FAILED and not ended:
            self.gave_up = True
        if ended or self.gave_up:
            self.tally.total_objects = found
        pages: list[Job] = []
        if not self.gave_up and found - self.deleted - len(self.failures) < AHEAD:
            pages = self._pagers.all_jobs()
        return itertools.chain(pages, follows)

    def _after_page(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        _, entries = self._pagers.receive(job, outcome)
        keys = [entry.key for entry in entries]
        together = [key for key in keys if goes_with_others(key)]
        apart = [key for key in keys if not goes_with_others(key)] if len(together) < len(keys) else []
        return itertools.chain(self._batches(job.bucket, together), self._each(job.bucket, apart))
