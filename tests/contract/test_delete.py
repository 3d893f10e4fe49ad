"""`S3.delete`, `S3.delete_many` and `S3.delete_recursive`: named objects are deleted, and no others."""

import re

import pytest
from case import case
from contract.test_keys import directories_for, keys_for
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3NotFound, MetaflowS3PreconditionFailed, MetaflowS3URLException

TREE = {
    "log/0": b"zero",
    "log/deep/1": b"one",
    "log/deep/er/2": b"",
    "log-1/x": b"a neighbour",
    "log_other/x": b"another",
    "lo": b"shorter",
    "other/log/x": b"elsewhere",
}
LOG = {key for key in TREE if key.startswith("log/")}


@pytest.fixture
def tree(stored):
    stored.put_all(TREE)


# --- One.


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("missing_ok", [True, False])
def test_one_object(s3, stored, missing_ok):
    assert s3.delete("log/0", missing_ok=missing_ok) is None
    assert stored.list() == set(TREE) - {"log/0"}


def test_a_full_url_and_bytes(bare, s3, root, stored):
    stored.put_all({"a": b"", "b": b"", "c": b""})
    bare.delete(f"{root}/a")
    s3.delete(b"b")
    assert stored.list() == {"c"}


def test_missing_keys_are_no_error(s3, stored):
    stored.put("here", b"x")
    s3.delete("nowhere")
    assert s3.delete_many(["nowhere", "not here either"]) == 2
    assert stored.list() == {"here"}


def test_missing_keys_raise_on_request(s3, root, stored, server):
    stored.put("here", b"x")
    with pytest.raises(MetaflowS3NotFound, match=re.escape(f"{root}/nowhere")) as raised:
        s3.delete("nowhere", missing_ok=False)
    assert "HeadObject" in str(raised.value)
    assert server.secret_key not in str(raised.value)
    assert stored.list() == {"here"}


@pytest.mark.needs("delete-of-a-prefix")
@pytest.mark.usefixtures("tree")
def test_a_directory_is_no_object(s3, stored):
    """`delete` never deletes below a prefix; only `delete_recursive` does."""
    for missing in ("log", "log/deep", "l"):
        s3.delete(missing)
    s3.delete_many(["log", "log/deep", "l"])
    assert stored.list() == set(TREE)


# --- Many.


@pytest.mark.usefixtures("tree")
def test_many_objects(s3, bare, root, stored):
    assert s3.delete_many(iter(["log/0", "lo", "log/0", "/log/0"])) == 2
    assert stored.list() == set(TREE) - {"log/0", "lo"}
    assert bare.delete_many([f"{root}/log/deep/1"] * 2) == 1
    assert stored.list() == set(TREE) - {"log/0", "lo", "log/deep/1"}
    assert s3.delete_many([]) == 0
    assert s3.delete_many(["other/log/x"]) == 1


@pytest.mark.needs("bulk-delete-leaves-nothing")
def test_more_than_one_request_takes(s3, stored):
    keys = [f"dir/{number:04}" for number in range(1100)]
    s3.put_many((key, b"") for key in [*keys, "neighbour"])
    assert s3.delete_many([*keys, *keys]) == 1100
    assert stored.list() == {"neighbour"}


def test_several_buckets(bare, root, stored, own_bucket):
    stored.put_all({"a": b"", "b": b"", "c": b""})
    own_bucket.put_all({"a": b"", "b": b"", "c": b""})
    urls = [f"{place}/{key}" for place in (root, f"s3://{own_bucket.bucket}") for key in ("a", "b")]
    assert bare.delete_many(urls) == 4
    assert stored.list() == own_bucket.list() == {"c"}


def test_those_that_are_missing_are_named_and_the_others_deleted(s3, root, stored):
    stored.put_all({"a": b"", "b": b"", "c": b""})
    with pytest.raises(MetaflowS3NotFound) as raised:
        s3.delete_many(["a", "no", "b", "nor\nthis"], missing_ok=False)
    assert stored.list() == {"c"}
    assert set(raised.value.failed) == {f"{root}/no", f"{root}/nor\nthis"}
    assert f"{root}/no:" in str(raised.value)
    assert f"{root}/nor\\nthis:" in str(raised.value)
    assert "2 of 4 objects" in str(raised.value)
    assert s3.delete_many(["c"], missing_ok=False) == 1
    assert stored.list() == set()


