"""The plans that delete objects: given ones, and all that a listing finds.

One request deletes many objects. Those that it does not delete are retried alone, with all retries and the full error
message of a single request. Their failures are recorded, and the other deletions continue. An object with an ETag is
deleted only if it still has it, where the server compares ETags. If that fails, a HEAD shows whether the object was
replaced or is gone: an earlier attempt, whose response was lost, may have deleted it.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, Optional, Union

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.listings import Listing, Pagers, common_prefix
from metaflow_extensions.fasts3.plans.plan import JobFailed, Plan
from metaflow_extensions.fasts3.plans.refusals import Refusal, Refusals
from metaflow_extensions.fasts3.plans.tally import Tally
from metaflow_extensions.fasts3.wire.deletion import LACKING, MOST_KEYS, goes_with_others
from metaflow_extensions.fasts3.wire.failures import Code, Failure

AHEAD = 16 * MOST_KEYS  # listed keys that may wait for their deletion
MOST_FAILED = 10_000  # keys; then a listing, which may have millions, is abandoned
# Bucket and key, and perhaps the ETag that the object must have.
ToDelete = Union[tuple[str, str], tuple[str, str, Optional[str]]]
CHANGED = Failure(
    Code.STALE,
    "the object has been replaced since it was read or listed, and was not deleted",
    "PreconditionFailed",
    remedy="Delete it by its key if it should go nevertheless.",
)
_ABOUT_CONDITIONS = frozenset({Code.PRECONDITION, Code.NOT_IMPLEMENTED})


class Deletions(Plan):
    """`Plan` that deletes distinct objects, each with the ETag that it must have, or None for any object with the key.

    `deleted` counts objects, including those that did not exist. `failures` are those of single objects, by URL.
    `apart` is the number of keys that have their own requests from the start.
    """

    def __init__(self, wanted: "Iterable[ToDelete]", step: int = MOST_KEYS) -> None:
        self._together: dict[str, list[str]] = {}
        self._apart: dict[str, list[str]] = {}
        self._etags: dict[tuple[str, str], str] = {}
        for bucket, key, *etag in wanted:
            (self._together if goes_with_others(key) else self._apart).setdefault(bucket, []).append(key)
            if etag and etag[0]:
                self._etags[bucket, key] = etag[0]
        self.apart = sum(map(len, self._apart.values()))
        self.tally = Tally("delete", sum(map(len, self._together.values())) + self.apart, 0)
        self._step = step
        self._numbers = itertools.count()
        self._one_by_one: set[str] = set()  # buckets of servers without DeleteObjects
        self._unconditional: set[str] = set()  # buckets of servers that refuse If-Match for DeleteObject
        # Job number -> keys of the same bucket that wait for its outcome, with their failures.
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
        after: dict[str, Callable[[Job, Outcome], Iterable[Job]]] = {
            "delete_objects": self._after_many,
            "delete": self._after_one,
            "head": self._after_look,
        }
        follows = after[job.operation](job, outcome)
        self.tally.objects = self.deleted + len(self.failures)
        return follows

    def _batches(self, bucket: str, keys: "list[str]") -> Iterator[Job]:
        """Yield jobs that delete keys together. Lazy, because the bucket may need single requests by then."""
        for first in range(0, len(keys), self._step):
            batch = keys[first : first + self._step]
            if len(batch) == 1 or bucket in self._one_by_one:
                yield from self._each(bucket, batch)
            else:
                yield self._many(bucket, batch)

    def _each(self, bucket: str, keys: "Iterable[str]") -> Iterator[Job]:
        return (self._alone(bucket, key) for key in keys)

    def _many(self, bucket: str, keys: "list[str]") -> Job:
        arguments: dict[str, Any] = {"keys": keys}
        if self._etags and bucket not in self._unconditional:
            arguments["etags"] = [self._etags.get((bucket, key), "") for key in keys]
        return Job(next(self._numbers), "delete_objects", bucket, common_prefix(keys), arguments)

    def _alone(self, bucket: str, key: str) -> Job:
        etag = None if bucket in self._unconditional else self._etags.get((bucket, key))
        return Job(next(self._numbers), "delete", bucket, key, {"if_match": etag} if etag else {})

    def _after_many(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        keys, failure = job.arguments["keys"], outcome.failure
        if failure is not None:
            # These codes may not apply to single requests: the server lacks DeleteObjects (501, 405), accepts none of
            # our checksums with it, or can't read the document.
            if failure.code not in LACKING:
                raise JobFailed(job, failure)
            if failure.s3_code != "MalformedXML":  # one of the keys may be the cause
                self._one_by_one.add(job.bucket)
            return self._first_of(job.bucket, dict.fromkeys(keys, failure))
        refused = {key: outcome.result[key] for key in keys if key in outcome.result}
        self.deleted += len(keys) - len(refused)
        if len(refused) < len(keys):
            self._refusals.note_success()
        denied: dict[str, Failure] = {}
        for key, error in refused.items():
            code, _, message = error.partition(": ")
            if code == "AccessDenied":
                denied[key] = Failure(Code.ACCESS_DENIED, message, code, 403)
        others = self._each(job.bucket, [key for key in refused if key not in denied])
        return [*others, *self._first_of(job.bucket, denied)]

    def _first_of(self, bucket: str, failures: "dict[str, Failure]") -> "list[Job]":
        """Retry the first of several keys, and the others only if its result differs from their failures.

        Without permission to delete, millions of keys fail alike; one request returns the details, and a request id.
        """
        if not failures:
            return []
        first, *others = failures
        job = self._alone(bucket, first)
        if others:
            self._behind[job.number] = {key: failures[key] for key in others}
        return [job]

    def _after_one(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        failure = outcome.failure
        behind = self._behind.pop(job.number, {})
        if failure and "if_match" in job.arguments and failure.code in _ABOUT_CONDITIONS:
            return [self._without_condition(job, failure), *self._each(job.bucket, behind)]
        # AWS responds 204 for missing objects; some servers do not.
        if failure is None or failure.s3_code == "NoSuchKey":
            self.deleted += 1
            self._refusals.note_success()
        else:
            self._refusals.note(job, failure)
            first = next(iter(behind.values()), None)
            if first and (first.code, first.s3_code) == (failure.code, failure.s3_code):
                for key, refusal in behind.items():
                    self.failures[job._replace(key=key).url] = Refusal("delete_objects", refusal)
                return ()
        return self._each(job.bucket, behind)

    def _without_condition(self, job: Job, failure: Failure) -> Job:
        """Return the job after a failed condition: a HEAD, or for a server without conditions a deletion without it."""
        if failure.code is Code.PRECONDITION:
            return Job(next(self._numbers), "head", job.bucket, job.key)
        self._unconditional.add(job.bucket)
        return self._alone(job.bucket, job.key)

    def _after_look(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if outcome.failure is None:
            self._refusals.note(job._replace(operation="delete"), CHANGED)
        elif outcome.failure.code is Code.NOT_FOUND:
            self.deleted += 1
            self._refusals.note_success()
        else:  # not known: replaced, or deleted by an earlier attempt
            self._refusals.note(job, outcome.failure)
        return ()


class ListedDeletions(Deletions):
    """`Plan` that deletes all that listings find, in parallel with the listings; none is contained in another.

    It holds the keys of a few pages at a time, whatever their total number. `gave_up` says whether the listing was
    abandoned because of too many failures.
    """

    def __init__(self, listings: Sequence[Listing]) -> None:
        super().__init__(())
        self.tally.total_objects = None  # unknown until the listings end
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
