"""Tests of locations and URLs, without a server."""

from pathlib import PurePosixPath

import metaflow.metaflow_config as configuration
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metaflow import S3

from metaflow_extensions.fasts3.api.errors import MetaflowS3URLException
from metaflow_extensions.fasts3.api.location import Location, as_directory, location_of, split_object_url, split_url

ARNS = [
    "arn:aws:s3:eu-west-1:123456789012:accesspoint/my.point",
    "arn:aws:s3:eu-west-1:123456789012:accesspoint:my-point",
    "arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint/x",
    "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
    "arn:aws:s3::123456789012:accesspoint:mfzwi23gnjvgw.mrap",
    "arn:aws:s3-object-lambda:eu-west-1:123456789012:accesspoint/x",
    "arn:aws:s3-outposts:eu-west-1:123456789012:outpost/op-01ac5d28a6a232904/accesspoint/x",
    "arn:aws:s3-outposts:eu-west-1:123456789012:outpost:op-01ac5d28a6a232904:accesspoint:x",
]


class Run:
    """The public attributes of a Run object."""

    def __init__(self, pathspec="Flow/12"):
        self.pathspec = pathspec


@pytest.fixture(autouse=True)
def configured(monkeypatch):
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", "s3://configured/data/")


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=100))
def test_any_key_is_returned_unchanged(key):
    assert split_url(f"s3://bucket/{key}") == ("bucket", key)
    key = key.lstrip("/") or "k"
    assert split_url(Location("s3://bucket/root").url(key)) == ("bucket", f"root/{key}")


@pytest.mark.parametrize(
    ("arguments", "root"),
    [
        ((None, None, None, None), None),
        ((None, None, None, ""), None),
        ((None, None, None, "s3://bucket"), "s3://bucket"),
        ((None, None, None, "s3://bucket/"), "s3://bucket"),
        ((None, None, None, "s3://bucket/a/b/"), "s3://bucket/a/b"),
        ((None, None, None, "s3://bucket//a//"), "s3://bucket//a"),
        ((None, None, None, f"s3://{ARNS[0]}/a/"), f"s3://{ARNS[0]}/a"),
        ((ARNS[0], "//a/", Run(), None), f"s3://{ARNS[0]}/a/Flow/12"),
        ((None, None, None, b"s3://bucket/a"), "s3://bucket/a"),
        ((None, None, Run(), None), "s3://configured/data/Flow/12"),
        (("other", None, Run(), None), "s3://other/data/Flow/12"),
        ((None, "/other/prefix/", Run(), None), "s3://configured/other/prefix/Flow/12"),
        (("other", "prefix", Run(), None), "s3://other/prefix/Flow/12"),
    ],
)
def test_the_places_that_arguments_mean(arguments, root):
    assert location_of(*arguments).root == root


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((None, None, Run(), "s3://bucket"), "Use one of them"),
        (("bucket", None, None, None), "Use s3root='s3://bucket/prefix' instead"),
        ((None, "prefix", None, None), "latest_run"),
        ((None, None, None, "bucket/prefix"), "begins with s3://"),
        ((None, None, None, "s3:///prefix"), "has no bucket"),
        ((None, None, None, 5), "not 5"),
        ((None, None, "Flow/12", None), "Run('Name/id')"),
        ((None, None, Run("Flow"), None), "Run('Name/id')"),
        ((None, None, Run("Flow/12/step"), None), "Run('Name/id')"),
        (("s3://bucket/prefix", None, Run(), None), "name of a bucket only"),
    ],
)
def test_the_error_of_misuse_has_a_remedy(arguments, sentence):
    with pytest.raises(MetaflowS3URLException) as raised:
        location_of(*arguments)
    assert sentence in str(raised.value)


@pytest.mark.parametrize("arn", ARNS)
def test_the_arn_of_an_access_point_is_a_bucket(arn):
    """Each as its documentation writes it, with colons or slashes, and as the console copies it."""
    assert split_url(f"s3://{arn}") == (arn, "")
    assert split_url(f"s3://{arn}/object/accesspoint/k") == (arn, "object/accesspoint/k")
    assert split_url(f"s3://{arn}//k") == (arn, "/k")
    assert split_object_url(Location(f"s3://{arn}/a").url("k")) == (arn, "a/k")


