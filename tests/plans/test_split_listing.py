"""A listing that is read at several places in parallel equals the page-by-page listing of the same server."""

import random
import string
from bisect import bisect_right

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.plans.key_space import KeySpace
from metaflow_extensions.fasts3.plans.split_listing import Entry, SplitListing

PREFIX = "p/"


class Server:
    """Lists some keys, as S3 does or in a way that a server has been seen to."""

    def __init__(self, keys, page=10, order=None, start_after="honored", repeats=False):
        self.keys = sorted(keys, key=order)
        self.page, self.order, self.start_after, self.repeats = page, order or (lambda key: key), start_after, repeats
        self.requests = 0

    def respond(self, request):
        self.requests += 1
        if request.token is not None:
            start = self.behind(request.token)
        elif self.start_after == "ignored" or not request.after:
            start = 0
        else:
            start = self.behind(request.after)
            if self.start_after == "skips":  # what is in the same directory as the key that it is to begin after
                folder = request.after.rpartition("/")[0] + "/"
                while start < len(self.keys) and self.keys[start].startswith(folder):
                    start += 1
        begin = max(0, start - 1) if self.repeats and request.token is not None else start
        rows = self.keys[begin : start + self.page]
        more = start + self.page < len(self.keys)
        return [Entry(key, 1) for key in rows], rows[-1] if more else None

    def behind(self, key):
        return bisect_right([self.order(one) for one in self.keys], self.order(key))


def listed(server, chance, width=8, ahead=None):
    """Execute a listing whose responses arrive in any order; return its keys in the order in which they are taken."""
    listing = SplitListing(PREFIX, width, ahead)
    under_way = [listing.first]
    found, most = [], 0
    while under_way:
        most = max(most, len(under_way))
        span = under_way.pop(chance.randrange(len(under_way)))
        listing.receive(span, *server.respond(span.request))
        if chance.random() < 0.5:
            under_way += listing.spans_to_request()
        if chance.random() < 0.7 or not under_way:
            found += [row.key for row in listing.take()]
            under_way += listing.spans_to_request()
    assert listing.ended
    assert most <= width
    return found + [row.key for row in listing.take()]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr("metaflow_extensions.fasts3.plans.split_listing.WORTH_IT", 20.0)


names = st.text(st.sampled_from("ab09/-.é😀"), max_size=6) | st.from_regex(r"[a-c]/[0-9]{3}", fullmatch=True)
ODD = {
    "another order": {"order": lambda key: key.replace("/", "\0")},  # directory by directory, as SeaweedFS
    "start-after ignored": {"start_after": "ignored"},
    "start-after skips": {"start_after": "skips"},
    "pages repeat a key": {"repeats": True},
}


@pytest.mark.parametrize("odd", [{}, *ODD.values()], ids=["S3", *ODD])
@given(keys=st.sets(names, max_size=120), dense=st.integers(0, 300), seed=st.integers(0, 2**32))
@examples(200)
def test_each_key_is_returned_once(odd, keys, dense, seed):
    chance = random.Random(seed)
    keys = {PREFIX + key for key in keys} | {f"{PREFIX}b/{number:05}" for number in range(dense)}
    server = Server(keys, **odd)
    found = listed(server, chance, width=chance.choice([1, 2, 8, 32]), ahead=chance.choice([None, 15, 100]))
    assert found == server.keys


def test_concurrent_deletions_do_not_end_the_parallel_listing():
    keys = [f"{PREFIX}{number:04}" for number in range(2000)]
    server = Server(keys)
    listing = SplitListing(PREFIX, 8)
    under_way, found, most = [listing.first], [], 0
    while under_way:
        most = max(most, len(under_way))
        span = under_way.pop(-1)
        listing.receive(span, *server.respond(span.request))
        found += [row.key for row in listing.take()]
        under_way += listing.spans_to_request()
        server.keys = sorted(set(keys) - set(found))
    assert found == keys
    assert most == 8


SHAPES = {
    "numbered": lambda number, _: f"{number:06}",
    "not padded": lambda number, _: str(number),
    "a number in a name": lambda number, _: f"part-{number:08}.parquet",
    "hashed": lambda _, chance: f"{chance.getrandbits(128):032x}",
    "base64": lambda _, chance: "".join(chance.choices(string.ascii_letters + string.digits + "-_", k=16)),
    "deep": lambda number, _: "/".join(f"d{digit}" for digit in f"{number // 100:04}") + f"/file-{number % 100:02}",
    "dates": lambda number, _: (
        f"20{number // 8640:02}/{number // 720 % 12:02}/{number // 24 % 30:02}/{number % 24:02}.json"
    ),
    "names": lambda number, _: f"user={('alice', 'bob', 'carol', 'zoe')[number % 4]}/{number:06}",
    "any alphabet": lambda number, chance: f"{chance.choice('äß漢字カナ😀')}/{number:06}",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_requests_go_where_the_keys_are(shape, monkeypatch):
    """Counted in rounds, as with a distant server: all running requests receive their responses together."""
    monkeypatch.setattr("metaflow_extensions.fasts3.plans.split_listing.WORTH_IT", 200.0)
    chance = random.Random(shape)
    server = Server({PREFIX + SHAPES[shape](number, chance) for number in range(20_000)}, page=100)
    listing = SplitListing(PREFIX, 32)
    under_way, found, rounds = [listing.first], [], 0
    while under_way:
        rounds += 1
        responses = [(span, server.respond(span.request)) for span in under_way]
        under_way = []
        for span, response in responses:
            listing.receive(span, *response)
            under_way += listing.spans_to_request()
        found += [row.key for row in listing.take()]
    assert found == server.keys
    assert rounds <= 200 / 4
    assert server.requests <= 200 * 2


@pytest.mark.parametrize("pages", [1, 2, 10])
def test_a_short_listing_takes_a_request_a_page(pages):
    server = Server({f"{PREFIX}{number:03}" for number in range(10 * pages)})
    listed(server, random.Random(0))
    assert server.requests == pages


def test_no_more_waits_than_is_allowed():
    server = Server({f"{PREFIX}{number:05}" for number in range(5000)})
    listing = SplitListing(PREFIX, 8, ahead=100)
    under_way = [listing.first]
    while under_way:  # the first span gets no response as long as there is another
        span = under_way.pop(1 if len(under_way) > 1 else 0)
        listing.receive(span, *server.respond(span.request))
        listing.take()
        under_way += listing.spans_to_request()
        assert sum(len(one.found) for one in listing._spans) <= 100 + 8 * server.page


@given(low=names, high=names, seen=st.lists(names, min_size=1, max_size=20))
def test_a_middle_is_between_its_bounds(low, high, seen):
    space = KeySpace(PREFIX)
    space.learn(PREFIX + key for key in seen)
    low, high = sorted((PREFIX + low, PREFIX + high))
    middle = space.middle(low, high)
    assert middle is None or low < middle < high
    top = space.top(low)
    assert top is None or top > low


@given(keys=st.lists(names, min_size=2, max_size=20), seen=st.lists(names, max_size=20))
def test_numbers_are_in_the_order_of_keys(keys, seen):
    space = KeySpace(PREFIX)
    space.learn(PREFIX + key for key in seen)
    numbers = [space.number(PREFIX + key) for key in sorted(keys)]
    assert numbers == sorted(numbers)
