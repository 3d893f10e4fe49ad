"""Tests of ``metaflow fasts3 sync``: in all directions, what is new or changed is transferred, and the rest left."""

import json
import os
import re

import pytest
from servers import faults
from servers.faulty import FaultyS3

TREE = {"1.csv": b"1", "b/2.csv": b"22", "b/3.txt": b"3"}


@pytest.fixture
def local(here):
    write(here / "local", TREE)
    return here / "local"


@pytest.fixture
def remote(stored):
    stored.put_all({f"r/{name}": blob for name, blob in TREE.items()})
    return stored


def write(folder, tree):
    for name, blob in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(blob)


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def below(stored, prefix):
    return {key[len(prefix) :]: blob for key, blob in stored.blobs().items() if key.startswith(prefix)}


# --- Each direction.


@pytest.mark.parametrize("slash", ["", "/", "/*"])
def test_a_directory_to_s3(fasts3, root, stored, local, slash):
    target = f"{root}/r{slash.rstrip('*')}"
    assert re.fullmatch(r"Uploaded 3 files in [0-9.]+ s\.\n", fasts3("sync", "local", target).stderr)
    assert below(stored, "r/") == TREE
    assert fasts3("sync", "local", target).stderr == "Uploaded 0 files; 3 unchanged.\n"
    write(local, {"1.csv": b"new", "new": b"new"})
    (local / "b" / "3.txt").unlink()
    done = fasts3("sync", "local/", target)
    assert re.fullmatch(r"Uploaded 2 files in [0-9.]+ s; 1 unchanged\.\n", done.stderr)
    assert below(stored, "r/") == {**files(local), "b/3.txt": b"3"}
    done = fasts3("sync", "local", target, "--delete")
    assert done.stderr == "Uploaded 0 files; 3 unchanged; deleted 1 object.\n"
    assert below(stored, "r/") == files(local)


@pytest.mark.parametrize("slash", ["", "/", "/*"])
def test_a_prefix_to_a_directory(fasts3, here, root, remote, slash):
    source = f"{root}/r{slash}"
    assert re.fullmatch(r"Downloaded 3 objects, 4 bytes, in [0-9.]+ s\.\n", fasts3("sync", source, "down").stderr)
    assert files(here / "down") == TREE
    assert fasts3("sync", source, "down").stderr == "Downloaded 0 objects; 3 unchanged.\n"
    remote.put_all({"r/1.csv": b"new", "r/new": b"new"})
    write(here / "down", {"extra": b"", "b/4.txt": b""})
    done = fasts3("sync", source, "down")
    assert re.fullmatch(r"Downloaded 2 objects, 6 bytes, in [0-9.]+ s; 2 unchanged\.\n", done.stderr)
    assert files(here / "down") == {**below(remote, "r/"), "extra": b"", "b/4.txt": b""}
    done = fasts3("sync", source, "down", "--delete")
    assert done.stderr == "Downloaded 0 objects; 4 unchanged; deleted 2 files.\n"
    assert files(here / "down") == below(remote, "r/")


@pytest.mark.parametrize("slash", ["", "/", "/*"])
def test_a_prefix_to_another(fasts3, root, remote, slash):
    source, target = f"{root}/r{slash}", f"{root}/copy"
    assert re.fullmatch(r"Copied 3 objects in [0-9.]+ s\.\n", fasts3("sync", source, target).stderr)
    assert below(remote, "copy/") == TREE
    assert fasts3("sync", source, target).stderr == "Copied 0 objects; 3 unchanged.\n"
    remote.put_all({"r/1.csv": b"new", "r/new": b"new", "copy/extra": b"", "copy2/x": b""})
    done = fasts3("sync", source, target, "--delete")
    assert re.fullmatch(r"Copied 2 objects in [0-9.]+ s; 2 unchanged; deleted 1 object\.\n", done.stderr)
    assert below(remote, "copy/") == below(remote, "r/")
    assert "copy2/x" in remote.list()


