"""The plans that move no data: heads and listings."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Optional

from metaflow_extensions.fasts3.pool.messages import Job, Outcome
from metaflow_extensions.fasts3.pool.plan import JobFailed
from metaflow_extensions.fasts3.wire.failures import Code
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo


class Heads:
    """`Plan` that asks for the headers of objects.

    Parameters
    ----------
    wanted : sequence of (bucket, key)
    missing_ok : bool
        Whether a key that is not there is a result, None, rather than a failure.

    Attributes
    ----------
    results : list of ObjectInfo or None
        One for each wanted, in the same order.
    unproven : set of str
        Buckets of which a bare 404 (a HEAD has no body) left open whether they exist.
    """

    def __init__(self, wanted: Sequence[tuple[str, str]], missing_ok: bool = False) -> None:
        self._wanted = wanted
        self._missing_ok = missing_ok
        self.results: list[Optional[ObjectInfo]] = [None] * len(wanted)
        self.unproven: set[str] = set()

    def start(self) -> Iterator[Job]:
        return (Job(index, "head", bucket, key) for index, (bucket, key) in enumerate(self._wanted))

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if not outcome.failure:
            self.results[job.number] = outcome.reply
        elif outcome.failure.code is Code.NOT_FOUND and self._missing_ok:
            self.unproven.add(job.bucket)
        else:
            raise JobFailed(job, outcome.failure)
        return ()

    def cleanup(self) -> list[Job]:
        return []


class Listing(NamedTuple):
    """The keys that begin with a prefix."""

    bucket: str
    prefix: str
    delimiter: str = ""  # "/": one level only, deeper keys as common prefixes
    first_only: bool = False  # whether there is any such key is all that is asked


class Entry(NamedTuple):
    """One line of a listing."""

    key: str
    size: Optional[int]  # None: a common prefix, not an object


class Listings:
    """`Plan` that lists prefixes, page after page each, side by side.

    Attributes
    ----------
    results : list of list of Entry
        One list for each listing, in the same order, each in the order of its keys.
    """

    def __init__(self, listings: Sequence[Listing]) -> None:
        self._listings = listings
        self._entries: list[list[Entry]] = [[] for _ in listings]

    @property
    def results(self) -> list[list[Entry]]:
        # Pages come in key order, but objects and prefixes apart, and not every server's order is that of UTF-8 bytes
        # as S3's is (which for str is the order of code points). Sorting what is sorted costs next to nothing.
        for entries in self._entries:
            entries.sort(key=lambda entry: entry.key)
        return self._entries

    def start(self) -> Iterator[Job]:
        return (self._page(index, None) for index in range(len(self._listings)))

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if outcome.failure:
            raise JobFailed(job, outcome.failure)
        page = outcome.reply
        entries = self._entries[job.number]
        entries.extend(Entry(key, size) for key, size in page.objects)
        entries.extend(Entry(prefix, None) for prefix in page.prefixes)
        if page.next_token is None or self._listings[job.number].first_only:
            return ()
        return [self._page(job.number, page.next_token)]

    def cleanup(self) -> list[Job]:
        return []

    def _page(self, index: int, token: Optional[str]) -> Job:
        listing = self._listings[index]
        arguments: dict[str, Any] = {"delimiter": listing.delimiter, "token": token}
        if listing.first_only:
            arguments["limit"] = 1
        return Job(index, "list_page", listing.bucket, listing.prefix, arguments)
