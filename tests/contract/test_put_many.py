"""`S3.put_many`: many values, with results in the order given."""

import io
import subprocess
from array import array
from collections import namedtuple
from types import SimpleNamespace

import pytest
from metaflow.datatools.s3 import MetaflowS3InvalidObject, S3PutObject


def test_pairs_of_key_and_url_in_the_order_given(s3, root, stored):
    uploaded = s3.put_many([("b/1", b"bytes"), ("a", "text \xfc"), ("c", b"")])

    assert uploaded == [("b/1", f"{root}/b/1"), ("a", f"{root}/a"), ("c", f"{root}/c")]
    assert stored.blobs() == {"b/1": b"bytes", "a": "text ü".encode(), "c": b""}


def test_full_urls(bare, root, stored):
    url = f"{root}/a"
    assert bare.put_many([(url, b"1")]) == [(url, url)]
    assert stored.blobs() == {"a": b"1"}


def test_the_key_is_returned_as_given(s3, root, stored):
    assert s3.put_many([("//a", b"1"), ("/b", b"2")]) == [("//a", f"{root}/a"), ("/b", f"{root}/b")]
    assert stored.blobs() == {"a": b"1", "b": b"2"}


def test_the_order_of_hundreds(s3, root, stored):
    pairs = [(f"k{number * 37 % 240:03}", b"%d" % number) for number in range(240)]
    assert s3.put_many(pairs) == [(key, f"{root}/{key}") for key, _ in pairs]
    assert stored.list() == {key for key, _ in pairs}
    assert {o.key: o.blob for o in s3.get_many([key for key, _ in pairs])} == dict(pairs)


def test_each_duplicate_is_returned_and_the_last_is_stored(s3, root, stored):
    assert s3.put_many([("a", b"1"), ("b", b"2"), ("a", b"3")]) == [
        ("a", f"{root}/a"),
        ("b", f"{root}/b"),
        ("a", f"{root}/a"),
    ]
    assert stored.blobs() == {"a": b"3", "b": b"2"}


@pytest.mark.parametrize("shape", [tuple, iter], ids=["tuple", "iterator"])
def test_pairs_may_be_any_iterable(s3, stored, shape):
    s3.put_many(shape([("a", b"1"), ("b", b"2")]))
    assert stored.blobs() == {"a": b"1", "b": b"2"}


@pytest.mark.parametrize("none", [[], (), iter([])], ids=["list", "tuple", "iterator"])
def test_nothing_to_put(s3, stored, none):
    assert s3.put_many(none) == []
    assert stored.list() == set()


def test_put_objects_carry_content_type_and_metadata(s3, root, stored):
    uploaded = s3.put_many(
        [
            S3PutObject(key="a", value=b"1", content_type="text/x-a", metadata={"n": 1}),
            S3PutObject("b", "2"),
            ("c", b"3"),
        ]
    )

    assert uploaded == [(key, f"{root}/{key}") for key in "abc"]
    assert stored.blobs() == {"a": b"1", "b": b"2", "c": b"3"}
    a, b, c = s3.info_many(["a", "b", "c"])
    assert (a.content_type, a.metadata) == ("text/x-a", {"n": 1})
    assert (b.metadata, c.metadata) == (None, None)
    assert b.content_type == c.content_type != "text/x-a"


Pair = namedtuple("Pair", "key value")
Rich = namedtuple("Rich", "key value content_type metadata")

PLAIN, RICH = ("application/octet-stream", None), ("text/x-a", {"n": 1})

ONE = {
    "list": (["k", b"x"], PLAIN),
    "named pair": (Pair("k", b"x"), PLAIN),
    "named tuple with info": (Rich("k", b"x", *RICH), RICH),
    "duck": (SimpleNamespace(key="k", value=b"x", path=None, content_type=RICH[0], metadata=RICH[1]), RICH),
}


@pytest.mark.parametrize(("one", "info"), ONE.values(), ids=ONE)
def test_accepted_pairs_of_key_and_value(s3, root, stored, one, info):
    assert s3.put_many([one]) == [("k", f"{root}/k")]
    assert stored.blobs() == {"k": b"x"}
    got = s3.info("k")
    assert got.metadata == info[1]
    assert (got.content_type == RICH[0]) is (info is RICH)


def test_files_are_read_from_where_they_are_and_stay_open(s3, stored, tmp_path):
    # Unlike put, which starts at their beginning: so it is in Metaflow's own class.
    path = tmp_path / "local"
    path.write_bytes(b"0123456789")
    with open(path, "rb") as file, io.BytesIO(b"abcdef") as buffer:
        file.seek(4)
        buffer.seek(2)
        s3.put_many([("file", file), ("buffer", buffer), ("bytes", b"x")])
        assert not file.closed
        assert not buffer.closed
    assert stored.blobs() == {"file": b"456789", "buffer": b"cdef", "bytes": b"x"}


def test_a_file_at_its_end_raises_instead_of_storing_an_empty_object(s3, stored):
    written = io.BytesIO()
    written.write(b"and not rewound")
    with pytest.raises(MetaflowS3InvalidObject, match="the-key"):
        s3.put_many([("before", b"1"), ("the-key", written)])
    assert stored.list() == set()
    s3.put_many([("empty", io.BytesIO())])
    assert stored.blobs() == {"empty": b""}


def test_files_of_a_generator_that_closes_them_or_fills_them_again(s3, stored, tmp_path):
    def pairs():
        (tmp_path / "f").write_bytes(b"of a file")
        with open(tmp_path / "f", "rb") as file:
            file.seek(3)
            yield "file", file
        with subprocess.Popen(["echo", "-n", "of a pipe"], stdout=subprocess.PIPE) as process:
            yield "pipe", process.stdout
        buffer = io.BytesIO()
        for number in range(3):
            buffer.seek(0)
            buffer.write(b"%d" % number)
            buffer.seek(0)
            yield S3PutObject(f"buffer-{number}", buffer)

    s3.put_many(pairs())
    buffers = {"buffer-0": b"0", "buffer-1": b"1", "buffer-2": b"2"}
    assert stored.blobs() == {"file": b"a file", "pipe": b"of a pipe", **buffers}


BAD_VALUES = {"None": None, "number": 5, "array": array("d", [1.5]), "text file": io.StringIO("x")}


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES)
def test_one_bad_value_is_an_error_before_anything_is_uploaded(s3, stored, value):
    with pytest.raises(MetaflowS3InvalidObject, match="the-key"):
        s3.put_many([("before", b"1"), ("the-key", value), ("after", b"2")])
    assert stored.list() == set()


def test_a_generator_that_fails_uploads_nothing(s3, stored):
    def pairs():
        yield "a", b"1"
        raise KeyError("from the generator")

    with pytest.raises(KeyError, match="from the generator"):
        s3.put_many(pairs())
    assert stored.list() == set()


def test_no_file_of_an_upload_is_left(s3, tmproot):
    s3.put_many([(f"k{number}", b"x" * 1000) for number in range(20)])
    s3.close()
    assert list(tmproot.rglob("*")) == []
