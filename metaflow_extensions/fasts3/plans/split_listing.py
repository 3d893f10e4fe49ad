"""One long listing, read at several places at once: which pages to ask for, and what they say in key order. Pure.

A listing begins as one span of keys, read page after page. Once it turns out to be long, the span with most left is
cut in two, at a key that need not exist (`start-after`), as long as there is room for more requests. So requests go
where the keys are.

Nothing is taken on trust. Keys have to ascend, and each span is read until it meets a key of the next one, which has to
know that key as well. Then all spans together are one listing, without a gap. Where a server sorts in another order, or
does not understand `start-after`, the first span that is not complete goes on alone to the end of the listing, and all
behind it are dropped: what was handed out until then is the beginning of that server's listing, in its own order.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.plans.key_space import KeySpace

ALONE = 10  # pages that are read one after the other in any case: a short listing takes no more requests than pages
PAGES_FOR_A_REQUEST = 2  # that a listing has to have brought for each further request at a time
WORTH_IT = 2000.0  # keys that a span probably has left, to be cut
SAMPLES = 16  # keys of a page that show what keys look like
MOST_IDLE = 1000  # pages; S3's may be empty, where much was deleted, but not without an end


class Endless(Exception):
    """The listing comes back to where it was, or goes on and on and holds nothing new."""


class Entry(NamedTuple):
    """One line of a listing. A `DetailedObject` takes its place where ETags and times were asked for."""

    key: str
    size: Optional[int]  # None: a common prefix, not an object


class Asked(NamedTuple):
    """How a page is asked for."""

    token: Optional[str] = None  # continuation-token
    after: str = ""  # start-after, for the first page of a span


class Border(NamedTuple):
    """Where a span has met the next one."""

    key: str  # the first that is the next one's
    asked: Asked  # the page that it is on
    before: Sequence[Entry]  # what of this page comes before it


class Chain:
    """Pages as one follows from the other: a server can go round in circles.

    Keys that go backwards are no sign of that: some servers have another order, directory buckets have none.

    Parameters
    ----------
    before : sequence of Entry
        What was read already of the page that comes first.
    """

    def __init__(self, before: Sequence[Entry] = ()) -> None:
        self._before = {row.key for row in before}  # names on the last page
        self._firsts: set[str] = set()  # the first new name of each page
        self._tokens: set[str] = set()
        self._idle = 0  # pages in a row that brought nothing new

    def new(self, rows: "list[Entry]", next_token: Optional[str]) -> "list[Entry]":
        """What the page before has not said: some servers begin with what that one ended with.

        Raises
        ------
        Endless
        """
        new = (
            rows
            if self._before.isdisjoint(row.key for row in rows)
            else [row for row in rows if row.key not in self._before]
        )
        if next_token is not None:
            self._idle = 0 if new else self._idle + 1
            objects = sum(row.size is not None for row in rows) if not new else 0
            if next_token in self._tokens or objects > 1 or (new and new[0].key in self._firsts):
                raise Endless("the server repeats pages, so the listing would never end")
            if self._idle == MOST_IDLE:
                raise Endless(f"the listing goes on, but {MOST_IDLE} pages in a row held nothing new")
            self._tokens.add(next_token)
            self._firsts.update(row.key for row in new[:1])
        self._before = {row.key for row in rows}
        return new


class Span:
    """The keys above `low` and up to `high`.

    Attributes
    ----------
    asked : Asked
        The page that comes next.
    """

    __slots__ = (
        "asked",
        "begin",
        "border",
        "chain",
        "complete",
        "count",
        "density",
        "found",
        "gone",
        "high",
        "last",
        "low",
        "met",
    )

    def __init__(
        self,
        low: str = "",
        high: Optional[str] = None,
        asked: Asked = Asked(),
        density: float = 0.0,
        chain: Optional[Chain] = None,
    ) -> None:
        self.low = self.last = self.begin = low  # the first and the last key that were read, once there are any
        self.high = high  # None: the end of the listing
        self.asked = asked
        self.density = density  # keys for each number of the `KeySpace`: a guess, before there are pages
        self.chain = chain or Chain()
        self.border: Optional[Border] = None  # as the span before has met it; None: none yet, or it was found here, too
        self.found: list[Entry] = []  # what nobody has taken yet
        self.count = 0  # keys that were read
        self.met = False  # it has met the next span
        self.complete = False
        self.gone = False  # dropped: what comes of it now does not count


class SplitListing:
    """The pages of one prefix.

    Parameters
    ----------
    prefix : str
    width : int
        Requests at a time, at the most; with 1, page after page.
    ahead : int, optional
        Keys that may wait for those before them; None: any number.
    """

    def __init__(self, prefix: str, width: int, ahead: Optional[int] = None) -> None:
        self._space = KeySpace(prefix)
        self._width = width
        self._ahead = ahead
        self._alone = width == 1  # it is not cut, or not any more
        self._pages = 0
        self._under_way = 1
        self._spans = [Span()]  # in key order; the first is never complete
        self._waiting: list[Span] = []  # those that have a page to ask for
        self._ready: list[Entry] = []

    @property
    def first(self) -> Span:
        """The span to begin with."""
        return self._spans[0]

    @property
    def ended(self) -> bool:
        """Whether everything was read."""
        return not self._spans

    def take(self) -> "list[Entry]":
        """What comes next in the listing and was not taken before."""
        if self._spans and self._spans[0].border is None:
            self._ready += self._spans[0].found
            self._spans[0].found = []
        ready, self._ready = self._ready, []
        return ready

    def receive(self, span: Span, rows: "list[Entry]", next_token: Optional[str]) -> None:
        """Take a page of a span, and how it says that it goes on.

        Raises
        ------
        Endless
        """
        self._under_way -= 1
        if not span.gone:
            self._pages += 1
            if not (self._alone or _ascends(span, rows)):
                self._go_on_alone()
        if not span.gone:
            self._read(span, rows, next_token)
            self._pass()

    def asked_now(self) -> "list[Span]":
        """The spans whose next page is to be asked for, after a page has come or something was taken."""
        asked = []
        for span in sorted(self._waiting, key=lambda one: one.low):
            if span is self._spans[0] or self._has_room():
                self._waiting.remove(span)
                self._under_way += 1
                asked.append(span)
        while not self._alone and self._has_room():
            cut = self._cut()
            if cut is None:
                break
            self._under_way += 1
            asked.append(cut)
        return asked

    def _has_room(self) -> bool:
        most = min(self._width, 1 + max(0, self._pages - ALONE) // PAGES_FOR_A_REQUEST)
        if self._under_way >= most:
            return False
        return self._ahead is None or sum(len(span.found) for span in self._spans[1:]) < self._ahead

    def _cut(self) -> Optional[Span]:
        """Give a part of what a span has left to another one; None where no span is worth it."""
        spans = [span for span in self._spans if self._left(span) > WORTH_IT]
        if self._ahead is None:  # otherwise what comes next is wanted first
            spans.sort(key=self._left, reverse=True)
        for span in spans:
            density = self._density(span)
            if span.high is None:
                middle, density = self._space.top(span.last), 0.0
            else:
                most = None if self._ahead is None else int(self._ahead / 2 / density)
                middle = self._space.middle(span.last, span.high, most)
            if middle is not None:
                part = Span(middle, span.high, Asked(after=middle), density)
                span.high = middle
                self._spans.insert(self._spans.index(span) + 1, part)
                return part
        return None

    def _left(self, span: Span) -> float:
        """Keys that a span probably has before it; a guess without a page is no reason for more requests."""
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
        rows, border = span.chain.new(rows, next_token), None
        if rows and not self._alone:
            self._space.learn(row.key for row in (*rows[:: 1 + len(rows) // SAMPLES], rows[-1]))
            rows, border = _cut_off(rows, span)
        if rows:
            span.begin = span.begin if span.count else rows[0].key
            span.last = rows[-1].key
        span.asked = Asked(next_token)
        span.found += rows
        span.count += len(rows)
        span.met = border is not None
        span.complete = span.met or next_token is None
        if not span.complete:
            self._waiting.append(span)
        self._check(span)
        if border is not None and not self._alone:
            self._meet(span, border)

    def _check(self, span: Span) -> None:
        """Compare what a span has read with what the one before it has met."""
        border = span.border
        if border is None:
            return
        if span.count and span.last >= border.key:
            agree = any(row.key == border.key for row in span.found)
        elif span.complete:
            agree = span.met and span.high is not None and border.key > span.high
        else:
            return  # it has not come so far
        if not agree:
            self._go_on_alone()
            return
        span.border = None
        if span.high is not None and border.key > span.high:  # nothing is in this one, so the next one has to know it
            self._meet(span, border)

    def _meet(self, span: Span, border: Border) -> None:
        """Tell the next span what this one has met."""
        following = self._spans[self._spans.index(span) + 1]
        if following.border is None or border.key < following.border.key:
            following.border = border
        self._check(following)

    def _pass(self) -> None:
        """Go on to the first span that is not complete."""
        while self._spans and self._spans[0].complete and self._spans[0].border is None:
            self._ready += self._spans.pop(0).found

    def _go_on_alone(self) -> None:
        """Read the rest of the listing page after page: it can't be read from several places."""
        self._alone = True
        self._pass()
        first, *others = dropped = self._spans
        if first.border is not None:  # begin where the span before it has ended
            first = Span(first.low, asked=first.border.asked, chain=Chain(first.border.before))
            self._waiting.append(first)
            self._spans = [first]
        elif first.low and not first.count:  # the span before it has come to the end of the listing
            self._spans = []
        else:
            first.high = None
            self._spans, dropped = [first], others
        for span in dropped:
            span.gone = True
        self._waiting = [span for span in self._waiting if not span.gone]


def _ascends(span: Span, rows: "list[Entry]") -> bool:
    """Whether the keys of a page are in the order that S3 lists them, and come after those before."""
    last = span.last
    for row in rows:
        if row.key <= last:
            return False
        last = row.key
    return True


def _cut_off(rows: "list[Entry]", span: Span) -> "tuple[list[Entry], Optional[Border]]":
    """What of a page is the span's own, and where it meets the next one."""
    if span.high is None or rows[-1].key <= span.high:
        return rows, None
    own = bisect_right([row.key for row in rows], span.high)
    return rows[:own], Border(rows[own].key, span.asked, rows[:own])
