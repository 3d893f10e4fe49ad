"""The plans that list keys, and the pager that all of them read a listing with."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from operator import eq
from typing import Any, NamedTuple, Optional, cast

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.split_listing import Endless, Entry, Span, SplitListing
from metaflow_extensions.fasts3.plans.tally import Tally
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ListedObject, Page

WIDTH = 32  # pages of one listing that are asked for at a time, at the most
DIRECTORY_BUCKET = "--x-s3"  # how the names of S3 Express buckets end: they list in no order and have no start-after


class Listing(NamedTuple):
    """The keys that begin with a prefix."""

    bucket: str
    prefix: str
    delimiter: str = ""  # "/": one level only, deeper keys as common prefixes
    first_only: bool = False  # whether there is any such key is all that is asked
    details: bool = False  # ETags and times are wanted, too: entries of objects are `DetailedObject`s


class Pager:
    """Reads one listing: gives jobs, takes their outcomes, and hands out the entries in the order of the listing.

    Parameters
    ----------
    listing : Listing
    width : int
        Pages that are asked for at a time, at the most.
    ahead : int, optional
        Entries that may wait for those before them; None: any number.
    """

    def __init__(self, listing: Listing, width: int = WIDTH, ahead: Optional[int] = None) -> None:
        if listing.delimiter or listing.first_only or listing.bucket.endswith(DIRECTORY_BUCKET):
            width = 1
        self._listing = listing
        self._split = SplitListing(listing.prefix, width, ahead)
        self._asked: dict[int, Span] = {}  # by the number of the job
        self._begun = False
        self._whole = False  # one entry is all that was asked for, and it has come
        self.count = 0  # entries that have been handed out

    @property
    def ended(self) -> bool:
        """Whether all pages have come."""
        return self._whole or self._split.ended

    def jobs(self, numbers: Iterator[int]) -> list[Job]:
        """The pages to ask for now: at the beginning, after an outcome, and after something was taken."""
        if self._whole:
            return []
        spans = self._split.asked_now() if self._begun else [self._split.first]
        self._begun = True
        return [self._job(next(numbers), span) for span in spans]

    def receive(self, job: Job, outcome: Outcome) -> None:
        """Take what became of a page.

        Raises
        ------
        JobFailed
            Also where the listing comes back to where it was, or goes on and on and holds nothing new.
        """
        span = self._asked.pop(job.number)
        if outcome.failure:
            raise JobFailed(job, outcome.failure)
        page = outcome.reply
        entries = _detailed(page) if self._listing.details else _entries(page)
        try:
            self._split.receive(span, entries, page.next_token)
        except Endless as error:
            raise JobFailed(job, Failure(Code.MALFORMED, str(error))) from error
        self._whole = self._listing.first_only

    def take(self) -> list[Entry]:
        """The entries that follow those that were taken before, as far as they have come."""
        taken = self._split.take()
        self.count += len(taken)
        return taken

    def _job(self, number: int, span: Span) -> Job:
        self._asked[number] = span
        token, after = span.asked
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
    sizes = {**dict(objects), **dict.fromkeys(page.prefixes)}  # what a page says twice is one
    names = sorted(sizes) if page.prefixes else sizes
    return list(map(Entry, names, map(sizes.__getitem__, names)))


def _detailed(page: Page) -> list[Entry]:
    rows = {one.key: one for one in (*page.objects, *(Entry(name, None) for name in page.prefixes))}
    return [cast(Entry, rows[name]) for name in (sorted(rows) if page.prefixes else rows)]


def modified_of(entry: Entry) -> Optional[float]:
    """The time of an object, where its listing has been asked for details."""
    return getattr(entry, "modified", None)


class Pagers:
    """Reads several listings side by side, for one plan.

    Parameters
    ----------
    listings : sequence of Listing
    numbers : iterator of int
        Numbers for the jobs, unique within the plan.
    ahead : int, optional
        As for `Pager`.
    """

    def __init__(self, listings: Sequence[Listing], numbers: Iterator[int], ahead: Optional[int] = None) -> None:
        self._pagers = [Pager(listing, ahead=ahead) for listing in listings]
        self._numbers = numbers
        self._of: dict[int, int] = {}  # number of a job -> its listing's
        self._going_on = len(listings)
        self.count = 0  # entries that have been handed out

    @property
    def ended(self) -> bool:
        """Whether all pages have come."""
        return not self._going_on

    def start(self) -> Iterator[Job]:
        """The first pages."""
        return itertools.chain.from_iterable(map(self.jobs, range(len(self._pagers))))

    def jobs(self, index: int) -> list[Job]:
        """The pages of a listing to ask for now."""
        jobs = self._pagers[index].jobs(self._numbers)
        self._of.update((job.number, index) for job in jobs)
        return jobs

    def all_jobs(self) -> list[Job]:
        """The pages of all listings to ask for now."""
        return [job for index, pager in enumerate(self._pagers) if not pager.ended for job in self.jobs(index)]

    def receive(self, job: Job, outcome: Outcome) -> tuple[int, list[Entry]]:
        """Take what became of a page: the number of its listing, and the entries that follow those given before.

        Raises
        ------
        JobFailed
        """
        index = self._of.pop(job.number)
        pager = self._pagers[index]
        had_ended = pager.ended
        pager.receive(job, outcome)
        if pager.ended and not had_ended:
            self._going_on -= 1
        entries = pager.take()
        self.count += len(entries)
        return index, entries


class Listings:
    """`Plan` that lists prefixes side by side.

    Attributes
    ----------
    results : list of list of Entry
        One list for each listing, in the same order, each in the order of its keys.
    """

    def __init__(self, listings: Sequence[Listing]) -> None:
        self._pagers = Pagers(listings, itertools.count())
        self._found: list[list[Entry]] = [[] for _ in listings]
        self._is_sorted = False
        self._tally = Tally("list", total_bytes=0)
        # Whether there is any key at all, users do not ask.
        self.tally = None if all(listing.first_only for listing in listings) else self._tally

    @property
    def results(self) -> list[list[Entry]]:
        if not self._is_sorted:
            # Not every server's order is that of UTF-8 bytes, as S3's is, which for str is the order of code points.
            # Sorting what is sorted costs next to nothing. A hostile one says a key again many pages later.
            for entries in self._found:
                entries.sort(key=lambda entry: entry.key)
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

    def cleanup(self) -> list[Job]:
        return []


class PagesOfListing:
    """`Plan` of the next pages of a listing, for who does not want to hold them all.

    Parameters
    ----------
    pager : Pager

    Attributes
    ----------
    entries : list of Entry
        What the pages before have not told; in key order where the server lists so.
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

    def cleanup(self) -> list[Job]:
        return []


def outermost(listings: "Iterable[Listing]") -> "list[Listing]":
    """Those listings that are not part of another one, each once."""
    found: list[Listing] = []
    for one in sorted(set(listings)):
        if not (found and one.bucket == found[-1].bucket and one.prefix.startswith(found[-1].prefix)):
            found.append(one)
    return found
