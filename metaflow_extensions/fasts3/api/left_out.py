"""What a call on many objects or files left out while it did the rest, and the one exception that names all of it."""

from collections.abc import Iterable, Mapping
from typing import Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import MOST_URL, MetaflowS3Exception, exception_of, reason_of, shown
from metaflow_extensions.fasts3.api.executor import Executor
from metaflow_extensions.fasts3.plans.refusals import Refusal

MOST_LINES = 10_000  # of a message; `failed` has all


class LeftOut:
    """Takes the reasons, one for each object or file.

    Parameters
    ----------
    executor : Executor
        Knows what has to be concealed.

    Attributes
    ----------
    reasons : dict of str to str
        By the URL of an object, or the path of a file.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._first: Optional[MetaflowException] = None
        self._kinds: set[type[MetaflowException]] = set()
        self.reasons: dict[str, str] = {}

    def note(self, name: str, error: MetaflowException) -> None:
        """Note one for which no request was sent."""
        self._add(name, error, str(error))

    def note_refusals(self, refusals: Mapping[str, Refusal], names: Optional[Mapping[str, str]] = None) -> None:
        """Note those of requests.

        Parameters
        ----------
        refusals : mapping of str to Refusal
            By URL.
        names : mapping of str to str, optional
            URL -> the name to use instead.
        """
        for url, (operation, refused) in refusals.items():
            asked, failure = self._executor.connected(), self._executor.concealed(refused)
            error = exception_of(operation, url, failure, asked.identity, asked.endpoint_url, proxy=asked.proxy)
            self._add(names[url] if names else url, error, reason_of(failure))

    def count_of(self, names: Iterable[str]) -> int:
        """How many of these are among what is left out."""
        return sum(name in self.reasons for name in names)

    def raise_if_any(self, count: int, done: str, noun: str = "objects", more: str = "") -> None:
        """Raise the exception, if anything was left out.

        Parameters
        ----------
        count : int
            How many were not left out.
        done : str
            What was done with these, as a participle.
        noun : str
        more : str, optional
            A sentence that follows the numbers.

        Raises
        ------
        MetaflowException
            For one, its own; for several, the class that fits all of them, else MetaflowS3Exception, with a line for
            each. The attribute `failed` has the reasons.
        """
        error = self._first
        if error is None:
            return
        if len(self.reasons) > 1:
            told = f"{len(self.reasons):,} of {count + len(self.reasons):,} {noun} were not {done}.{more}"
            lines = [f"{shown(name, MOST_URL)}: {reason}" for name, reason in self.reasons.items()]
            if len(lines) > MOST_LINES:
                lines[MOST_LINES:] = [f"and {len(lines) - MOST_LINES:,} more"]
            kind = next(iter(self._kinds)) if len(self._kinds) == 1 else MetaflowS3Exception
            error = kind("\n".join([f"{told} The first: {error}", *lines])).about(error)
        error.failed = self.reasons
        raise error

    def _add(self, name: str, error: MetaflowException, reason: str) -> None:
        self._first = self._first or error
        self._kinds.add(type(error))
        self.reasons.setdefault(name, reason)
