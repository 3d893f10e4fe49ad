"""`S3.put_files`: many local files, with results in the order given."""

from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest
from metaflow.datatools.s3 import MetaflowS3NotFound, S3PutObject

BLOBS = {"one": b"1", "two": b"22", "empty": b""}


@pytest.fixture
def local(tmp_path: Path) -> Path:
    folder = tmp_path / "local"
    folder.mkdir()
    for name, blob in BLOBS.items():
        (folder / name).write_bytes(blob)
    return folder


def test_pairs_of_key_and_url_in_the_order_given(s3, root, stored, local):
    uploaded = s3.put_files([(f"k/{name}", str(local / name)) for name in ("two", "empty", "one")])

    assert uploaded == [(f"k/{name}", f"{root}/k/{name}") for name in ("two", "empty", "one")]
    assert stored.blobs() == {f"k/{name}": blob for name, blob in BLOBS.items()}


def test_full_urls(bare, root, stored, local):
    url = f"{root}/a"
    assert bare.put_files([(url, str(local / "one"))]) == [(url, url)]
    assert stored.blobs() == {"a": b"1"}


def test_the_key_is_returned_as_given(s3, root, local):
    assert s3.put_files([("//a", str(local / "one"))]) == [("//a", f"{root}/a")]


Pair = namedtuple("Pair", "key path")
Rich = namedtuple("Rich", "key path content_type metadata")

WAYS = {
    "tuple": (lambda path: ("k", str(path)), False),
    "list": (lambda path: ["k", str(path)], False),
    "pathlib": (lambda path: ("k", path), False),
    "named pair": (lambda path: Pair("k", str(path)), False),
    "named tuple with info": (lambda path: Rich("k", str(path), "text/x-a", {"n": 1}), True),
    "S3PutObject": (lambda path: S3PutObject("k", path=str(path)), False),
    "S3PutObject with info": (
        lambda path: S3PutObject("k", path=str(path), content_type="text/x-a", metadata={"n": 1}),
        True,
    ),
    "duck": (
        lambda path: SimpleNamespace(key="k", value=None, path=str(path), content_type="text/x-a", metadata={"n": 1}),
        True,
    ),
}


@pytest.mark.parametrize(("way", "has_info"), WAYS.values(), ids=WAYS)
def test_accepted_pairs_of_key_and_path(s3, root, stored, local, way, has_info):
    assert s3.put_files([way(local / "two")]) == [("k", f"{root}/k")]

    assert stored.blobs() == {"k": b"22"}
    got = s3.info("k")
    assert got.metadata == ({"n": 1} if has_info else None)
    assert (got.content_type == "text/x-a") is has_info


@pytest.mark.parametrize("shape", [tuple, iter], ids=["tuple", "iterator"])
def test_pairs_may_be_any_iterable(s3, stored, local, shape):
    s3.put_files(shape([("a", str(local / "one")), ("b", str(local / "two"))]))
    assert stored.blobs() == {"a": b"1", "b": b"22"}


@pytest.mark.parametrize("none", [[], (), iter([])], ids=["list", "tuple", "iterator"])
def test_nothing_to_put(s3, stored, none):
    assert s3.put_files(none) == []
    assert stored.list() == set()


def test_one_file_under_many_keys(s3, stored, local):
    keys = [f"copy/{number:03}" for number in range(120)]
    assert [key for key, _ in s3.put_files((key, str(local / "two")) for key in keys)] == keys
    assert stored.list() == set(keys)
    assert {o.blob for o in s3.get_many(keys)} == {b"22"}


def test_local_files_are_left_as_they_are(s3, local):
    s3.put_files([(name, str(local / name)) for name in BLOBS])
    s3.close()
    assert {path.name: path.read_bytes() for path in local.iterdir()} == BLOBS


def test_a_relative_path_is_relative_to_the_working_directory(s3, stored, local, monkeypatch):
    monkeypatch.chdir(local)
    s3.put_files([("a", "one"), ("b", "./../local/two")])
    assert stored.blobs() == {"a": b"1", "b": b"22"}


def test_a_symbolic_link_is_followed(s3, stored, local):
    (local / "link").symlink_to(local / "two")
    s3.put_files([("k", str(local / "link"))])
    assert stored.blobs() == {"k": b"22"}


@pytest.mark.parametrize("name", ["with space", "new\nline", "grüße 🦄", "%41#?&", "-dash", "quote'\""])
def test_local_names_of_every_kind(s3, stored, local, name):
    (local / name).write_bytes(b"ugly")
    s3.put_files([("k", str(local / name))])
    assert stored.blobs() == {"k": b"ugly"}


def test_keys_are_independent_of_local_file_names(s3, stored, local):
    s3.put_files([("two", str(local / "one")), ("one", str(local / "two"))])
    assert stored.blobs() == {"two": b"1", "one": b"22"}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_missing_local_file_is_an_error_before_anything_is_uploaded(s3, stored, local, place):
    pairs = [("a", str(local / "one")), ("b", str(local / "two"))]
    pairs.insert(place, ("c", str(local / "not-there")))
    with pytest.raises(MetaflowS3NotFound) as error:
        s3.put_files(pairs)
    assert str(local / "not-there") in str(error.value)
    assert stored.list() == set()


def test_a_link_to_nowhere_is_a_missing_local_file(s3, stored, local):
    (local / "link").symlink_to(local / "not-there")
    with pytest.raises(MetaflowS3NotFound, match="link"):
        s3.put_files([("k", str(local / "link"))])
    assert stored.list() == set()
