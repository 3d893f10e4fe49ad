"""The plans that list keys, and the pager that reads a listing for all of them."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from operator import eq, itemgetter
from typing import Any, NamedTuple, Optional, cast

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.plan import JobFailed, Plan
from metaflow_extensions.fasts3.plans.split_listing import Endless, Entry, Span, SplitListing
from metaflow_extensions.fasts3.plans.tally import Tally
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ListedObject, Page

WIDTH = 32  # maximum number of parallel page requests per listing
DIRECTORY_BUCKET = "--x-s3"  # suffix of S3 Express buckets, which list without order and start-after


class Listing(NamedTuple):
    """The keys with a prefix."""

    bucket: str
    prefix: str
    delimiter: str = ""  # "/": one level; deeper keys become common prefixes
    first_only: bool = False  # only to check whether any key exists
    details: bool = False  # with ETags and times: objects are `DetailedObject`s


class Pager:
    """Reads one listing: gives jobs, takes their outcomes, and returns the entries in the order of the listing.

    `width` is the maximum number of parallel page requests. `ahead` entries may wait for earlier ones; None: any
    number.
    """

    def __init__(self, listing: Listing, width: int = WIDTH, ahead: Optional[int] = None) -> None:
        if listing.delimiter or listing.first_only or listing.bucket.endswith(DIRECTORY_BUCKET):
            width = 1
        self._listing = listing
        self._split = SplitListing(listing.prefix, width, ahead)
        self._requested: dict[int, Span] = {}  # by job number
        self._begun = False
        self._first_arrived = False  # one entry was requested and has arrived
        self.count = 0  # entries returned

    @property
    def ended(self) -> bool:
        """Whether all pages have arrived."""
        return self._first_arrived or self._split.ended

    def jobs(self, numbers: Iterator[int]) -> list[Job]:
        """Return the jobs for the next pages; to be called at the start, after each outcome and after `take`."""
        if self._first_arrived:
            return []
        spans = self._split.spans_to_request() if self._begun else [self._split.first]
        self._begun = True
        return [self._job(next(numbers), span) for span in spans]

    def receive(self, job: Job, outcome: Outcome) -> None:
        """Take the outcome of a page; raise JobFailed also for a listing that repeats pages, or never ends."""
        span = self._requested.pop(job.number)
        if outcome.failure:
            raise JobFailed(job, outcome.failure)
        page = outcome.result
        entries = _detailed(page) if self._listing.details else _entries(page)
        try:
            self._split.receive(span, entries, page.next_token)
        except Endless as error:
            raise JobFailed(job, Failure(Code.MALFORMED, str(error))) from error
        self._first_arrived = self._listing.first_only

    def take(self) -> list[Entry]:
        """Return the entries that arrived and follow those returned before."""
        taken = self._split.take()
        self.count += len(taken)
        return taken

    def _job(self, number: int, span: Span) -> Job:
        self._requested[number] = span
        token, after = span.request
        arguments: dict[str, Any] = {"delimiter": self._listing.delimiter, "token": token}
        if after:
            arguments["after"] = after
        if self._listing.first_only:
            arguments["limit"] = 1
        if self._listing.details:
            arguments["details"] = True
        return Job(number, "list_page", self._listing.bucket, self._listing.prefix, arguments)


def _entries(page: Page) -> list[Entry]:
    objects = cast("Sequence[ListedObject]", page.objects)
    sizes = {**dict(objects), **dict.fromkeys(page.prefixes)}  # removes duplicates within a page
    names = sorted(sizes) if page.prefixes else sizes
    return list(map(Entry, names, map(sizes.__getitem__, names)))


def _detailed(page: Page) -> list[Entry]:
    entries = [*cast("Sequence[Entry]", page.objects), *(Entry(name, None) for name in page.prefixes)]
    rows = dict(zip(map(itemgetter(0), entries), entries))
    return [rows[name] for name in sorted(rows)] if page.prefixes else list(rows.values())


class Pagers:
    """Reads several listings in parallel for one plan, within which the job numbers are unique."""

    def __init__(self, listings: Sequence[Listing], numbers: Iterator[int], ahead: Optional[int] = None) -> None:
        self._pagers = [Pager(listing, ahead=ahead) for listing in listings]
        self._numbers = numbers
        self._of: dict[int, int] = {}  # job number -> index of its listing
        self._unfinished = len(listings)  # unfinished listings
        self.count = 0  # entries returned

    @property
    def ended(self) -> bool:
        """Whether all pages have arrived."""
        return not self._unfinished

    def start(self) -> Iterator[Job]:
        """Return the jobs for the first pages."""
        return itertools.chain.from_iterable(map(self.jobs, range(len(self._pagers))))

    def jobs(self, index: int) -> list[Job]:
        """Return the jobs for the next pages of a listing."""
        jobs = self._pagers[index].jobs(self._numbers)
        self._of.update((job.number, index) for job in jobs)
        return jobs

    def all_jobs(self) -> list[Job]:
        """Return the jobs for the next pages of all listings."""
        return [job for index, pager in enumerate(self._pagers) if not pager.ended for job in self.jobs(index)]

    def receive(self, job: Job, outcome: Outcome) -> tuple[int, list[Entry]]:
        """Take the outcome of a page; return its listing's index, and the entries that follow those returned before."""
        index = self._of.pop(job.number)
        pager = self._pagers[index]
        had_ended = pager.ended
        pager.receive(job, outcome)
        if pager.ended and not had_ended:
            self._unfinished -= 1
        entries = pager.take()
        self.count += len(entries)
        return index, entries


