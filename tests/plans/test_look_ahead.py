"""Tests of the limit of bytes ahead of a stream's consumer."""

from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.plans.look_ahead import LEAST_LIMIT, UNKNOWN, LookAhead


def seen(ahead, sizes, start=1000):
    """Objects come and are taken, one after the other."""
    for index, size in enumerate(sizes, start):
        assert ahead.begin(index)
        ahead.begun(index, size, size)
        ahead.forget(index)


def begun(ahead, count=10_000):
    """How many objects can be begun before the first comes."""
    return next(index for index in range(count) if not ahead.begin(index))


def test_before_anything_is_known_an_object_counts_as_a_large_one():
    assert begun(LookAhead(10 * UNKNOWN)) == 10


def test_objects_of_one_size_fill_it_with_a_small_margin():
    ahead = LookAhead(200_000_000)
    seen(ahead, [100_000] * 500)
    assert 1900 <= begun(ahead) <= 2000


def test_the_first_object_always_begins():
    ahead = LookAhead(1)
    assert ahead.begin(0)
    assert not ahead.begin(1)
    ahead.begun(0, 100, 100)
    assert not ahead.begin(1)
    ahead.forget(0)
    assert ahead.begin(1)


def test_missing_objects_release_their_bytes():
    ahead = LookAhead(UNKNOWN)
    assert ahead.begin(0)
    assert not ahead.begin(1)
    ahead.forget(0)
    assert ahead.begin(1)


def test_a_large_object_waits_for_room_unless_it_is_the_first():
    ahead = LookAhead(100)
    seen(ahead, [10] * 100)
    assert ahead.begin(0)
    ahead.begun(0, 60, 200)
    assert not ahead.go_on(0, 50, first=False)
    assert ahead.go_on(0, 50, first=True)
    assert ahead.size == 110
    ahead.forget(0)
    assert ahead.size == 0


def test_an_object_that_is_begun_again_is_counted_once():
    ahead = LookAhead(1000)
    assert ahead.begin(0)
    ahead.begun(0, 100, 300)
    assert ahead.go_on(0, 100, first=True)
    ahead.begun(0, 100, 300)
    assert ahead.size == 100


def test_first_requests_are_cut_where_objects_were_small():
    ahead = LookAhead(2**30)
    assert ahead.limit() == 2 * UNKNOWN
    seen(ahead, [1000] * 200)
    assert ahead.limit() == LEAST_LIMIT
    seen(ahead, [2**20] * 200)
    assert 2**20 < ahead.limit() < 2**23


@given(st.lists(st.integers(0, 2**24), min_size=1, max_size=60), st.integers(1, 2**26), st.randoms())
def test_whole_objects_never_take_much_more_than_there_is(sizes, size, random):
    """Each comes whole: what is here at a time is what was allowed, and what is not known yet."""
    ahead, under_way, here = LookAhead(size), [], []
    waiting = list(enumerate(sizes))
    while waiting or under_way or here:
        if waiting and ahead.begin(waiting[0][0]):
            under_way.append(waiting.pop(0))
        elif under_way:
            index, length = under_way.pop(random.randrange(len(under_way)))
            ahead.begun(index, length, length)
            here.append((index, length))
        else:
            ahead.forget(here.pop(random.randrange(len(here)))[0])
        assert ahead.size == sum(length for _, length in here)
    assert ahead.size == 0
