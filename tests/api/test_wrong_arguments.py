"""Invalid arguments raise before anything else happens, and no argument is silently ignored."""

import inspect
import itertools

import pytest
from metaflow import S3
from metaflow.datatools.s3 import (
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3NotFound,
    MetaflowS3URLException,
    S3GetObject,
    S3PutObject,
)

# Each public call with arguments that are all right, but for those that a test adds.
CALLS = {
    "get": ("k",),
    "get_many": (["k"],),
    "get_recursive": (["k"],),
    "get_all": (),
    "iter_many": (["k"],),
    "iter_recursive": (["k"],),
    "iter_list": (["k"],),
    "info": ("k",),
    "info_many": (["k"],),
    "put": ("k", "v"),
    "put_many": ([("k", "v")],),
    "put_files": ([("k", __file__)],),
    "upload": ("tests",),
    "download": ("k", "nowhere"),
    "copy": ("s3://bucket/source", "k"),
    "copy_many": ([("s3://bucket/source", "k")],),
    "copy_recursive": ("s3://bucket/source", "k"),
    "delete": ("k",),
    "delete_many": (["k"],),
}
BOOLEANS = [
    (call, name)
    for call in CALLS
    for name, one in inspect.signature(getattr(S3, call)).parameters.items()
    if isinstance(one.default, bool)
]


@pytest.fixture
def rooted(tmp_path):
    params = {"endpoint_url": "http://127.0.0.1:9", "aws_access_key_id": "k", "aws_secret_access_key": "s"}
    with S3(s3root="s3://bucket/x", client_params=params, tmproot=str(tmp_path)) as client:
        yield client


def test_every_boolean_is_tested():
    public = {name for name, one in vars(S3).items() if callable(one) and not name.startswith("_")}
    inherited = {name for kind in S3.__mro__ for name in vars(kind) if inspect.isfunction(vars(kind)[name])}
    having = {
        name
        for name in public | inherited
        if not name.startswith("_")
        and any(isinstance(one.default, bool) for one in inspect.signature(getattr(S3, name)).parameters.values())
    }
    assert having - {"get_root_from_config"} == {call for call, _ in BOOLEANS}


@pytest.mark.parametrize(("call", "name"), BOOLEANS)
def test_a_boolean_is_a_bool(rooted, call, name):
    for given in ("no", 1, 0, None, "", [False]):
        with pytest.raises(MetaflowS3Exception, match=rf"^{name} is .*\. Give True or False\.$"):
            getattr(rooted, call)(*CALLS[call], **{name: given})


@pytest.mark.parametrize("metadata", ["a", ["a"], ("a",), 5, True, "", [], {"a"}])
def test_metadata_is_a_dict(rooted, metadata):
    for store in (
        lambda: rooted.put("k", "v", metadata=metadata),
        lambda: rooted.put_many([S3PutObject("k", "v", metadata=metadata)]),
        lambda: rooted.put_files([S3PutObject("k", path=__file__, metadata=metadata)]),
    ):
        with pytest.raises(MetaflowS3InvalidObject, match=r"metadata of 'k'.* Give a dict"):
            store()


@pytest.mark.parametrize("item", [("a", "b", "c"), ["a", "b", "c"], ("a",), (), {"a": 1, "b": 2}, {"a", "b"}, "ab", 5])
def test_longer_tuples_are_not_truncated_to_pairs(rooted, item):
    for store in (rooted.put_many, rooted.put_files):
        with pytest.raises(MetaflowS3InvalidObject, match=r"is not a pair\. Give \(key, .* content type and metadata"):
            store([item])


def test_a_value_beside_another_one_is_not_dropped(rooted):
    both = S3PutObject("k", value="v", path=__file__)
    for store in (lambda: rooted.put_many([both]), lambda: rooted.put_files([both])):
        with pytest.raises(MetaflowS3InvalidObject, match=r"'k' has both a value and a path"):
            store()
    for key in (S3PutObject("k", value="one"), S3PutObject("k", path=__file__)):
        with pytest.raises(MetaflowS3InvalidObject, match=r"'k' has a value or path that differs"):
            rooted.put(key, "another")


WRONG_TWICE = {
    "put": (MetaflowS3InvalidObject, lambda s3: s3.put("a", 1)),
    "put, metadata": (MetaflowS3InvalidObject, lambda s3: s3.put("a", "v", metadata="m")),
    "put_many": (MetaflowS3InvalidObject, lambda s3: s3.put_many([("a", 1)])),
    "put_many, the second": (MetaflowS3InvalidObject, lambda s3: s3.put_many([("a", "v"), ("b", 1)])),
    "put_files": (MetaflowS3NotFound, lambda s3: s3.put_files([("a", "/no/such/file")])),
    "get": (MetaflowS3InvalidRange, lambda s3: s3.get(S3GetObject("a", -1))),
    "get_many": (MetaflowS3InvalidRange, lambda s3: s3.get_many(["a", S3GetObject("b", 0, "5")])),
    "iter_many": (MetaflowS3InvalidRange, lambda s3: next(s3.iter_many([S3GetObject("a", -1)]))),
    "info": (MetaflowS3Exception, lambda s3: s3.info("a", return_missing="no")),
    "info_many": (MetaflowS3Exception, lambda s3: s3.info_many(["a"], return_missing=1)),
    "delete": (MetaflowS3Exception, lambda s3: s3.delete("a", missing_ok=1)),
}


@pytest.mark.parametrize(("error", "call"), WRONG_TWICE.values(), ids=WRONG_TWICE)
@pytest.mark.parametrize("rate", [0, 90])
def test_a_wrong_value_is_raised_before_a_wrong_url(error, call, rate):
    with S3(inject_failure_rate=rate) as without_root, pytest.raises(error):
        call(without_root)


def test_then_the_wrong_url_is():
    with S3() as without_root:
        for call in (lambda: without_root.put("a", "b"), lambda: without_root.put_many([("a", "b")])):
            with pytest.raises(MetaflowS3URLException):
                call()


@pytest.mark.parametrize("directory", ["s3://bucket/k", "s3:/bucket/k", b"s3://bucket/k"])
def test_no_directory_is_made_for_a_url(rooted, tmp_path, monkeypatch, directory):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MetaflowS3URLException, match="looks like a URL, but must be a local directory"):
        rooted.download("k", directory)
    assert list(tmp_path.iterdir()) == []


def test_no_directory_is_made_for_a_tilde(rooted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (lambda: rooted.download("k", "~/there"), lambda: S3(tmproot="~/tmp")):
        with pytest.raises(MetaflowS3Exception, match=r"The directory '~/.*expanduser"):
            call()
    with pytest.raises(MetaflowS3NotFound, match=r"'~/there' is not a local directory.*expanduser"):
        rooted.upload("~/there")
    assert not (tmp_path / "~").exists()


def test_a_generator_is_not_read_with_an_invalid_argument(rooted):
    with pytest.raises(MetaflowS3Exception, match="overwrite"):
        rooted.put_many(((str(number), "v") for number in itertools.count()), overwrite="no")
