"""Reads one long listing at several places in parallel: decides which pages to request, and sorts their entries. Pure.

A listing begins as one span of keys, read page after page. If it is long, the span with most keys left is split at a
key that need not exist (`start-after`), as long as more requests may run. So requests go where the keys are.

The server's order is verified. Keys must ascend, and each span is read until it meets a key of the next one, which must
have read that key, too. Then all spans together are one listing without gaps. If a server sorts in another order or
does not support `start-after`, the first incomplete span continues alone to the end of the listing, and all later spans
are dropped: the entries returned until then are the beginning of that server's listing, in its own order.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter, lt
from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.plans.key_space import KeySpace

ALONE = 10  # pages that are always read sequentially, so that a short listing needs no extra requests
PAGES_FOR_A_REQUEST = 2  # pages that must have arrived for each additional parallel request
WORTH_IT = 2000.0  # estimated keys left in a span, for it to be split
SAMPLES = 16  # keys of a page from which the pattern of keys is learned
_KEY = itemgetter(0)  # of an entry; faster than its attribute for a whole page
MOST_IDLE = 1000  # pages; S3 may send empty pages after many deletions, but not endlessly


class Endless(Exception):
    """The listing repeats pages, or goes on without new entries."""


class Entry(NamedTuple):
    """One line of a listing; with details, a `DetailedObject` replaces it."""

    key: str
    size: Optional[int]  # None: a common prefix, not an object


class PageRequest(NamedTuple):
    """The request for a page."""

    token: Optional[str] = None  # continuation-token
    after: str = ""  # start-after, for the first page of a span


class Border(NamedTuple):
    """Where a span met the next one."""

    key: str  # the first key that belongs to the next span
    request: PageRequest  # the request of the page that has it
    before: Sequence[Entry]  # the page's entries before it


class RepetitionCheck:
    """Checks that consecutive pages of a server do not repeat.

    Descending keys do not count: some servers have another order, directory buckets have none. `before` are entries of
    the first page that were read before.
    """

    def __init__(self, before: Sequence[Entry] = ()) -> None:
        self._before = set(map(_KEY, before))  # names on the last page
        self._firsts: set[str] = set()  # first new name of each page
        self._tokens: set[str] = set()
        self._idle = 0  # consecutive pages without new entries

    def new(self, rows: "list[Entry]", next_token: Optional[str]) -> "list[Entry]":
        """Return the entries that the previous page did not have: some servers repeat its last ones. Raise Endless."""
        new = rows if self._before.isdisjoint(map(_KEY, rows)) else [row for row in rows if row.key not in self._before]
        if next_token is not None:
            self._idle = 0 if new else self._idle + 1
            objects = sum(row.size is not None for row in rows) if not new else 0
            if next_token in self._tokens or objects > 1 or (new and new[0].key in self._firsts):
                raise Endless("the server repeats pages of the listing")
            if self._idle == MOST_IDLE:
                raise Endless(f"{MOST_IDLE} consecutive pages of the listing have no new keys")
            self._tokens.add(next_token)
            self._firsts.update(row.key for row in new[:1])
        self._before = set(map(_KEY, rows))
        return new


class Span:
    """The keys after `low`, up to and including `high`. `request` is the request for the next page."""

    def __init__(
        self,
        low: str = "",
        high: Optional[str] = None,
        request: PageRequest = PageRequest(),
        density: float = 0.0,
        repetition: Optional[RepetitionCheck] = None,
    ) -> None:
        self.low = self.last = self.begin = low  # the first and last keys that were read, if any
        self.high = high  # None: the end of the listing
        self.request = request
        self.density = density  # keys per number of the `KeySpace`: an estimate, until there are pages
        self.repetition = repetition or RepetitionCheck()
        self.border: Optional[Border] = None  # as the previous span met it; None: not yet, or it was found here too
        self.found: list[Entry] = []  # entries not yet taken
        self.count = 0  # keys read
        self.met = False  # it met the next span
        self.complete = False
        self.dropped = False  # its pages are ignored


class SplitListing:
    """The pages of one prefix.

    `width` is the maximum number of parallel requests; with 1, pages are read sequentially. `ahead` keys may wait for
    earlier ones; None: any number.
    """

    def __init__(self, prefix: str, width: int, ahead: Optional[int] = None) -> None:
        self._space = KeySpace(prefix)
        self._width = width
        self._ahead = ahead
        self._sequential = width == 1  # it is not split, or no longer
        self._pages = 0
        self._under_way = 1
        self._spans = [Span()]  # in key order; the first is never complete
        self._waiting: list[Span] = []  # with a page to request
        self._ready: list[Entry] = []

    @property
    def first(self) -> Span:
        """The first span."""
        return self._spans[0]

    @property
    def ended(self) -> bool:
        """Whether all pages were read."""
        return not self._spans

    def take(self) -> "list[Entry]":
        """Return the next entries of the listing."""
        if self._spans and self._spans[0].border is None:
            self._ready += self._spans[0].found
            self._spans[0].found = []
        ready, self._ready = self._ready, []
        return ready

    def receive(self, span: Span, rows: "list[Entry]", next_token: Optional[str]) -> None:
        """Take a page of a span and its continuation token; raises Endless."""
        self._under_way -= 1
        if not span.dropped:
            self._pages += 1
            if not (self._sequential or _ascends(span, rows)):
                self._read_sequentially()
        if not span.dropped:
            self._read(span, rows, next_token)
            self._take_complete()

    def spans_to_request(self) -> "list[Span]":
        """Return the spans whose next page to request; called after each page and after `take`."""
        chosen = []
        for span in sorted(self._waiting, key=lambda one: one.low):
            if span is self._spans[0] or self._has_room():
                self._waiting.remove(span)
                self._under_way += 1
                chosen.append(span)
        while not self._sequential and self._has_room():
            cut = self._split_longest()
            if cut is None:
                break
            self._under_way += 1
            chosen.append(cut)
        return chosen

    def _has_room(self) -> bool:
        most = min(self._width, 1 + max(0, self._pages - ALONE) // PAGES_FOR_A_REQUEST)
        if self._under_way >= most:
            return False
        return self._ahead is None or sum(len(span.found) for span in self._spans[1:]) < self._ahead

    def _split_longest(self) -> Optional[Span]:
        """Split a span and return the new part; None if no span is long enough."""
        spans = [span for span in self._spans if self._keys_left(span) > WORTH_IT]
        if self._ahead is None:  # else the first keys are needed first
            spans.sort(key=self._keys_left, reverse=True)
        for span in spans:
            density = self._density(span)
            if span.high is None:
                middle, density = self._space.top(span.last), 0.0
            else:
                most = None if self._ahead is None else int(self._ahead / 2 / density)
                middle = self._space.middle(span.last, span.high, most)
            if middle is not None:
                part = Span(middle, span.high, PageRequest(after=middle), density)
                span.high = middle
                self._spans.insert(self._spans.index(span) + 1, part)
                return part
        return None

    def _keys_left(self, span: Span) -> float:
        """Return the estimated number of keys left in a span; 0 without a page, when the estimate is too uncertain."""
        if span.complete or not span.count:
            return 0.0
        if span.high is None:
            return math.inf if self._space.top(span.last) else 0.0
        return self._density(span) * (self._space.number(span.high) - self._space.number(span.last))

    def _density(self, span: Span) -> float:
        if not span.count:
            return span.density
        return span.count / max(1, self._space.number(span.last) - self._space.number(span.begin))

    def _read(self, span: Span, rows: "list[Entry]", next_token: Optional[str]) -> None:
        rows, border = span.repetition.new(rows, next_token), None
        if rows and not self._sequential:
            self._space.learn(row.key for row in (*rows[:: 1 + len(rows) // SAMPLES], rows[-1]))
            rows, border = _split_page(rows, span)
        if rows:
            span.begin = span.begin if span.count else rows[0].key
            span.last = rows[-1].key
        span.request = PageRequest(next_token)
        span.found += rows
        span.count += len(rows)
        span.met = border is not None
        span.complete = span.met or next_token is None
        if not span.complete:
            self._waiting.append(span)
        self._check(span)
        if border is not None and not self._sequential:
            self._pass_border(span, border)

    def _check(self, span: Span) -> None:
        """Compare a span's keys with the border that the previous span met."""
        border = span.border
        if border is None:
            return
        if span.count and span.last >= border.key:
            agree = any(row.key == border.key for row in span.found)
        elif span.complete:
            agree = span.met and span.high is not None and border.key > span.high
        else:
            return  # not reached yet
        if not agree:
            self._read_sequentially()
            return
        span.border = None
        if span.high is not None and border.key > span.high:  # this span is empty, so the next one must have the border
            self._pass_border(span, border)

    def _pass_border(self, span: Span, border: Border) -> None:
        """Pass a border to the next span."""
        following = self._spans[self._spans.index(span) + 1]
        if following.border is None or border.key < following.border.key:
            following.border = border
        self._check(following)

    def _take_complete(self) -> None:
        """Continue with the first incomplete span."""
        while self._spans and self._spans[0].complete and self._spans[0].border is None:
            self._ready += self._spans.pop(0).found

    def _read_sequentially(self) -> None:
        """Read the rest of the listing sequentially, because it can't be read in parallel."""
        self._sequential = True
        self._take_complete()
        first, *others = dropped = self._spans
        if first.border is not None:  # start where the previous span ended
            first = Span(first.low, request=first.border.request, repetition=RepetitionCheck(first.border.before))
            self._waiting.append(first)
            self._spans = [first]
        elif first.low and not first.count:  # the previous span reached the end of the listing
            self._spans = []
        else:
            first.high = None
            self._spans, dropped = [first], others
        for span in dropped:
            span.dropped = True
        self._waiting = [span for span in self._waiting if not span.dropped]


def _ascends(span: Span, rows: "list[Entry]") -> bool:
    """Whether a page's keys are in S3's order, and follow the previous ones."""
    keys = [span.last, *map(_KEY, rows)]
    return all(map(lt, keys, keys[1:]))


def _split_page(rows: "list[Entry]", span: Span) -> "tuple[list[Entry], Optional[Border]]":
    """Split a page into a span's own entries and the border to the next one."""
    if span.high is None or rows[-1].key <= span.high:
        return rows, None
    own = bisect_right(list(map(_KEY, rows)), span.high)
    return rows[:own], Border(rows[own].key, span.request, rows[:own])
