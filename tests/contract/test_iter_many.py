"""`S3.iter_many` and `S3.iter_recursive`: objects that are downloaded during a loop."""

import itertools
import os
import threading
from pathlib import Path

import pytest
from metaflow.datatools.s3 import MetaflowS3Exception, MetaflowS3NotFound, MetaflowS3URLException, S3GetObject

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE
from metaflow_extensions.fasts3.plans.split_listing import Entry

BLOBS = {f"d/{number:03}": os.urandom(number * 93) for number in range(40)}


@pytest.fixture
def blobs(s3):
    s3.put_many(BLOBS.items())
    return BLOBS


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def streams():
    return [thread for thread in threading.enumerate() if thread.name == "fasts3-stream"]


@pytest.mark.parametrize("in_memory", [False, True], ids=["files", "in memory"])
@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "as they come"])
def test_everything_comes(s3, blobs, ordered, in_memory):
    requested = [*reversed(blobs), "d/005", "d/005"]
    seen = []
    for one in s3.iter_many(requested, ordered=ordered, in_memory=in_memory):
        assert one.blob == blobs[one.key]
        assert one.content_type
        seen.append(one.key)
    assert (seen if ordered else sorted(seen)) == (requested if ordered else sorted(requested))
    assert streams() == []


def test_files_are_removed_as_the_loop_moves_on(s3, blobs, tmproot):
    before = None
    for one in s3.iter_many(list(blobs), look_ahead_objects=5):
        assert before is None or not os.path.exists(before)
        assert os.path.exists(one.path)
        assert len(files_below(tmproot)) <= 6
        before = one.path
    assert files_below(tmproot) == []


def test_files_that_are_kept(s3, blobs, tmproot):
    paths = {one.key: one.path for one in s3.iter_many(list(blobs), keep=True)}
    assert {key: Path(path).read_bytes() for key, path in paths.items()} == blobs
    s3.close()
    assert files_below(tmproot) == []


def test_a_loop_that_is_left_stops_at_once(s3, blobs, tmproot):
    loop = s3.iter_many(itertools.cycle(blobs))
    one = next(loop)
    del loop  # as `break` does
    assert streams() == []
    # What the loop had in its hand stays for who looks at it behind the loop.
    assert [str(path) for path in files_below(tmproot)] == [os.path.realpath(one.path)]
    assert [got.blob for got in s3.get_many(blobs)] == list(blobs.values())


def test_a_loop_that_raises_stops_at_once(s3, blobs, tmproot):
    def work():
        for one in s3.iter_many(list(blobs)):
            raise KeyError(one.key)

    with pytest.raises(KeyError):
        work()
    assert streams() == []


def test_keys_are_read_as_the_loop_advances(s3, blobs):
    requested = []

    def keys():
        for key in itertools.cycle(blobs):
            requested.append(threading.current_thread())
            yield key

    loop = s3.iter_many(keys(), look_ahead_objects=10)
    assert requested == []
    assert [one.key for one in itertools.islice(loop, 200)] == 5 * list(blobs)
    loop.close()
    assert 200 <= len(requested) <= 210
    assert set(requested) == {threading.current_thread()}


def test_objects_larger_than_the_look_ahead(s3, stored):
    large = {f"large/{number}": os.urandom(2 * PART_SIZE + number) for number in range(3)}
    s3.put_many(large.items())
    for ordered in (True, False):
        got = {one.key: one.blob for one in s3.iter_many(list(large), look_ahead=1, ordered=ordered)}
        assert got == large


def test_ranges_and_missing_keys(s3, stored):
    stored.put("a", b"0123456789")
    requested = [S3GetObject("a", 2, 3), "no", S3GetObject("a", 4, 0), "a"]
    got = list(s3.iter_many(requested, return_missing=True, keep=True))
    assert [one.blob for one in got] == [b"234", None, b"", b"0123456789"]
    assert [one.exists for one in got] == [True, False, True, True]
    with pytest.raises(MetaflowS3NotFound, match="no"):
        list(s3.iter_many(requested))
    assert streams() == []