def test_patterns_choose_what_is_transferred_and_deleted(fasts3, here, root, remote, local):
    remote.put_all({"up/x.log": b"", "up/x.csv": b"", "copy/x.log": b"", "copy/x.csv": b""})
    write(here / "down", {"x.log": b"", "x.csv": b""})
    options = ["--delete", "--include", "*.csv", "--include", "*.txt", "--exclude", "b/3*"]
    for source, target in (("local", f"{root}/up"), (f"{root}/r", "down"), (f"{root}/r", f"{root}/copy")):
        assert fasts3("sync", source, target, *options).exit_code == 0
    expected = {"1.csv": b"1", "b/2.csv": b"22", "x.log": b""}
    assert below(remote, "up/") == files(here / "down") == below(remote, "copy/") == expected


def test_headers_of_what_is_stored(fasts3, root, remote, local):
    options = ["--cache-control", "no-cache", "--content-type", "text/x-new"]
    for source, target in (("local", f"{root}/up"), (f"{root}/r", f"{root}/copy")):
        assert fasts3("sync", source, target, *options).exit_code == 0
    for key in ("up/1.csv", "copy/1.csv"):
        assert (remote.head(key)["CacheControl"], remote.head(key)["ContentType"]) == ("no-cache", "text/x-new")


# --- Output.


def test_actions_as_json(fasts3, here, root, remote, local):
    def as_json(*arguments):
        return [json.loads(line) for line in fasts3("sync", "--json", "--delete", *arguments).stdout.splitlines()]

    remote.put_all({"up/extra": b"", "copy/extra": b"", "up/b/3.txt": b"3", "up/b/2.csv": b"22"})
    write(here / "down", {"extra": b""})
    assert as_json("local", f"{root}/up") == [
        {"url": f"{root}/up/1.csv", "path": "local/1.csv"},
        {"url": f"{root}/up/extra", "deleted": True},
    ]
    assert as_json(f"{root}/r", "down", "--include", "1*", "--include", "e*") == [
        {"url": f"{root}/r/1.csv", "path": "down/1.csv", "size": 1},
        {"path": "down/extra", "deleted": True},
    ]
    assert as_json(f"{root}/r", f"{root}/copy", "--include", "1*", "--include", "e*") == [
        {"source": f"{root}/r/1.csv", "url": f"{root}/copy/1.csv"},
        {"url": f"{root}/copy/extra", "deleted": True},
    ]


def test_a_dry_run_changes_nothing(fasts3, here, root, remote, local):
    remote.put_all({"up/extra": b"", "copy/extra": b"", "up/b/3.txt": b"3", "up/b/2.csv": b"22"})
    write(here / "down", {"extra": b""})
    before = remote.blobs()

    def as_text(*arguments):
        done = fasts3("sync", "--dry-run", "--delete", "--exclude", "b/*", *arguments)
        return [*done.stdout.splitlines(), *done.stderr.splitlines()]

    assert as_text("local", f"{root}/up") == [
        f"upload: local/1.csv to {root}/up/1.csv",
        f"delete: {root}/up/extra",
        "Would upload 1 file; would delete 1 object.",
    ]
    assert as_text(f"{root}/r", "down") == [
        f"download: {root}/r/1.csv to down/1.csv",
        "delete: down/extra",
        "Would download 1 object, 1 byte; would delete 1 file.",
    ]
    assert as_text(f"{root}/r", f"{root}/copy") == [
        f"copy: {root}/r/1.csv to {root}/copy/1.csv",
        f"delete: {root}/copy/extra",
        "Would copy 1 object; would delete 1 object.",
    ]
    assert remote.blobs() == before
    assert files(here / "down") == {"extra": b""}


def test_a_prefix_with_brackets_is_raw(fasts3, here, root, stored):
    stored.put_all({"[1]/a": b"1", "1/b": b"2"})
    assert fasts3("sync", "--raw", f"{root}/[1]", "down").exit_code == 0
    assert files(here / "down") == {"a": b"1"}
    assert fasts3("sync", "--raw", "--delete", "down", f"{root}/[2]*").exit_code == 0
    assert below(stored, "[2]*/") == {"a": b"1"}
    assert "add --raw" in fasts3("sync", f"{root}/[1]", "down").stderr


