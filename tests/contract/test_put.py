"""`S3.put`: one object."""

import contextlib
import gzip
import io
import os
import threading
from array import array
from types import SimpleNamespace

import pytest
from contract.content import noise
from metaflow.datatools.s3 import MetaflowS3InvalidObject, S3PutObject

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

VALUES = {
    "bytes": (b"\x00\xff raw", b"\x00\xff raw"),
    "no bytes": (b"", b""),
    "str": ("plain", b"plain"),
    "no text": ("", b""),
    "str is stored as UTF-8": ("gr\xfc\xdfe \U0001f984\r\n", "grüße 🦄\r\n".encode()),
    "BytesIO": (io.BytesIO(b"in memory"), b"in memory"),
    "bytearray": (bytearray(b"\x00 grown"), b"\x00 grown"),
    "every second byte of a memoryview": (memoryview(b"a-b-c-")[::2], b"abc"),
    "empty BytesIO": (io.BytesIO(), b""),
    "subclass of str": (type("Text", (str,), {})("sub"), b"sub"),
    "subclass of bytes": (type("Blob", (bytes,), {})(b"sub"), b"sub"),
}


@pytest.mark.parametrize(("value", "stored_as"), VALUES.values(), ids=VALUES)
def test_a_value_is_stored_and_its_url_returned(s3, root, stored, value, stored_as):
    assert s3.put("a/b", value) == f"{root}/a/b"
    assert stored.blobs() == {"a/b": stored_as}


def test_a_full_url(bare, root, stored):
    assert bare.put(f"{root}/a/b", b"x") == f"{root}/a/b"
    assert stored.blobs() == {"a/b": b"x"}


def test_empty_objects_between_others(s3, stored):
    # Servers respond early to these; old versions of botocore read that as the response to the next upload.
    blobs = {f"{number:02}": b"" if number % 3 == 1 else b"%d" % number for number in range(12)}
    for key, blob in blobs.items():
        s3.put(key, blob)
    s3.put_many([(f"many/{key}", blob) for key, blob in blobs.items()])
    assert stored.blobs() == {**blobs, **{f"many/{key}": blob for key, blob in blobs.items()}}


OPEN = {
    "rb": {"mode": "rb"},
    "rb unbuffered": {"mode": "rb", "buffering": 0},
    "r+b": {"mode": "r+b"},
}


@pytest.mark.parametrize("how", OPEN.values(), ids=OPEN)
def test_an_open_file_is_stored_whole_and_left_open(s3, stored, tmp_path, how):
    # From its start, as in Metaflow's own class; that closes the file, too, but who opens a file closes it.
    path = tmp_path / "local"
    path.write_bytes(b"0123456789")
    with path.open(**how) as file:
        file.seek(4)
        s3.put("k", file)
        assert not file.closed
    assert stored.blob("k") == b"0123456789"
    assert path.read_bytes() == b"0123456789"


def test_a_bytesio_is_stored_whole_and_left_open(s3, stored):
    buffer = io.BytesIO(b"0123456789")
    buffer.seek(4)
    s3.put("k", buffer)
    assert buffer.getvalue() == b"0123456789"
    assert stored.blob("k") == b"0123456789"


LARGE = noise(PART_SIZE + 12_345)


@contextlib.contextmanager
def pipe_with(data):
    """The bytes that another thread writes into a pipe."""
    reading, writing = os.pipe()

    def write():
        with open(writing, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    with open(reading, "rb") as file:
        yield file
    thread.join()


@pytest.mark.parametrize("data", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_a_pipe_is_stored_in_parts_as_they_come(s3, root, stored, data):
    with pipe_with(data) as pipe:
        assert s3.put("k", pipe, content_type="a/b") == f"{root}/k"
        assert not pipe.closed
    assert stored.blob("k") == data
    assert s3.info("k").content_type == "a/b"
    assert stored.open_uploads() == []


def test_a_gzip_stream_is_stored_decompressed_from_its_beginning(s3, stored):
    with gzip.open(io.BytesIO(gzip.compress(LARGE))) as file:
        file.read(10)
        s3.put("k", file)
    assert stored.blob("k") == LARGE


def test_streams_among_other_values(s3, stored):
    with pipe_with(b"piped") as one, pipe_with(LARGE) as other:
        values = [("a", one), ("b", b"bytes"), ("c", other), ("d", "text"), ("b", b"again")]
        assert [key for key, _ in s3.put_many(values)] == ["a", "b", "c", "d", "b"]
    assert stored.blobs() == {"a": b"piped", "b": b"again", "c": LARGE, "d": b"text"}


@pytest.mark.needs("conditional-writes")
@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_a_stream_does_not_overwrite(s3, root, stored, data):
    stored.put("k", b"of another")
    with pipe_with(data) as pipe:
        assert s3.put_many([("k", pipe), ("new", b"1")], overwrite=False) == [("new", f"{root}/new")]
        pipe.read()
    assert stored.blobs() == {"k": b"of another", "new": b"1"}
    assert stored.open_uploads() == []


@pytest.mark.parametrize("before", [0, PART_SIZE + 1000], ids=["at once", "after a part"])
def test_a_stream_that_fails_stores_nothing(s3, stored, before):
    class Failing:
        def __init__(self):
            self.left = before

        def read(self, amount):
            if amount and not self.left:
                raise ConnectionResetError("of the stream")
            count = min(amount, self.left)
            self.left -= count
            return bytes(count)

    with pytest.raises(ConnectionResetError, match="of the stream"):
        s3.put("k", Failing())
    assert stored.list() == set()
    assert stored.open_uploads() == []


def test_a_second_put_replaces_the_first(s3, stored):
    s3.put("k", b"first and longer", content_type="text/x-first", metadata={"a": 1})
    s3.put("k", b"second")

    assert stored.blob("k") == b"second"
    assert s3.get("k").metadata is None
    assert s3.get("k").content_type != "text/x-first"


@pytest.mark.parametrize("slashes", ["/", "///"])
def test_leading_slashes_of_a_key_are_dropped(s3, root, stored, slashes):
    assert s3.put(slashes + "a/b", b"x") == f"{root}/a/b"
    assert stored.blobs() == {"a/b": b"x"}


def test_no_key_puts_at_the_root(make_s3, root, stored):
    assert make_s3(s3root=f"{root}/single").put("", b"x") == f"{root}/single"
    assert stored.blobs() == {"single": b"x"}


@pytest.mark.parametrize("key", [S3PutObject("k"), SimpleNamespace(key="k")], ids=["S3PutObject", "duck"])
def test_the_key_may_be_an_object_that_has_one(s3, root, stored, key):
    assert s3.put(key, b"x") == f"{root}/k"
    assert stored.blobs() == {"k": b"x"}


def write_only(folder):
    return open(folder / "write-only", "wb")


BAD_VALUES = {
    "None": lambda _: None,
    "number": lambda _: 5,
    "list": lambda _: [b"x"],
    "dict": lambda _: {"a": 1},
    "memoryview of numbers": lambda _: memoryview(array("d", [1.5])),
    "text file": lambda _: io.StringIO("x"),
    "file not readable": write_only,
}


@pytest.mark.parametrize("make_value", BAD_VALUES.values(), ids=BAD_VALUES)
def test_any_other_value_is_an_error_that_names_the_key(s3, stored, tmp_path, make_value):
    value = make_value(tmp_path)
    try:
        with pytest.raises(MetaflowS3InvalidObject, match="the-key"):
            s3.put("the-key", value)
    finally:
        if isinstance(value, io.IOBase):
            value.close()
    assert stored.list() == set()