def neighbours_of(key):
    """A value that looks like a key."""
    near = {key.strip(), re.sub(r"[\x00-\x1f\x7f-\x9f]", "", key), re.sub(r"\s+", " ", key), key.replace("%20", " ")}
    return {one for one in near if one.strip("/") and one != key} if key.strip("/. ") else set()


WAYS = {
    "delete": lambda s3, key: s3.delete(key),
    "delete_many": lambda s3, key: s3.delete_many([key]),
    "delete_many of several": lambda s3, key: s3.delete_many([key, "gone", "gone too"]),
}


@pytest.mark.needs("bulk-delete-leaves-nothing")
@pytest.mark.parametrize("delete", WAYS.values(), ids=WAYS)
def test_ugly_keys(s3, stored, server, delete):
    """Alone, and with others: similar keys stay."""
    keys, near = [], []
    for number, key in enumerate(keys_for(server)):
        keys.append(f"{number}/{key}")
        near += [f"{number}/{one}" for one in neighbours_of(key)]
    stored.put_all(dict.fromkeys([*keys, *near], b""))
    before = stored.list()
    for key in keys:
        delete(s3, key)
    assert stored.list() == before - set(keys)


# --- All below prefixes.


@pytest.mark.needs("bulk-delete-leaves-nothing")
@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("directory", ["log", "log/", b"log"])
def test_all_below_a_prefix(s3, stored, directory):
    assert s3.delete_recursive([directory]) == len(LOG)
    assert stored.list() == set(TREE) - LOG
    assert s3.delete_recursive([directory]) == 0


@pytest.mark.needs("bulk-delete-leaves-nothing")
@pytest.mark.usefixtures("tree")
def test_a_full_url(bare, root, stored):
    assert bare.delete_recursive([f"{root}/log/deep"]) == 2
    assert stored.list() == set(TREE) - {"log/deep/1", "log/deep/er/2"}
    assert bare.delete_recursive([root]) == len(TREE) - 2
    assert stored.list() == set()


@pytest.mark.needs("bulk-delete-leaves-nothing")
@pytest.mark.usefixtures("tree")
def test_prefixes_may_overlap(s3, stored):
    assert s3.delete_recursive(["log/deep", "log", "nothing", "log/deep/er/", "log"]) == len(LOG)
    assert stored.list() == set(TREE) - LOG
    assert s3.delete_recursive([]) == 0


@pytest.mark.needs("object-beside-prefix")
def test_an_object_that_is_called_as_the_prefix_stays(s3, stored):
    stored.put_all({"log": b"stays", "log/x": b"goes", "log/y": b"goes"})
    assert s3.delete_recursive(["log"]) == 2
    assert stored.blobs() == {"log": b"stays"}


@pytest.mark.needs("trailing-slash-keys", "trailing-slash-beside-prefix")
def test_the_marker_of_a_directory_is_deleted_with_it(s3, stored):
    stored.put_all({"log/": b"", "log/x": b"", "log.": b""})
    assert s3.delete_recursive(["log"]) == 2
    assert stored.list() == {"log."}


@pytest.mark.needs("bulk-delete-leaves-nothing")
def test_several_pages(s3, stored):
    neighbours = {f"dir-/{number}" for number in range(3)}
    s3.put_many((key, b"") for key in [*(f"dir/{number:04}" for number in range(1050)), *neighbours, "dir0/x"])
    assert s3.delete_recursive(["dir", "dir0"]) == 1051
    assert stored.list() == neighbours


@pytest.mark.needs("bulk-delete-leaves-nothing")
def test_ugly_keys_below_a_prefix(s3, stored, server):
    keys = keys_for(server)
    stored.put_all({**{f"dir/{key}": b"x" for key in keys}, "dir/other": b"", "neighbour": b""})
    assert s3.delete_recursive(["dir"]) == len(keys) + 1
    assert stored.list() == {"neighbour"}


def test_ugly_prefixes(s3, stored, server):
    for name in directories_for(server):
        stored.put_all({f"{name}/leaf": b"x", f"{name}x/leaf": b"", "neighbour": b""})
        before = stored.list()
        assert s3.delete_recursive([name]) == 1
        assert stored.list() == before - {f"{name}/leaf"}


# --- What is refused, whatever the root is.