# --- Refused arguments, and failures.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "b"], "use the shell's rsync"),
        (["-", "s3://bucket/a"], "Stdin and stdout are not directories"),
        (["", "s3://bucket/a"], "An argument is empty"),
        (["s3://bucket/a/*.csv", "b"], "has wildcards, but sync takes a prefix"),
        (["s3://bucket/a", "b", "--sse", "AES256"], "this command downloads"),
        (["s3://bucket/a", __file__], "is not a directory. For a single object, use cp"),
    ],
)
def test_errors_are_one_sentence(fasts3, here, arguments, message):
    done = fasts3("sync", *arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("source", ["empty", "{root}/none"])
@pytest.mark.parametrize("destination", ["{root}/r", "down"])
@pytest.mark.parametrize("delete", [[], ["--delete"]])
def test_an_empty_source_is_refused_unless_it_is_meant(fasts3, here, root, remote, source, destination, delete):
    (here / "empty").mkdir()
    write(here / "down", TREE)
    arguments = [source.format(root=root), destination.format(root=root), *delete]
    if not any(argument.startswith("s3://") for argument in arguments):
        pytest.skip("local files only")
    done = fasts3("sync", *arguments)
    assert done.exit_code == 1
    assert below(remote, "r/") == files(here / "down") == TREE
    assert fasts3("sync", *arguments, "--allow-empty").exit_code == 0
    there = below(remote, "r/") if destination.startswith("{root}") else files(here / "down")
    assert there == ({} if delete else TREE)


def test_a_pattern_with_a_typo_deletes_nothing(fasts3, here, root, remote, local):
    write(here / "down", TREE)
    for source, target in (("local", f"{root}/r"), (f"{root}/r", "down"), (f"{root}/r", f"{root}/copy")):
        for delete in ([], ["--delete"]):
            done = fasts3("sync", source, target, "--include", "*.typo", *delete)
            assert done.exit_code == 1
            assert "has nothing to transfer" in done.stderr
            assert "--allow-empty" in done.stderr
    assert below(remote, "r/") == files(here / "down") == TREE


def test_mirrors_that_are_refused(fasts3, here, root, remote, local, monkeypatch):
    monkeypatch.setenv("HOME", str(here / "down"))
    bucket = f"s3://{remote.bucket}"
    for source, target, message in (
        ("local", bucket, "whole bucket"),
        (f"{root}/r", f"{bucket}/", "whole bucket"),
        (f"{root}/r", f"{root}/r/b", "overlap"),
        (f"{root}/r/b", f"{root}/r", "overlap"),
        (f"{root}/r", "down", "can't be a mirror"),
    ):
        done = fasts3("sync", source, target, "--delete")
        assert done.exit_code == 1
        assert message in done.stderr
    assert below(remote, "r/") == TREE
    assert "is not a local directory. For files, use cp." in fasts3("sync", "local/1.csv", f"{root}/up").stderr


@pytest.mark.parametrize(
    ("operation", "source", "destination"),
    [
        ("PutObject", "local", "{root}/up"),
        ("GetObject", "{root}/r", "down"),
        ("CopyObject", "{root}/r", "{root}/copy"),
    ],
)
def test_a_failure_prevents_deletions(
    fasts3, here, root, remote, local, server, monkeypatch, operation, source, destination
):
    remote.put_all({"up/extra": b"", "copy/extra": b""})
    write(here / "down", {"extra": b""})
    with FaultyS3(server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.client_params()["endpoint_url"])
        proxy.inject_where(
            lambda request: request.operation == operation and request.key.endswith("2.csv"),
            faults.error(403, "AccessDenied"),
            times=None,
        )
        done = fasts3("sync", source.format(root=root), destination.format(root=root), "--delete")
    assert done.exit_code == 1
    assert "AccessDenied" in done.stderr
    assert re.match(r"(Uploaded|Downloaded|Copied) 2 ", done.stderr)
    there = below(remote, "up/"), files(here / "down"), below(remote, "copy/")
    assert all("extra" in found for found in there)
    assert {"1.csv": b"1", "b/3.txt": b"3", "extra": b""} in there


def test_failed_objects_are_named(fasts3, root, remote, local):
    os.mkfifo(local / "pipe")
    os.mkfifo(local / "other")
    remote.put("up/extra", b"")
    done = fasts3("sync", "local", f"{root}/up", "--delete")
    assert done.exit_code == 1
    assert "2 of 5 files were not uploaded. Nothing was deleted. The first: " in done.stderr
    assert "local/pipe" in done.stderr
    assert below(remote, "up/") == {**TREE, "extra": b""}
