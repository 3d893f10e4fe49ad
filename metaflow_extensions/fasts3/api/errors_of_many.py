"""Exceptions of calls on many objects or files: one exception names all that failed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Callable, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import MOST_URL, MetaflowS3Exception, MetaflowS3NotFound, reason_of, shown
from metaflow_extensions.fasts3.api.executor import Executor
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.plans.heads import Heads, Wanted
from metaflow_extensions.fasts3.plans.refusals import Refusal

MOST_NAMED = 10  # missing objects; the others are counted
MOST_LINES = 10_000  # of a message; `failed` has all

Objects = Callable[[], Iterable[Wanted]]


@contextmanager
def naming_all(executor: Executor, objects: Objects, root: Optional[str]) -> Iterator[None]:
    """Replace a MetaflowS3NotFound for one object by one that names all missing objects.

    `objects` returns bucket, key and perhaps version id of all requested objects; it is called only if one is missing.
    `root` is that of the client; an empty key means it.
    """
    try:
        yield
    except MetaflowS3NotFound as error:
        if error.s3_code == "NoSuchBucket":
            raise
        wanted = list(dict.fromkeys(objects()))
        raise _naming(error, _missing(executor, wanted) or [error.url], len(wanted), root) from error.__cause__


def _missing(executor: Executor, objects: Sequence[Wanted]) -> list[str]:
    """URLs of the missing objects, by a request for each object; empty if a request fails."""
    if len(objects) == 1:
        return []
    plan = Heads(objects, missing_ok=True)
    try:
        executor.run(plan, Place.WORKERS, with_progress=False)
        executor.check_buckets(plan.unverified_buckets)
    except MetaflowS3NotFound:
        raise  # of the bucket
    except MetaflowException:
        return []
    return [f"s3://{one[0]}/{one[1]}" for one, info in zip(objects, plan.results) if info is None]


def _naming(error: MetaflowS3NotFound, missing: list[str], count: int, root: Optional[str]) -> MetaflowS3NotFound:
    sentences = [str(error)]
    if len(missing) > 1:
        named = ", ".join(shown(url, MOST_URL) for url in missing[:MOST_NAMED])
        more = f" and {len(missing) - MOST_NAMED:,} more" if len(missing) > MOST_NAMED else ""
        sentences.insert(0, f"{len(missing):,} of {count:,} objects do not exist: {named}{more}.")
    if root in missing:
        sentences.insert(
            0,
            "The key is empty, which means the root of this client itself. Give a key; get_all() and list_recursive() "
            "return the objects under the root.",
        )
    return type(error)(" ".join(sentences)).about(error)


class LeftOut:
    """The objects or files that a call skipped while it processed the others.

    `reasons` has the reason for each, by the URL of an object or the path of a file. `note_refusals` needs an executor,
    which removes secrets from messages.
    """

    def __init__(self, executor: Optional[Executor] = None) -> None:
        self._executor = executor
        self._first: Optional[MetaflowException] = None
        self._kinds: set[type[MetaflowException]] = set()
        self.reasons: dict[str, str] = {}

    def note(self, name: str, error: MetaflowException) -> None:
        """Record an object or file for which no request was sent."""
        self._add(name, error, str(error))

    def note_refusals(self, refusals: Mapping[str, Refusal], names: Optional[Mapping[str, str]] = None) -> None:
        """Record failed requests, by URL; `names` maps URLs to the names to use instead."""
        executor = self._executor
        assert executor is not None  # noqa: S101  # for the type checker
        for url, (operation, refused) in refusals.items():
            error = executor.exception_of(operation, url, refused)
            self._add(names[url] if names else url, error, reason_of(executor.concealed(refused)))

    def note_all(self, error: MetaflowException) -> None:
        """Record the failures of another call, which raised this exception."""
        for name, reason in error.failed.items():
            self._add(name, error.first or error, reason)

    def count_of(self, names: Iterable[str]) -> int:
        """How many of these were skipped."""
        return sum(name in self.reasons for name in names) if self.reasons else 0

    def raise_if_any(self, count: int, done: str, noun: str = "objects", more: str = "", result: Any = None) -> None:
        """Raise an exception if anything was skipped.

        For one failure, that is its own exception. For several, it is one of their common class, otherwise a
        MetaflowS3Exception, with a line for each. `count` is how many were not skipped, `done` the operation as a
        participle, e.g. 'downloaded'. `more` is a sentence that follows the numbers, `result` what the call would have
        returned.
        """
        error = self._first
        if error is None:
            return
        if len(self.reasons) > 1:
            summary = f"{len(self.reasons):,} of {count + len(self.reasons):,} {noun} were not {done}.{more}"
            lines = [f"{shown(name, MOST_URL)}: {reason}" for name, reason in self.reasons.items()]
            if len(lines) > MOST_LINES:
                lines[MOST_LINES:] = [f"and {len(lines) - MOST_LINES:,} more"]
            kind = next(iter(self._kinds)) if len(self._kinds) == 1 else MetaflowS3Exception
            error = kind("\n".join([f"{summary} The first: {error}", *lines])).about(error)
            error.first = self._first
        error.failed, error.result = self.reasons, result
        raise error

    def _add(self, name: str, error: MetaflowException, reason: str) -> None:
        self._first = self._first or error
        self._kinds.add(type(error))
        self.reasons.setdefault(name, reason)