NAMELESS = {"None": None, "empty": "", "slash": "/", "slashes": "//", "no bytes": b""}
CALLS = {
    "delete": lambda s3, key: s3.delete(key),
    "delete_many": lambda s3, key: s3.delete_many(["key", key]),
    "delete_recursive": lambda s3, key: s3.delete_recursive(["key", key]),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@each_call
@pytest.mark.parametrize("root_given", [None, "s3://bucket", "s3://bucket/prefix"])
def test_empty_arguments_delete_nothing(tmproot, call, root_given):
    with S3(tmproot=str(tmproot), s3root=root_given) as s3:
        for name, key in NAMELESS.items():
            with case(name):
                with pytest.raises(MetaflowS3URLException) as raised:
                    call(s3, key)
                assert len(str(raised.value).split()) >= 8


@each_call
@pytest.mark.parametrize("root_given", [None, "s3://bucket", "s3://bucket/prefix"])
def test_no_bucket_is_emptied(tmproot, call, root_given):
    with S3(tmproot=str(tmproot), s3root=root_given) as s3:
        for url in ("s3://bucket", "s3://bucket/", "s3://bucket//", "s3://", b"s3://bucket"):
            with case(url), pytest.raises(MetaflowS3URLException):
                call(s3, url)


def test_there_is_no_default(s3):
    for call in (s3.delete, s3.delete_many, s3.delete_recursive):
        with pytest.raises(TypeError):
            call()


# --- S3Objects: their URLs decide.


@pytest.mark.needs("bulk-delete-leaves-nothing")
@pytest.mark.usefixtures("tree")
def test_listed_objects_are_deleted_by_their_urls(s3, bare, stored):
    stored.put("0", b"not what was listed")
    listed = s3.list_recursive(["log"])
    assert "0" in [one.key for one in listed]
    bare.delete(listed[0])
    assert s3.delete_many(listed) == len(LOG)
    assert stored.list() == {*TREE, "0"} - LOG


@pytest.mark.usefixtures("tree")
def test_a_listed_object_is_no_prefix(s3, stored):
    with pytest.raises(MetaflowS3URLException, match="Pass an S3Object to delete"):
        s3.delete_recursive(s3.list_recursive(["log"]))
    folder = next(one for one in s3.list_paths(["log"]) if not one.exists)
    for call in (lambda: s3.delete(folder), lambda: s3.delete_many([folder])):
        with pytest.raises(MetaflowS3URLException, match="is a directory of a listing"):
            call()
    assert stored.list() == set(TREE)


@pytest.mark.needs("versions", "conditional-deletions-with-versions")
def test_a_listed_version_is_not_the_object(bare, versioned):
    versioned.put("a", b"1")
    url = f"s3://{versioned.bucket}/a"
    [version] = bare.list_versions([url])
    with pytest.raises(MetaflowS3URLException, match="is a version"):
        bare.delete(version)
    bare.delete(bare.get(url))  # adds a delete marker
    assert [one.is_delete_marker for one in bare.list_versions([url])] == [True, False]


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("missing_ok", [True, False])
def test_objects_that_were_read_and_are_still_the_same(s3, stored, missing_ok):
    s3.delete(s3.get("lo"), missing_ok=missing_ok)
    assert s3.delete_many(s3.info_many(["log/0", "log/deep/1"]), missing_ok=missing_ok) == 2
    assert stored.list() == set(TREE) - {"lo", "log/0", "log/deep/1"}


@pytest.mark.needs("conditional-deletions")
@pytest.mark.usefixtures("tree")
def test_an_object_that_was_replaced_since_stays(s3, stored):
    read = s3.info("lo")
    stored.put("lo", b"new")
    with pytest.raises(MetaflowS3PreconditionFailed, match="has been replaced since"):
        s3.delete(read)
    assert stored.list() == set(TREE)


@pytest.mark.needs("conditional-bulk-deletions")
@pytest.mark.usefixtures("tree")
def test_objects_that_were_replaced_since_stay(s3, root, stored):
    read = s3.info_many(["log/0", "lo", "log-1/x"])
    stored.put_all({"lo": b"new", "log-1/x": b"new"})
    stored.delete("log/0")
    with pytest.raises(MetaflowS3PreconditionFailed) as raised:
        s3.delete_many(read)
    assert set(raised.value.failed) == {f"{root}/lo", f"{root}/log-1/x"}
    assert stored.list() == set(TREE) - {"log/0"}


@pytest.mark.usefixtures("tree")
def test_one_invalid_argument_deletes_nothing(s3, stored):
    for call in (lambda: s3.delete_many(["lo", ""]), lambda: s3.delete_recursive(["log", "/"])):
        with pytest.raises(MetaflowS3URLException):
            call()
    assert stored.list() == set(TREE)
