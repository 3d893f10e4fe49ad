"""`inject_failure_rate` fails this percentage of attempts, so that flows can test their error handling."""

import pytest
from metaflow.datatools.s3 import MetaflowS3Exception

KEYS = [f"{number:02}" for number in range(40)]


@pytest.mark.parametrize("rate", [0, 50, 90])
def test_everything_arrives_all_the_same(make_s3, root, stored, tmp_path, rate):
    s3 = make_s3(s3root=root, inject_failure_rate=rate)
    local = tmp_path / "local"
    local.write_bytes(b"from a file")

    # One by one at first: rclone 1.75 loses files that are put side by side into a directory that is new.
    assert s3.put("one", b"put") == f"{root}/one"
    assert s3.put("file/one", b"from a file") == f"{root}/file/one"
    assert [key for key, _ in s3.put_many((key, key) for key in KEYS)] == KEYS
    assert [key for key, _ in s3.put_files((f"file/{key}", str(local)) for key in KEYS)] == [
        f"file/{key}" for key in KEYS
    ]
    assert [key for key, _ in s3.put_many(((key, "other") for key in [*KEYS, "new"]), overwrite=False)] == ["new"]

    assert [o.text for o in s3.get_many(KEYS)] == KEYS
    assert [o.exists for o in s3.get_many(["no", *KEYS], return_missing=True)] == [False] + [True] * len(KEYS)
    assert [o.size for o in s3.info_many(KEYS)] == [2] * len(KEYS)
    assert [o.text for o in s3.get_recursive(["file"])] == ["from a file"] * (len(KEYS) + 1)
    assert (s3.get("one").blob, s3.info("one").size) == (b"put", 3)
    assert len(s3.list_recursive()) == 2 * len(KEYS) + 3


ALWAYS = {
    "get_many": lambda s3: s3.get_many(["a", "b"]),
    "get_many, return_missing": lambda s3: s3.get_many(["a", "nowhere"], return_missing=True),
    "get_recursive": lambda s3: s3.get_recursive(["dir"]),
    "info_many": lambda s3: s3.info_many(["a", "b"]),
    "info_many, return_missing": lambda s3: s3.info_many(["a", "nowhere"], return_missing=True),
    "put_many": lambda s3: s3.put_many([("a", b"new"), ("c", b"new")]),
    "put_many, no overwrite": lambda s3: s3.put_many([("a", b"new"), ("c", b"new")], overwrite=False),
    "put_files": lambda s3: s3.put_files([("a", __file__), ("c", __file__)]),
}


@pytest.mark.parametrize("verb", ALWAYS.values(), ids=ALWAYS)
def test_permanent_failures_are_an_error(make_s3, root, stored, verb):
    stored.put_all({"a": b"1", "b": b"2", "dir/x": b"3"})
    with pytest.raises(MetaflowS3Exception):
        verb(make_s3(s3root=root, inject_failure_rate=100))
    assert stored.blobs() == {"a": b"1", "b": b"2", "dir/x": b"3"}