@pytest.mark.parametrize("place", ["s3://configured//data", f"s3://{ARNS[0]}/data"])
def test_the_configured_place_is_the_one_that_is_written(monkeypatch, place):
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", place)
    assert location_of(None, None, Run(), None).root == f"{place}/Flow/12"


def test_the_error_for_a_run_without_a_root_names_the_variable(monkeypatch):
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", None)
    with pytest.raises(MetaflowS3URLException, match="METAFLOW_DATATOOLS_S3ROOT"):
        location_of(None, None, Run(), None)
    assert location_of("bucket", "prefix", Run(), None).root == "s3://bucket/prefix/Flow/12"


@pytest.mark.parametrize(
    ("root", "key", "url"),
    [
        ("s3://b/r", None, "s3://b/r"),
        ("s3://b/r", "", "s3://b/r"),
        ("s3://b/r", "//", "s3://b/r"),
        ("s3://b/r", "k", "s3://b/r/k"),
        ("s3://b/r", "//k", "s3://b/r/k"),
        ("s3://b", "k/", "s3://b/k/"),
        (None, "s3://b/k?x#y", "s3://b/k?x#y"),
        (None, "s3://b//k", "s3://b//k"),
    ],
)
def test_urls_of_keys(root, key, url):
    assert Location(root).url(key) == url


@pytest.mark.parametrize(
    ("root", "key", "sentence"),
    [
        (None, None, "No key was given"),
        (None, "relative", "'s3root' or 'run'"),
        (None, "http://b/k", "not a full s3:// URL"),
        ("s3://b", "s3://b/k", "Don't use absolute S3 URLs"),
        ("s3://b", ["k"], "A key must be a string, not list"),
        ("s3://b", 5, "A key must be a string, not int"),
        ("s3://b", PurePosixPath("a/b"), "PurePosixPath('a/b'). Convert it to a string with slashes"),
        (None, PurePosixPath("s3://b/k"), "PurePosixPath('s3:/b/k'). Convert it to a string with slashes"),
    ],
)
def test_keys_that_do_not_go_with_the_root(root, key, sentence):
    with pytest.raises(MetaflowS3URLException) as raised:
        Location(root).url(key)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("s3://b/" + "k" * 1025, "has 1025 bytes"),
        ("s3://b/" + "é" * 513, "has 1026 bytes"),
        ("s3:///k", "has no bucket"),
        ("b/k", "has no bucket"),
        ("s3://b/\ud800", "not valid Unicode"),
        ("s3://b", "has no key, only a bucket"),
        (f"s3://{ARNS[0]}/", "has no key, only a bucket"),
    ],
)
def test_urls_of_no_object(url, sentence):
    with pytest.raises(MetaflowS3URLException) as raised:
        split_object_url(url)
    assert sentence in str(raised.value)


def test_the_longest_key_is_taken():
    assert split_object_url("s3://b/" + "é" * 512) == ("b", "é" * 512)


def test_a_directory_has_one_slash_more_unless_it_has_one():
    assert as_directory("s3://b") == "s3://b/"
    assert as_directory("s3://b/a/") == "s3://b/a/"


@pytest.mark.parametrize(
    "refused",
    [
        split_url,
        lambda name: split_url(f"s3://bucket/{name * 1000}"),
        lambda name: split_object_url(f"{name}/"),
        lambda name: Location().url(name),
        lambda name: Location("s3://bucket/root").url(f"s3://bucket/{name}"),
    ],
)
def test_names_do_not_steer_a_terminal(refused):
    with pytest.raises(MetaflowS3URLException) as raised:
        refused("\x1b[2J")
    assert "\x1b" not in str(raised.value)
    assert "\\x1b[2J" in str(raised.value)


@pytest.mark.parametrize("key", ["", None])
def test_no_key_leaves_the_run(key):
    assert Location("s3://b/p/Flow/1", is_run=True).url(key) == "s3://b/p/Flow/1"
    with pytest.raises(MetaflowS3URLException, match=r"which is not part of the run's data\. Give a key\."):
        Location("s3://b/p/Flow/1", is_run=True).url_to_store(key)
    assert Location("s3://b/p").url_to_store(key) == "s3://b/p"


def test_a_root_in_the_place_of_the_temporary_directory_is_refused():
    with pytest.raises(MetaflowS3URLException, match=r"'s3://b/x' is an S3 URL\. Use S3\(s3root=\.\.\.\)\."):
        S3("s3://b/x")
