"""`S3(progress=...)`: the function gets reports of every call, with correct totals at the end."""

import pytest
from contract.content import noise
from metaflow.datatools.s3 import MetaflowS3NotFound, S3GetObject
from metaflow.plugins.datatools import Progress

PART = 8 * 2**20
BLOBS = {f"d/{number:02}": noise(number * 10) for number in range(30)}
BYTES = sum(map(len, BLOBS.values()))
LARGE = {"d/large": noise(2 * PART + 1), "d/small": b"small"}


class Heard(list):
    """The arguments of the calls of the function."""

    def take(self):
        """Return the reports of the last call, a list for each operation, after checks that apply to all."""
        steps = {}
        for one in self:
            assert type(one) is Progress
            steps.setdefault(one.operation, []).append(one)
        self.clear()
        for reports in steps.values():
            assert [one.done for one in reports] == [False] * (len(reports) - 1) + [True]
            for name in ("objects", "bytes", "seconds", "retries"):
                values = [getattr(one, name) for one in reports]
                assert values == sorted(values)
            for one in reports:
                assert one.total_objects is None or one.objects <= one.total_objects
                assert one.total_bytes is None or one.bytes <= one.total_bytes
            assert reports[-1].seconds_left == 0
        return steps


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def s3(make_s3, root, heard):
    return make_s3(s3root=root, progress=heard.append)


def ends(steps):
    """How each operation ended: objects, their total, bytes, their total."""
    return {
        name: (reports[-1].objects, reports[-1].total_objects, reports[-1].bytes, reports[-1].total_bytes)
        for name, reports in steps.items()
    }


def met(objects, moved):
    return (objects, objects, moved, moved)


def test_many_small_objects(s3, heard):
    s3.put_many(BLOBS.items())
    steps = heard.take()
    assert ends(steps) == {"put": met(30, BYTES)}
    assert {(one.total_objects, one.total_bytes) for one in steps["put"]} == {(30, BYTES)}

    assert len(s3.get_many([*BLOBS, "d/01", "d/01"])) == 32
    assert ends(heard.take()) == {"get": met(30, BYTES)}  # each once

    s3.info_many(list(BLOBS))
    assert ends(heard.take()) == {"info": met(30, 0)}


def test_one_object(s3, heard):
    s3.put("k", b"value")
    assert ends(heard.take()) == {"put": met(1, 5)}
    s3.get("k")
    assert ends(heard.take()) == {"get": met(1, 5)}
    s3.get(S3GetObject("k", 1, 2))
    assert ends(heard.take()) == {"get": met(1, 2)}
    s3.info("k")
    assert ends(heard.take()) == {"info": met(1, 0)}


def test_large_objects_are_one_object_each(s3, heard, tmp_path):
    files = []
    for key, blob in LARGE.items():
        (tmp_path / key[2:]).write_bytes(blob)
        files.append((key, str(tmp_path / key[2:])))
    total = sum(map(len, LARGE.values()))

    s3.put_files(files)
    assert ends(heard.take()) == {"put": met(2, total)}
    s3.get_many(list(LARGE))
    assert ends(heard.take()) == {"get": met(2, total)}
    s3.put("again", LARGE["d/large"])
    assert ends(heard.take()) == {"put": met(1, 2 * PART + 1)}
    s3.get(S3GetObject("again", 1))
    assert ends(heard.take()) == {"get": met(1, 2 * PART)}


def test_recursive_downloads_have_totals_from_the_listing(s3, heard, stored):
    stored.put_all(BLOBS)
    for call in (s3.get_all, lambda: s3.get_recursive(["d"])):
        call()
        steps = heard.take()
        assert ends(steps) == {"get": met(30, BYTES)}
        totals = {(one.total_objects, one.total_bytes) for one in steps["get"]}
        assert totals <= {(None, None), (30, BYTES)}  # unknown while the listing goes on


def test_prefixes_that_overlap_are_downloaded_once(s3, heard, stored):
    stored.put_all(BLOBS)
    assert len(s3.get_recursive(["d", "d"])) == 60
    assert ends(heard.take()) == {"get": met(30, BYTES)}


def test_listings(s3, heard, stored):
    stored.put_all({"a/1": b"1", "a/b/2": b"2", "c/3": b"3"})
    assert len(s3.list_paths()) == 2
    assert ends(heard.take()) == {"list": met(2, 0)}
    assert len(s3.list_recursive(["a", "c", "no"])) == 3
    assert ends(heard.take()) == {"list": met(3, 0)}


def test_keys_that_are_missing_are_done_too(s3, heard, stored):
    stored.put("a", b"1")
    s3.get_many(["a", "no", "nor this"], return_missing=True)
    assert ends(heard.take()) == {"get": met(3, 1)}
    s3.info_many(["a", "no"], return_missing=True)
    assert ends(heard.take()) == {"info": met(2, 0)}


def test_existing_objects_are_not_transferred(s3, heard, stored):
    stored.put("a", b"old")
    assert [key for key, _ in s3.put_many([("a", b"new one"), ("b", b"new")], overwrite=False)] == ["b"]
    assert ends(heard.take()) == {"put": met(2, 3)}


def test_calls_without_work_report_nothing(s3, heard):
    s3.get_many([])
    s3.put_many([])
    s3.info_many([])
    assert heard == []


def test_a_call_that_fails_is_never_done(s3, heard, stored):
    stored.put_all(BLOBS)
    with pytest.raises(MetaflowS3NotFound):
        s3.get_many([*BLOBS, "nowhere"])
    assert not any(one.done for one in heard)


def test_retries_are_reported_and_nothing_counts_twice(make_s3, root, heard):
    s3 = make_s3(s3root=root, progress=heard.append, inject_failure_rate=30)
    s3.put_many(BLOBS.items())
    retries = heard[-1].retries
    assert ends(heard.take()) == {"put": met(30, BYTES)}
    s3.get_many(list(BLOBS))
    retries += heard[-1].retries
    assert ends(heard.take()) == {"get": met(30, BYTES)}
    assert retries > 0
