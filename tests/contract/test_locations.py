"""Locations: `s3root`, full URLs, and the errors for invalid ones."""

import pytest
from case import case
from contract.verbs import DELETES, EVERY, LENIENT_READS, READS, WRITES
from metaflow import S3, FlowSpec, step
from metaflow.datatools.s3 import MetaflowS3URLException


class NotRunning(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


def is_a_sentence(error):
    return len(str(error.value).split()) >= 4


# The arguments of S3()
WRONG = {
    "s3root is http": {"s3root": "http://bucket/prefix"},
    "s3root is a path": {"s3root": "/bucket/prefix"},
    "s3root has no scheme": {"s3root": "bucket/prefix"},
    "s3root is s3 with one slash": {"s3root": "s3:/bucket/prefix"},
    "s3root without a bucket": {"s3root": "s3://"},
    "s3root with an empty bucket": {"s3root": "s3:///prefix"},
    "bucket alone": {"bucket": "bucket"},
    "prefix alone": {"prefix": "prefix"},
    "bucket and prefix without run": {"bucket": "bucket", "prefix": "prefix"},
    "bucket with s3root": {"s3root": "s3://bucket/prefix", "bucket": "other"},
    "prefix with s3root": {"s3root": "s3://bucket/prefix", "prefix": "other"},
    "run is the name of a run": {"run": "Flow/1"},
    "run is a number": {"run": 1},
    "run is a flow that is not running": {"run": NotRunning(use_cli=False)},
    "run with s3root": {"run": NotRunning(use_cli=False), "s3root": "s3://bucket/prefix"},
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG)
def test_wrong_locations(tmproot, arguments):
    with pytest.raises(MetaflowS3URLException) as error:
        S3(tmproot=str(tmproot), **arguments)
    assert is_a_sentence(error)
    assert list(tmproot.iterdir()) == []


OF_OBJECTS = {**READS, **LENIENT_READS, **WRITES, **DELETES}
each_verb = pytest.mark.parametrize("verb", EVERY.values(), ids=EVERY)

NOT_A_URL = {
    "relative key": "some/key",
    "nothing": None,
    "empty": "",
    "other scheme": "http://bucket/key",
    "no bucket": "s3:///key",
    "number": 5,
}


@each_verb
def test_without_a_root_only_full_urls_will_do(tmproot, verb):
    with S3(tmproot=str(tmproot)) as s3:
        for name, key in NOT_A_URL.items():
            with case(name):
                with pytest.raises(MetaflowS3URLException) as error:
                    verb(s3, key)
                assert is_a_sentence(error)


@pytest.mark.parametrize("verb", OF_OBJECTS.values(), ids=OF_OBJECTS)
def test_a_bucket_is_no_object(tmproot, verb):
    with S3(tmproot=str(tmproot)) as s3:
        for url in ("s3://bucket", "s3://bucket/"):
            with case(url):
                with pytest.raises(MetaflowS3URLException) as error:
                    verb(s3, url)
                assert is_a_sentence(error)


@each_verb
def test_with_a_root_only_keys_will_do(tmproot, verb):
    with S3(tmproot=str(tmproot), s3root="s3://bucket/prefix") as s3:
        for key in ("s3://bucket/prefix/key", "s3://other/key", 5):
            with case(key):
                with pytest.raises(MetaflowS3URLException) as error:
                    verb(s3, key)
                assert is_a_sentence(error)
                assert str(key) in str(error.value)


@each_verb
def test_a_key_of_more_than_1024_bytes_is_too_long(tmproot, verb):
    for fill in ("a", "é"):
        key = "prefix/" + fill * ((1026 - len("prefix/")) // len(fill.encode()))
        assert len(key.encode()) in (1025, 1026)
        for s3, name in (
            (S3(tmproot=str(tmproot), s3root="s3://bucket/prefix"), key[len("prefix/") :]),
            (S3(tmproot=str(tmproot)), "s3://bucket/" + key),
        ):
            with case(fill, s3), s3:
                with pytest.raises(MetaflowS3URLException, match=r"1,?024") as error:
                    verb(s3, name)
                assert is_a_sentence(error)


def test_one_wrong_key_of_many_is_found_before_anything_is_done(s3, stored):
    with pytest.raises(MetaflowS3URLException):
        s3.put_many([("a", b"1"), ("s3://bucket/b", b"2")])
    with pytest.raises(MetaflowS3URLException):
        s3.put_files([("a", __file__), ("s3://bucket/b", __file__)])
    assert stored.list() == set()
    stored.put_all({"a": b"1", "dir/x": b"2"})
    with pytest.raises(MetaflowS3URLException):
        s3.delete_many(["a", "s3://bucket/b"])
    with pytest.raises(MetaflowS3URLException):
        s3.delete_recursive(["dir", "s3://bucket/b"])
    assert stored.list() == {"a", "dir/x"}


LISTS = {
    "get_many": lambda s3, keys: s3.get_many(keys),
    "info_many": lambda s3, keys: s3.info_many(keys),
    "get_recursive": lambda s3, keys: s3.get_recursive(keys),
    "list_paths": lambda s3, keys: s3.list_paths(keys),
    "list_recursive": lambda s3, keys: s3.list_recursive(keys),
    "delete_many": lambda s3, keys: s3.delete_many(keys),
    "delete_recursive": lambda s3, keys: s3.delete_recursive(keys),
}


@pytest.mark.parametrize("verb", LISTS.values(), ids=LISTS)
def test_a_string_is_not_a_list_of_keys_of_one_letter(tmproot, verb):
    s3 = S3(tmproot=str(tmproot), s3root="s3://bucket/prefix")
    with s3, pytest.raises(MetaflowS3URLException) as error:
        verb(s3, "some-key")
    assert is_a_sentence(error)
    assert "some-key" in str(error.value)


ROOTS = {
    "as is": "{root}/x y/z",
    "slash at the end": "{root}/x y/z/",
    "slashes at the end": "{root}/x y/z///",
}


@pytest.mark.parametrize("s3root", ROOTS.values(), ids=ROOTS)
def test_s3root(make_s3, root, stored, s3root):
    assert make_s3(s3root=s3root.format(root=root)).put("k", b"v") == f"{root}/x y/z/k"
    assert stored.blobs() == {"x y/z/k": b"v"}


@pytest.mark.parametrize("end", ["", "/"], ids=["s3://bucket", "s3://bucket/"])
def test_s3root_may_be_a_bucket(make_s3, server, stored, end):
    key = stored.prefix + "k"
    s3 = make_s3(s3root=f"s3://{server.bucket}{end}")
    assert s3.put(key, b"v") == f"s3://{server.bucket}/{key}"
    assert s3.put_many([(key + "2", b"v")]) == [(key + "2", f"s3://{server.bucket}/{key}2")]
    assert stored.list() == {"k", "k2"}


def test_keys_of_one_call_may_be_in_several_buckets(bare, root, stored, own_bucket):
    other = f"s3://{own_bucket.bucket}/k"
    bare.put_many([(f"{root}/k", b"here"), (other, b"there")])

    assert (stored.blob("k"), own_bucket.blob("k")) == (b"here", b"there")
    assert [o.blob for o in bare.get_many([other, f"{root}/k", other])] == [b"there", b"here", b"there"]
    assert [o.size for o in bare.info_many([other, f"{root}/k"])] == [5, 4]
    assert [o.url for o in bare.list_recursive([f"s3://{own_bucket.bucket}/", root])] == [other, f"{root}/k"]


def test_an_unknown_argument_is_an_error(tmproot):
    with pytest.raises(TypeError, match="s3_root"):
        S3(tmproot=str(tmproot), s3_root="s3://bucket/prefix")


def test_no_arguments_is_no_location_at_all():
    with S3() as s3, pytest.raises(MetaflowS3URLException):
        s3.get("k")