def test_a_missing_bucket_is_an_error_though_keys_may_be_missing(bare, root):
    with pytest.raises(MetaflowS3NotFound):
        list(bare.iter_many(["s3://no-such-bucket-at-all/a"], return_missing=True))


@pytest.mark.parametrize("none", [[], (), iter([])], ids=["list", "tuple", "iterator"])
def test_no_keys_no_objects(s3, none):
    assert list(s3.iter_many(none)) == []


def test_invalid_arguments_raise_before_the_loop(s3, bare):
    with pytest.raises(MetaflowS3URLException, match="requires a list"):
        s3.iter_many("key")
    with pytest.raises(MetaflowS3URLException, match="requires a list"):
        s3.iter_recursive("key")
    with pytest.raises(MetaflowS3URLException, match="full s3"):
        bare.iter_many(["a"])
    for bound in (0, -1, 1.5, True, "1 GB", None):
        with pytest.raises(Exception, match=r"look_ahead is .* a positive integer, in bytes"):
            s3.iter_many(["a"], look_ahead=bound)
        with pytest.raises(Exception, match=r"look_ahead_objects is .* a positive integer, in objects"):
            s3.iter_recursive(["a"], look_ahead_objects=bound)


def test_two_loops_in_parallel(s3, blobs):
    pairs = zip(s3.iter_many(list(blobs)), s3.iter_many(list(reversed(blobs))))
    assert [(one.blob, other.blob) for one, other in pairs] == list(zip(blobs.values(), reversed(list(blobs.values()))))


def test_more_loops_than_there_are_workers(s3, blobs):
    keys = list(blobs)[:6]
    loops = [s3.iter_many(keys, look_ahead_objects=2, in_memory=True) for _ in range(12)]
    for row, key in zip(zip(*loops), keys):
        assert [one.blob for one in row] == [blobs[key]] * len(loops)


def test_a_client_that_is_closed_ends_its_loops(s3, blobs):
    loop = s3.iter_many(list(blobs), in_memory=True)
    next(loop)
    s3.close()
    assert streams() == []
    with pytest.raises(MetaflowS3Exception, match="closed during a loop"):
        next(loop)


@pytest.mark.parametrize("return_info", [False, True])
def test_everything_below_prefixes(s3, root, blobs, stored, return_info):
    stored.put("e/x", b"other")
    got = list(s3.iter_recursive(["e", "d"], return_info=return_info, keep=True))
    expected = s3.get_recursive(["e", "d"], return_info=return_info)
    assert [(one.url, one.prefix, one.key, one.blob, one.has_info) for one in got] == [
        (one.url, one.prefix, one.key, one.blob, one.has_info) for one in expected
    ]


def test_more_than_a_page_below_a_prefix(s3):
    blobs = {f"many/{number:04}": b"%d" % number for number in range(1100)}
    s3.put_many(blobs.items())
    got = {one.url.rpartition("/")[2]: one.blob for one in s3.iter_recursive(["many"], ordered=False, in_memory=True)}
    assert {f"many/{name}": blob for name, blob in got.items()} == blobs


def test_the_first_object_is_returned_before_the_second_page_is_requested(s3, stored, monkeypatch):
    stored.put_all({"d/a": b"1", "d/b": b"2"})
    requested = []

    def one_by_one(listing):
        for name in "ab":
            requested.append(name)
            yield [Entry(f"{listing.prefix}{name}", 1)]

    monkeypatch.setattr(s3, "_pages", one_by_one)
    loop = s3.iter_recursive(["d"], in_memory=True)
    assert (next(loop).blob, len(requested)) == (b"1", 1)
    assert [one.blob for one in loop] == [b"2"]


def test_nothing_below_a_prefix(s3, stored):
    stored.put("log_other/x", b"")
    assert list(s3.iter_recursive(["nowhere"])) == []
    with pytest.warns(UserWarning, match="A prefix is a directory"):
        assert list(s3.iter_recursive(["log"])) == []