class Listings(Plan):
    """`Plan` that lists prefixes in parallel. `results` has the entries of each listing, sorted by key."""

    def __init__(self, listings: Sequence[Listing]) -> None:
        self._pagers = Pagers(listings, itertools.count())
        self._found: list[list[Entry]] = [[] for _ in listings]
        self._is_sorted = False
        self._tally = Tally("list", total_bytes=0)
        # Checks for any key are internal, and show no progress.
        self.tally = None if all(listing.first_only for listing in listings) else self._tally

    @property
    def results(self) -> list[list[Entry]]:
        if not self._is_sorted:
            # Some servers do not list in the order of UTF-8 bytes, as S3 does (for str, the order of code points).
            # Sorting a sorted list is cheap. A hostile server may repeat a key many pages later.
            for entries in self._found:
                entries.sort(key=itemgetter(0))
                if any(map(eq, entries, itertools.islice(entries, 1, None))):
                    entries[:] = dict.fromkeys(entries)
            self._is_sorted = True
        return self._found

    def start(self) -> Iterator[Job]:
        return self._pagers.start()

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        index, entries = self._pagers.receive(job, outcome)
        self._found[index] += entries
        self._tally.objects = self._pagers.count
        if self._pagers.ended:
            self._tally.total_objects = self._tally.objects
        return self._pagers.jobs(index)


class PagesOfListing(Plan):
    """`Plan` of the next pages of a listing, for callers that do not keep all of them.

    `entries` has their new entries; in key order if the server lists in that order.
    """

    def __init__(self, pager: Pager) -> None:
        self._pager = pager
        self.entries: list[Entry] = []

    def start(self) -> Iterator[Job]:
        return iter(self._pager.jobs(iter(range(2**63))))

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        self._pager.receive(job, outcome)
        self.entries += self._pager.take()
        return ()


def outermost(listings: "Iterable[Listing]") -> "list[Listing]":
    """Return the distinct listings that are not contained in another."""
    found: list[Listing] = []
    for one in sorted(set(listings)):
        if not (found and one.bucket == found[-1].bucket and one.prefix.startswith(found[-1].prefix)):
            found.append(one)
    return found


def common_prefix(keys: "Sequence[str]") -> str:
    """Return the longest text with which all keys begin."""
    first, last = min(keys), max(keys)
    length = next((at for at, (one, other) in enumerate(zip(first, last)) if one != other), len(first))
    return first[:length]
