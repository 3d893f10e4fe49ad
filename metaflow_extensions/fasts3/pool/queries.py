"""The plans that move no data: heads and listings."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Optional

from metaflow_extensions.fasts3.pool.messages import Job, Outcome
from metaflow_extensions.fasts3.pool.plan import JobFailed
from metaflow_extensions.fasts3.pool.refusals import is_hopeless
from metaflow_extensions.fasts3.pool.tally import Tally
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo, Page

MOST_IDLE = 1000  # pages; S3's may be empty, where much was deleted, but not without an end


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
        self.tally = Tally("info", len(wanted), 0)

    def start(self) -> Iterator[Job]:
        return (Job(index, "head", bucket, key) for index, (bucket, key) in enumerate(self._wanted))

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if not outcome.failure:
            self.results[job.number] = outcome.reply
        elif outcome.failure.code is Code.NOT_FOUND and self._missing_ok:
            self.unproven.add(job.bucket)
        else:
            raise JobFailed(job, outcome.failure)
        self.tally.objects += 1
        return ()

    def cleanup(self) -> list[Job]:
        return []


class Looks(Heads):
    """`Plan` that asks for headers where it may, and leaves it to what follows to find out why it gets none."""

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        try:
            return super().receive(job, outcome)
        except JobFailed as failed:
            if is_hopeless(job, failed.failure):
                raise
            self.tally.objects += 1
            return ()


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


def page_of(number: int, listing: Listing, token: Optional[str]) -> Job:
    """The job that fetches a page; the first one where there is no token yet."""
    arguments: dict[str, Any] = {"delimiter": listing.delimiter, "token": token}
    if listing.first_only:
        arguments["limit"] = 1
    return Job(number, "list_page", listing.bucket, listing.prefix, arguments)


def names_of(page: Page) -> dict[str, Optional[int]]:
    """What a page lists: the sizes of objects by their keys, then the common prefixes."""
    return {**dict(page.objects), **dict.fromkeys(page.prefixes)}


class Pages:
    """The pages of one listing as they come, without holding them all: a server can go round in circles.

    Keys that go backwards are no sign of that: some servers have another order, directory buckets have none.
    """

    def __init__(self) -> None:
        self._before: set[str] = set()  # names on the last page
        self._firsts: set[str] = set()  # the first name of each page
        self._tokens: set[str] = set()
        self._idle = 0  # pages in a row that brought nothing new

    def new(self, job: Job, page: Page, names: Collection[str]) -> list[str]:
        """Those names of a page that the page before has not told: some servers begin with what that one ended with.

        Parameters
        ----------
        job : Job
            What asked for the page.
        page : Page
        names : collection of str
            Those that count, each once, in the order of the page.

        Raises
        ------
        JobFailed
            The listing comes back to where it was, or goes on and on and tells nothing new.
        """
        new = [name for name in names if name not in self._before]
        if page.next_token is not None:
            self._idle = 0 if new else self._idle + 1
            again = page.next_token in self._tokens or (len(page.objects) > 1 and not new)
            if again or not self._firsts.isdisjoint(new):
                told = "the server repeats pages, so the listing would never end"
                raise JobFailed(job, Failure(Code.MALFORMED, told))
            if self._idle == MOST_IDLE:
                told = f"the listing goes on, but {MOST_IDLE} pages in a row held nothing new"
                raise JobFailed(job, Failure(Code.MALFORMED, told))
            self._tokens.add(page.next_token)
            self._firsts.update(new[:1])
        self._before = set(names)
        return new


class Listings:
    """`Plan` that lists prefixes, page after page each, side by side.

    Attributes
    ----------
    results : list of list of Entry
        One list for each listing, in the same order, each in the order of its keys.
    """

    def __init__(self, listings: Sequence[Listing]) -> None:
        self._listings = listings
        # By name: some servers tell at the beginning of a page what the one before ended with.
        self._objects: list[dict[str, int]] = [{} for _ in listings]
        self._prefixes: list[dict[str, None]] = [{} for _ in listings]
        self._sorted: Optional[list[list[Entry]]] = None
        self._pages = [Pages() for _ in listings]
        self._going_on = len(listings)
        self._tally = Tally("list", total_bytes=0)
        # Whether there is any key at all, users do not ask.
        self.tally = None if all(listing.first_only for listing in listings) else self._tally

    @property
    def results(self) -> list[list[Entry]]:
        # Pages come in key order, but objects and prefixes apart, and not every server's order is that of UTF-8 bytes
        # as S3's is (which for str is the order of code points). Sorting what is sorted costs next to nothing.
        if self._sorted is None:
            self._sorted = []
            for objects, prefixes in zip(self._objects, self._prefixes):
                entries = [*itertools.starmap(Entry, objects.items()), *itertools.starmap(Entry, prefixes.items())]
                objects.clear()  # a million keys are held once
                prefixes.clear()
                entries.sort(key=lambda entry: entry.key)
                self._sorted.append(entries)
        return self._sorted

    def start(self) -> Iterator[Job]:
        return (page_of(index, listing, None) for index, listing in enumerate(self._listings))

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if outcome.failure:
            raise JobFailed(job, outcome.failure)
        page = outcome.reply
        objects, prefixes = self._objects[job.number], self._prefixes[job.number]
        before = len(objects) + len(prefixes)
        objects.update(page.objects)
        prefixes.update(dict.fromkeys(page.prefixes))
        self._tally.objects += len(objects) + len(prefixes) - before
        if page.next_token is None or self._listings[job.number].first_only:
            self._going_on -= 1
            self._tally.total_objects = None if self._going_on else self._tally.objects
            return ()
        self._pages[job.number].new(job, page, names_of(page))
        return [page_of(job.number, self._listings[job.number], page.next_token)]

    def cleanup(self) -> list[Job]:
        return []


class PageOfListing:
    """`Plan` of one page, for who does not want to hold them all.

    Parameters
    ----------
    listing : Listing
    before : PageOfListing, optional
        The page before.

    Attributes
    ----------
    entries : list of Entry
        What the page before has not told, in key order.
    next : PageOfListing or None
        The page after it; None where this is the last one.
    """

    def __init__(self, listing: Listing, before: "Optional[PageOfListing]" = None) -> None:
        self._listing = listing
        self._token = before._after if before else None
        self._pages: Pages = before._pages if before else Pages()
        self._after: Optional[str] = None
        self.entries: list[Entry] = []
        self.next: Optional[PageOfListing] = None

    def start(self) -> Iterator[Job]:
        yield page_of(0, self._listing, self._token)

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if outcome.failure:
            raise JobFailed(job, outcome.failure)
        page = outcome.reply
        told = names_of(page)
        self._after = page.next_token
        self.entries = [Entry(name, told[name]) for name in sorted(self._pages.new(job, page, told))]
        if self._after is not None and not self._listing.first_only:
            self.next = PageOfListing(self._listing, self)
        return ()

    def cleanup(self) -> list[Job]:
        return []
