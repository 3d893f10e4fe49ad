"""Tests of the arguments URL and key, and of --run and --root."""

import metaflow.metaflow_config as configuration
import pytest
from metaflow._vendor import click
from metaflow.datatools.s3 import MetaflowS3URLException

from metaflow_extensions.fasts3.api.location import Location
from metaflow_extensions.fasts3.cli.selection import location_from, select, unquoted_hint

NOWHERE = Location()
ROOT = Location("s3://bucket/ro[o]t")
AN_ARN = "arn:aws:s3:eu-west-1:123456789012:accesspoint/x"


@pytest.mark.parametrize(
    ("text", "place", "bucket", "key", "listed"),
    [
        ("s3://b/a/x", NOWHERE, "b", "a/x", "a/x/"),
        ("s3://b/a/", NOWHERE, "b", "a/", "a/"),
        ("s3://b", NOWHERE, "b", "", ""),
        ("s3://b//a", NOWHERE, "b", "/a", "/a/"),
        ("/a", Location("s3://b//r"), "b", "/r/a", "/r/a/"),
        ("s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/x/a", NOWHERE, AN_ARN, "a", "a/"),
        ("a", Location(f"s3://{AN_ARN}"), AN_ARN, "a", "a/"),
        ("s3://b/a]", NOWHERE, "b", "a]", "a]/"),
        ("s3://b/a[", NOWHERE, "b", "a[", "a[/"),
        ("x", ROOT, "bucket", "ro[o]t/x", "ro[o]t/x/"),
        ("", ROOT, "bucket", "ro[o]t/", "ro[o]t/"),
        ("/", ROOT, "bucket", "ro[o]t/", "ro[o]t/"),
        ("x", Location("s3://b"), "b", "x", "x/"),
    ],
)
def test_a_url_without_wildcards_is_a_key_or_a_directory(text, place, bucket, key, listed):
    selection = select(text, place)
    assert (selection.bucket, selection.key, selection.pattern, selection.prefix) == (bucket, key, None, listed)


@pytest.mark.parametrize(
    ("text", "prefix", "folder", "fits", "does_not"),
    [
        ("s3://b/data/*.csv", "data/", "data/", ["data/a.csv", "data/x/y.csv", "data/.csv"], ["data/a.csv.gz", "d"]),
        ("s3://b/data/lo?", "data/lo", "data/", ["data/log", "data/lo/"], ["data/lo", "data/logs"]),
        ("s3://b/[ab]/x", "", "", ["a/x", "b/x"], ["c/x", "[ab]/x"]),
        ("s3://b/[!a]x", "", "", ["bx"], ["ax"]),
        ("s3://b/a.b*", "a.b", "", ["a.b", "a.bc"], ["aXb"]),
        ("s3://b/*\n", "", "", ["x\n", "x\ny\n"], ["x"]),
    ],
)
def test_wildcards_are_those_of_a_shell_and_match_slashes(text, prefix, folder, fits, does_not):
    selection = select(text, NOWHERE)
    assert (selection.prefix, selection.folder) == (prefix, folder)
    assert [key for key in [*fits, *does_not] if selection.matches(key)] == fits


def test_only_what_is_given_has_wildcards_and_not_the_place():
    selection = select("*.csv", ROOT)
    assert selection.prefix == "ro[o]t/"
    assert selection.matches("ro[o]t/a.csv")
    assert not selection.matches("root/a.csv")


def test_raw_takes_wildcards_as_they_are():
    selection = select("s3://b/what?[1]*", NOWHERE, raw=True)
    assert (selection.key, selection.pattern) == ("what?[1]*", None)


def test_the_place_of_a_run_is_that_of_its_data(monkeypatch):
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", "s3://b/data")
    assert location_from("MyFlow/12", None).root == "s3://b/data/MyFlow/12"
    assert select("x", location_from("MyFlow/12", None)).url == "s3://b/data/MyFlow/12/x"


def test_a_run_without_a_configured_place_is_one_sentence(monkeypatch):
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", None)
    with pytest.raises(MetaflowS3URLException, match=r"DATATOOLS_S3ROOT is not configured.* `metaflow fasts3 serve`"):
        location_from("MyFlow/12", None)


@pytest.mark.parametrize("run", ["MyFlow", "MyFlow/", "/1", "MyFlow/1/start", "", "My Flow/1"])
def test_an_invalid_run_raises(run):
    with pytest.raises(click.UsageError, match="name of a flow and the id of a run"):
        location_from(run, None)


def test_two_places_are_refused():
    with pytest.raises(click.UsageError, match="can't be combined"):
        location_from("MyFlow/1", "s3://b/x")


def test_a_key_without_a_place_is_refused():
    with pytest.raises(click.UsageError, match="'data/x' is not a full URL"):
        select("data/x", NOWHERE)


def test_a_full_url_below_a_place_is_refused():
    with pytest.raises(click.UsageError, match="is a full URL"):
        select("s3://b/x", ROOT)


@pytest.mark.parametrize("root", ["data", "/data", "S3://b", "s3://", "s3://no bucket/x"])
def test_a_root_that_is_no_place_is_bad_usage_and_named(root):
    with pytest.raises(click.UsageError, match=r"--root is .*not a location in S3"):
        location_from(None, root)


def test_a_setting_that_is_no_place_is_named(monkeypatch):
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", "metaflow/data")
    with pytest.raises(MetaflowS3URLException, match=r"'metaflow/data' has no bucket.* METAFLOW_DATATOOLS_S3ROOT="):
        location_from("MyFlow/12", None)


@pytest.mark.parametrize(
    ("texts", "looks"),
    [
        (["a", "b"], True),
        (["a", "folder/c"], True),
        (["a"], False),
        (["a", "none"], False),
        (["a", ""], False),
        (["a", "s3://b/x"], False),
        ([], False),
    ],
)
def test_names_of_local_files_look_like_a_pattern_without_quotes(tmp_path, monkeypatch, texts, looks):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in ("a", "b", "folder/c"):
        (tmp_path / name).touch()
    assert bool(unquoted_hint(texts)) is looks
    assert not unquoted_hint([str(tmp_path / "a"), str(tmp_path / "b")])
