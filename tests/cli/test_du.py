"""Tests of ``metaflow fasts3 du``."""

import json
from contextlib import nullcontext

import pytest

from metaflow_extensions.fasts3.cli import du


@pytest.fixture
def filled(stored):
    stored.put_all({"a/1.csv": b"1" * 1000, "a/b/2.csv": b"2" * 1048, "a/b/c/3": b"333", "z": b"zz", "ab": b"ab"})
    return stored


def groups_of(result):
    assert result.exit_code == 0
    assert result.stderr == ""
    return [(one["url"], one["objects"], one["bytes"]) for one in map(json.loads, result.stdout.splitlines())]


def test_objects_and_bytes_below_a_prefix(fasts3, root, filled):
    assert groups_of(fasts3("du", "--json", f"{root}/a")) == [(f"{root}/a", 3, 2051)]
    assert groups_of(fasts3("du", "--json", "--root", root)) == [(f"{root}/", 5, 2055)]


def test_sizes_of_a_pattern(fasts3, root, filled):
    assert groups_of(fasts3("du", "--json", f"{root}/*.csv")) == [(f"{root}/*.csv", 2, 2048)]


def test_for_each_directory(fasts3, root, filled):
    groups = groups_of(fasts3("du", "--json", "--group", f"{root}/"))
    assert groups == groups_of(fasts3("du", "--json", "--depth", "1", f"{root}/"))
    assert groups == [(f"{root}/a/", 3, 2051), (f"{root}/", 5, 2055)]
    assert groups_of(fasts3("du", "--json", "--depth", "2", f"{root}/"))[:2] == [
        (f"{root}/a/", 3, 2051),
        (f"{root}/a/b/", 2, 1051),
    ]
    assert groups_of(fasts3("du", "--json", "--group", f"{root}/a/*"))[0] == (f"{root}/a/b/", 2, 1051)


def test_as_text(fasts3, root, filled):
    assert fasts3("du", f"{root}/a").stdout.split() == ["2051", "3", f"{root}/a"]
    assert fasts3("du", "-h", f"{root}/a").stdout.split() == ["2.0", "KiB", "3", f"{root}/a"]


@pytest.mark.parametrize("arguments", [["{root}/none"], ["{root}/no*"], ["--root", "{root}/none"]])
def test_an_empty_result_is_an_error(fasts3, root, filled, arguments):
    done = fasts3("du", "--json", *(argument.format(root=root) for argument in arguments))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(("Error: No objects under ", "Error: No key matches "))


def test_an_empty_bucket_has_no_bytes(fasts3, monkeypatch):
    monkeypatch.setattr(du, "listed", lambda *_: nullcontext([]))
    assert groups_of(fasts3("du", "--json", "s3://bucket")) == [("s3://bucket/", 0, 0)]


def test_one_url_at_a_time(fasts3, root, here):
    (here / "a").touch()
    (here / "b").touch()
    done = fasts3("du", "--root", root, "a", "b")
    assert done.exit_code == 2
    assert "was a pattern left unquoted?" in done.stderr


def test_nowhere_is_bad_usage(fasts3):
    assert fasts3("du").exit_code == 2


def test_include_and_exclude(fasts3, root, filled):
    assert groups_of(fasts3("du", "--json", "--include", "*.csv", f"{root}/")) == [(f"{root}/", 2, 2048)]
    groups = groups_of(fasts3("du", "--json", "--group", "--exclude", "b/c/*", f"{root}/a"))
    assert groups == [(f"{root}/a/b/", 1, 1048), (f"{root}/a", 2, 2048)]
    assert "--include and --exclude select no object" in fasts3("du", "--exclude", "*", f"{root}/a").stderr
