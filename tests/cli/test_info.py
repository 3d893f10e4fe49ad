"""Tests of ``metaflow fasts3 info``."""

import json

import pytest
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3AccessDenied

from metaflow_extensions.fasts3.plans.unchanged import FILE
from metaflow_extensions.fasts3.wire.conditions import MARK


@pytest.fixture
def filled(stored):
    stored.put("a", b"a" * 2048, ContentType="text/plain", Metadata={"who": "me"})
    stored.put("b", b"b")
    return stored


def test_the_headers_of_an_object(fasts3, root, filled):
    (info,) = map(json.loads, fasts3("info", "--json", f"{root}/a").stdout.splitlines())
    head = filled.head("a")
    assert info == {
        "url": f"{root}/a",
        "size": 2048,
        "type": "text/plain",
        "etag": head["ETag"],
        "modified": head["LastModified"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "encryption": None,
        "metadata": {"who": "me"},
    }


def test_as_text(fasts3, root, filled):
    shown = fasts3("info", f"{root}/a").stdout.splitlines()
    assert shown[0] == f"{root}/a"
    assert [line.split(maxsplit=1) for line in shown[1:3]] == [["size", "2048 (2.0 KiB)"], ["type", "text/plain"]]
    assert shown[-1].split(maxsplit=1) == ["metadata", '{"who": "me"}']
    assert not any("encryption" in line for line in shown)


def test_metadata_of_ours_is_as_it_was_given(fasts3, root, here):
    with S3(s3root=root) as s3:
        s3.put("k", b"", metadata={"epoch": 3, "of": ["x"]})
    (info,) = map(json.loads, fasts3("info", "--json", "--root", root, "k").stdout.splitlines())
    assert info["metadata"] == {"epoch": 3, "of": ["x"]}


def test_metadata_for_unchanged_files_is_not_shown(fasts3, root, here, stored):
    (here / "a").write_bytes(b"a")
    assert fasts3("put", "a", f"{root}/").exit_code == 0
    assert FILE in stored.head("a")["Metadata"]
    assert "metadata" not in fasts3("info", f"{root}/a").stdout
    assert json.loads(fasts3("info", "--json", f"{root}/a").stdout)["metadata"] == {}


def test_the_mark_of_a_conditional_upload_is_not_shown(fasts3, root, here, stored):
    (here / "a").write_bytes(b"a")
    assert fasts3("put", "--no-overwrite", "a", f"{root}/a").exit_code == 0
    assert MARK in stored.head("a")["Metadata"]
    assert json.loads(fasts3("info", "--json", f"{root}/a").stdout)["metadata"] == {}


def test_several_and_patterns(fasts3, root, filled):
    shown = [
        json.loads(line) for line in fasts3("info", "--json", "--root", root, "b", "a", "[ab]").stdout.splitlines()
    ]
    assert [one["url"][-1] for one in shown] == ["b", "a", "a", "b"]


def test_missing_objects_are_named_and_the_others_shown(fasts3, root, filled):
    done = fasts3("info", f"{root}/a", f"{root}/none", f"{root}/x*")
    assert done.exit_code == 1
    assert done.stdout.startswith(f"{root}/a\n")
    assert done.stderr == f"Error: There is no object {root}/none. No key matches {root}/x*.\n"


def test_a_bucket_alone_is_refused(fasts3, server):
    done = fasts3("info", f"s3://{server.bucket}")
    assert done.exit_code == 1
    assert "has no key, only a bucket" in done.stderr


def test_a_directory_is_named_in_the_error(fasts3, root, stored):
    stored.put("a/b", b"")
    done = fasts3("info", f"{root}/a", f"{root}/none")
    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: There is no object {root}/a, but a directory of that name: see `metaflow fasts3 ls {root}/a/`. "
        f"There is no object {root}/none.\n"
    )


def test_a_missing_permission_to_list_is_named(fasts3, root, stored, monkeypatch):
    def refuse(*_):
        raise MetaflowS3AccessDenied("no")

    monkeypatch.setattr(S3, "_pages", refuse)
    assert fasts3("info", f"{root}/a").stderr == f"Error: There is no object {root}/a.\n"


def test_many_missing_objects_are_only_counted(fasts3, root, stored):
    stored.put("a/b", b"")
    done = fasts3("info", "--root", root, *"abcde")
    assert done.stderr.count("There is no object") == 5
    assert "directory" not in done.stderr


def test_an_empty_argument_is_refused(fasts3, root):
    done = fasts3("info", "--root", root, "")
    assert done.exit_code == 2
    assert "An argument is empty" in done.stderr


def test_include_and_exclude(fasts3, root, filled):
    shown = fasts3("info", "--json", "--include", "a", f"{root}/[ab]").stdout.splitlines()
    assert [json.loads(line)["url"] for line in shown] == [f"{root}/a"]
    assert fasts3("info", "--include", "a", f"{root}/a").exit_code == 2
