"""The plans that move no data: heads and listings."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Optional

from metaflow_extensions.fasts3.pool.messages import Job, Outcome
from metaflow_extensions.fasts3.pool.plan import JobFailed
from metaflow_extensions.fasts3.pool.refusals import is_hopeless
from metaflow_extensions.fasts3.pool.tally import Tally
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo

MOST_IDLE = 1000  # pages; S3's may be empty, where much was deleted, but a server can go round in circles


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


class Idle:
    """Pages in a row of one listing that brought nothing new."""

    def __init__(self) -> None:
        self._pages = 0

    def note(self, job: Job, new: bool) -> None:
        """Take one more page that is not the last; raise JobFailed where there were too many that brought nothing."""
        self._pages = 0 if new else self._pages + 1
        if self._pages == MOST_IDLE:
            told = f"the listing goes on, but {MOST_IDLE} pages in a row held nothing new"
            raise JobFailed(job, Failure(Code.BROKEN, told))


class Pages:
    """The pages of one listing as they come, without holding them all."""

    def __init__(self) -> None:
        self._before: set[str] = set()  # names on the last page
        self._seen: set[int] = set()  # hashes of pages: a server can go round in circles
        self._idle = Idle()

    def new(self, job: Job, names: Collection[str], goes_on: bool) -> list[str]:
        """Those names of a page that the page before has not told: some servers begin with what that one ended with.

        Raises
        ------
        JobFailed
            The listing goes on and on and tells nothing new.
        """
        new = [name for name in names if name not in self._before]
        self._before = set(names)
        if goes_on:
            mark = hash(tuple(names))
            self._idle.note(job, bool(new) and mark not in self._seen)
            self._seen.add(mark)
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
        self._idle = [Idle() for _ in listings]
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
        new = len(objects) + len(prefixes) - before
        self._tally.objects += new
        if page.next_token is None or self._listings[job.number].first_only:
            self._going_on -= 1
            self._tally.total_objects = None if self._going_on else self._tally.objects
            return ()
        self._idle[job.number].note(job, new > 0)
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
        told = {**dict(page.objects), **dict.fromkeys(page.prefixes)}
        self._after = page.next_token
        goes_on = self._after is not None and not self._listing.first_only
        self.entries = [Entry(name, told[name]) for name in sorted(self._pages.new(job, told, goes_on))]
        if goes_on:
            self.next = PageOfListing(self._listing, self)
        return ()

    def cleanup(self) -> list[Job]:
        return []
