"""Tests of ``metaflow fasts3 cp``: what is only about copies within S3, and about all directions together."""

import json
import os
import re
import uuid

import pytest
from servers.stored import Stored

FILES = {"a/1.csv": b"1", "a/b/2.csv": b"22", "a/b/3.txt": b"3", "ab": b"", "z": b"zz"}


@pytest.fixture
def filled(stored):
    stored.put_all(FILES)
    return stored


@pytest.fixture
def tree(here):
    folder = here / "tree"
    for name, body in {"a.txt": b"a", "b/c.csv": b"c"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


@pytest.fixture
def new_bucket(moto):
    """An empty bucket of its own."""
    client = moto.boto3_client()
    name = f"new-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    yield Stored(client, name, "")
    client.close()


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def new_in(stored):
    return {key: blob for key, blob in stored.blobs().items() if key not in FILES}


# --- The direction.


def test_files_go_to_s3(fasts3, root, stored, tree):
    done = fasts3("cp", "tree", f"{root}/x")
    assert (done.exit_code, done.stdout) == (0, "")
    assert re.fullmatch(r"Uploaded 2 files in [0-9.]+ s\.\n", done.stderr)
    assert fasts3("cp", "tree/a.txt", f"{root}/y").exit_code == 0
    assert stored.blobs() == {"x/a.txt": b"a", "x/b/c.csv": b"c", "y": b"a"}


def test_objects_go_to_files(fasts3, here, root, filled):
    done = fasts3("cp", "-r", f"{root}/a", "out")
    assert (done.exit_code, done.stdout) == (0, "")
    assert re.fullmatch(r"Downloaded 3 objects, 4 bytes, in [0-9.]+ s\.\n", done.stderr)
    assert fasts3("cp", f"{root}/z", "file").exit_code == 0
    assert files(here) == {"out/1.csv": b"1", "out/b/2.csv": b"22", "out/b/3.txt": b"3", "file": b"zz"}


def test_streams(fasts3, root, stored):
    body = os.urandom(9 * 2**20)
    done = fasts3("cp", "-", f"{root}/x", "--content-type", "application/x-random", stdin=body)
    assert (done.exit_code, done.stdout) == (0, "")
    assert re.fullmatch(r"Uploaded 1 file in [0-9.]+ m?s\.\n", done.stderr)
    assert stored.head("x")["ContentType"] == "application/x-random"
    done = fasts3("cp", f"{root}/x", "-")
    assert (done.stdout_bytes == body, done.stderr) == (True, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "b"], "use the shell's cp"),
        (["-", "-"], "use the shell's cp"),
        (["a", "s3://bucket/b", "c"], "Some sources are in S3, and others are local"),
        (["s3://bucket/a"], "Give a SOURCE and DEST"),
        (["s3://bucket/a", ""], "An argument is empty"),
        (["s3://bucket/a", "b", "--cache-control", "no-cache"], "this command downloads"),
        (["-", "s3://bucket/a/"], "Stdin has no file name"),
        (["-", "a", "s3://bucket/b"], "Stdin (-) must be the only source"),
        (["s3://bucket/a/", "-"], "Only one object can be written to stdout"),
        (["a", "s3://bucket/b", "--metadata", "x"], "'x' is not of the form NAME=VALUE"),
        (["--sse", "a", "c", "s3://bucket/b/"], "'a' is not one of AES256, aws:kms, aws:kms:dsse"),
        (["s3://bucket/a", "s3://bucket/b", "--exclude", "x"], "is the key of one object"),
        (["-", "s3://bucket/a", "--exclude", "x"], "'-' is not a directory"),
        (["a", "s3://bucket/b", "--content-type", ""], "it is empty"),
        (["a", "s3://bucket/b", "--sse-kms-key-id", ""], "it is empty"),
    ],
)
def test_errors_are_one_sentence(fasts3, here, arguments, message):
    done = fasts3("cp", *arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert list(here.iterdir()) == []


MISTYPED = ["s3:/bucket/b", "S3://bucket/b", "s3//bucket/b", "s3:bucket/b", "gs://bucket/b", "file:///b"]


@pytest.mark.parametrize("path", MISTYPED)
def test_a_mistyped_url_is_no_local_path(fasts3, here, root, filled, path):
    commands = (["cp"], ["mv"], ["get"], ["sync", "--delete"])
    downloads = [[*command, f"{root}/a/", path] for command in commands]
    uploads = [[command, path, f"{root}/x"] for command in ("cp", "mv", "put", "sync")]
    for arguments in downloads + uploads:
        done = fasts3(*arguments)
        assert done.exit_code == 2
        assert f"{path!r} looks like a URL" in done.stderr
    assert list(here.iterdir()) == []
    assert filled.blobs() == FILES
    assert fasts3("cp", f"{root}/z", f"./{path}").exit_code == 0
    assert files(here) == {os.path.normpath(path): b"zz"}


# --- Within S3.


def test_an_object_under_a_key(fasts3, root, filled):
    done = fasts3("cp", f"{root}/a/b/2.csv", f"{root}/x?*")
    assert (done.exit_code, done.stdout) == (0, "")
    assert re.fullmatch(r"Copied 1 object in [0-9.]+ s\.\n", done.stderr)
    assert new_in(filled) == {"x?*": b"22"}


def test_objects_into_a_prefix(fasts3, root, filled):
    assert fasts3("cp", f"{root}/a/b/2.csv", f"{root}/x/").exit_code == 0
    assert fasts3("cp", f"{root}/a/b/2.csv", f"{root}/z", f"{root}/y").exit_code == 0
    assert new_in(filled) == {"x/2.csv": b"22", "y/2.csv": b"22", "y/z": b"zz"}


@pytest.mark.parametrize("arguments", [["{root}/a/", "{root}/x"], ["-r", "{root}/a", "{root}/x/"]])
def test_a_prefix_keeps_its_structure(fasts3, root, filled, arguments):
    assert fasts3("cp", *(argument.format(root=root) for argument in arguments)).exit_code == 0
    assert new_in(filled) == {"x/1.csv": b"1", "x/b/2.csv": b"22", "x/b/3.txt": b"3"}


def test_patterns(fasts3, root, filled):
    assert fasts3("cp", f"{root}/a/*.csv", f"{root}/x").exit_code == 0
    assert fasts3("cp", f"{root}/a/", f"{root}/y", "--include", "b/*", "--exclude", "*.txt").exit_code == 0
    assert new_in(filled) == {"x/1.csv": b"1", "x/b/2.csv": b"22", "y/b/2.csv": b"22"}
    assert fasts3("cp", "--raw", f"{root}/a/*.csv", f"{root}/w").exit_code == 1


def test_into_a_part_of_itself(fasts3, root, filled):
    assert fasts3("cp", f"{root}/a/", f"{root}/a/copy").exit_code == 0
    assert sorted(new_in(filled)) == ["a/copy/1.csv", "a/copy/b/2.csv", "a/copy/b/3.txt"]


def test_headers(fasts3, root, filled, tree):
    options = ["--cache-control", "no-cache", "--content-disposition", "inline", "--metadata", "a=b=c"]
    kind = ["--content-type", "text/x-new", "--content-encoding", "gzip"]
    assert fasts3("cp", f"{root}/z", f"{root}/y", *options, *kind).exit_code == 0
    assert fasts3("cp", "tree", f"{root}/x", *options, *kind).exit_code == 0
    for key in ("y", "x/a.txt"):
        head = filled.head(key)
        assert [head[name] for name in ("CacheControl", "ContentDisposition", "ContentType", "ContentEncoding")] == [
            "no-cache",
            "inline",
            "text/x-new",
            "gzip",
        ]
        assert head["Metadata"]["a"] == "b=c"


def test_headers_are_stored_with_unchanged_files_too(fasts3, root, stored, tree):
    assert fasts3("cp", "tree", f"{root}/x").exit_code == 0
    assert "Uploaded 2 files" in fasts3("cp", "tree", f"{root}/x", "--cache-control", "no-cache").stderr
    assert stored.head("x/a.txt")["CacheControl"] == "no-cache"
    assert fasts3("cp", "tree", f"{root}/x").stderr == "Uploaded 0 files; 2 unchanged.\n"


@pytest.mark.parametrize("option", ["--no-overwrite", "--no-clobber", "-n"])
def test_existing_objects_are_kept(fasts3, here, root, filled, tree, option):
    filled.put_all({"x/1.csv": b"mine", "y/a.txt": b"mine"})
    done = fasts3("cp", f"{root}/a/", f"{root}/x", option, "--json")
    assert [json.loads(line)["url"] for line in done.stdout.splitlines()] == [f"{root}/x/b/2.csv", f"{root}/x/b/3.txt"]
    assert re.fullmatch(r"Copied 2 objects in [0-9.]+ s; 1 already existed\.\n", done.stderr)
    assert fasts3("cp", "tree", f"{root}/y", option).exit_code == 0
    assert (filled.blob("x/1.csv"), filled.blob("y/a.txt")) == (b"mine", b"mine")
    (here / "1.csv").write_bytes(b"mine")
    assert fasts3("cp", f"{root}/a/", ".", option).exit_code == 0
    assert (here / "1.csv").read_bytes() == b"mine"


def test_copied_objects_as_json(fasts3, root, filled):
    lines = [json.loads(line) for line in fasts3("cp", "--json", f"{root}/a/b/", f"{root}/x").stdout.splitlines()]
    assert lines == [
        {"source": f"{root}/a/b/2.csv", "url": f"{root}/x/2.csv"},
        {"source": f"{root}/a/b/3.txt", "url": f"{root}/x/3.txt"},
    ]


def test_a_dry_run_changes_nothing(fasts3, here, root, filled, tree):
    before = filled.blobs()
    done = fasts3("cp", "--dry-run", f"{root}/a/b/", f"{root}/x")
    assert done.stdout == f"copy: {root}/a/b/2.csv to {root}/x/2.csv\ncopy: {root}/a/b/3.txt to {root}/x/3.txt\n"
    assert done.stderr == "Would copy 2 objects.\n"
    done = fasts3("cp", "--dry-run", f"{root}/a/b/", "out")
    assert done.stdout == f"download: {root}/a/b/2.csv to out/2.csv\ndownload: {root}/a/b/3.txt to out/3.txt\n"
    assert done.stderr == "Would download 2 objects, 3 bytes.\n"
    done = fasts3("cp", "--dry-run", "--json", "tree", f"{root}/x")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"url": f"{root}/x/a.txt", "path": "tree/a.txt"},
        {"url": f"{root}/x/b/c.csv", "path": "tree/b/c.csv"},
    ]
    assert done.stderr == "Would upload 2 files.\n"
    assert fasts3("cp", "--dry-run", "tree/a.txt", f"{root}/y").stdout == f"upload: tree/a.txt to {root}/y\n"
    assert (
        fasts3("cp", "--dry-run", "-n", "tree/a.txt", f"{root}/z").stderr
        == "Would upload 0 files; 1 already existed.\n"
    )
    assert fasts3("cp", "--dry-run", "tree/none", f"{root}/y").exit_code == 1
    assert fasts3("cp", "--dry-run", "-", f"{root}/y", stdin="x").stdout == f"upload: - to {root}/y\n"
    assert filled.blobs() == before
    assert sorted(os.listdir(here)) == ["tree"]


def test_those_that_fail_are_named_and_the_others_copied(fasts3, root, filled):
    done = fasts3("cp", f"{root}/none", f"{root}/z", f"{root}/nothing/", f"{root}/x")
    assert done.exit_code == 1
    assert "2 of 3 objects were not copied" in done.stderr
    assert f"{root}/none: " in done.stderr
    assert f"{root}/nothing/: No objects under" in done.stderr
    assert new_in(filled) == {"x/z": b"zz"}


@pytest.mark.parametrize("command", ["cp", "mv"])
def test_a_directory_without_its_slash_is_named(fasts3, root, filled, command):
    hint = (
        f"There is no object {root}/a, but a directory of that name. To select everything in it, add a slash: {root}/a/"
    )
    done = fasts3(command, f"{root}/a", f"{root}/x")
    assert (done.exit_code, done.stderr) == (1, f"Error: {hint}\n")
    done = fasts3(command, f"{root}/none", f"{root}/a", f"{root}/x")
    assert done.stderr.startswith("Error: 2 of 2 objects were not ")
    assert done.stderr.splitlines()[-1] == hint
    assert filled.blobs() == FILES


def test_two_objects_of_one_name_are_not_mixed_up(fasts3, root, stored):
    stored.put_all({"x/same": b"x", "y/same": b"y"})
    done = fasts3("cp", f"{root}/x/same", f"{root}/y/same", f"{root}/x/same", f"{root}/w/")
    assert done.exit_code == 1
    assert f"'{root}/y/same' was skipped: another source has the same target, {root}/w/same." in done.stderr
    assert stored.blob("w/same") == b"x"


def test_a_key_that_becomes_too_long_does_not_stop_the_others(fasts3, root, stored):
    stored.put_all({"a/x": b"1", "a/" + "y" * 200: b"2"})
    long = "/".join(["z" * 200] * 4)
    done = fasts3("cp", f"{root}/a/", f"{root}/{long}")
    assert done.exit_code == 1
    assert "the limit of S3 is 1024" in done.stderr
    assert f"{long}/x" in stored.list()


def test_onto_itself(fasts3, root, filled):
    assert "both the source and the copy" in fasts3("cp", f"{root}/z", f"{root}/z").stderr
    assert "both the source and the copy" in fasts3("cp", f"{root}/a/", f"{root}/a/").stderr
    assert fasts3("cp", f"{root}/a/", f"{root}/a/", "--cache-control", "no-cache").exit_code == 0
    assert filled.head("a/1.csv")["CacheControl"] == "no-cache"
    assert filled.blobs() == FILES


def test_copies_are_not_copied_again(fasts3, root, stored):
    stored.put_all({"c/1": b"1", "a/2": b"2", "a/sub/3": b"3"})
    assert fasts3("cp", "-r", f"{root}/c/", f"{root}/a/", f"{root}/a/sub/").exit_code == 0
    assert stored.list() == {"c/1", "a/2", "a/sub/3", "a/sub/1", "a/sub/2", "a/sub/sub/3"}


@pytest.mark.parametrize("command", [["cp", "-r"], ["mv"], ["sync"]])
def test_the_mark_of_a_directory_has_no_copy_in_a_bucket(fasts3, odd, new_bucket, command):
    odd.put_all({"": b"", "x": b"x", "sub/": b""})
    done = fasts3(*command, f"s3://{odd.bucket}/{odd.prefix}", f"s3://{new_bucket.bucket}/")
    assert done.exit_code == 0, done.stderr
    assert new_bucket.list() == {"x", "sub/"}
    assert odd.list() == ({""} if command == ["mv"] else {"", "x", "sub/"})


@pytest.mark.parametrize("command", ["get", "cp", "mv"])
@pytest.mark.parametrize("destination", ["{root}/new", "new"])
def test_a_dry_run_finds_missing_objects(fasts3, root, stored, command, destination):
    stored.put("a", b"x" * 1000)
    target = destination.format(root=root)
    if command == "get" and destination != "new":
        pytest.skip("get downloads")
    done = fasts3(command, "--dry-run", f"{root}/a", f"{root}/none", target)
    assert done.exit_code == 1
    assert done.stderr.startswith(
        f"Would {'move' if command == 'mv' else 'copy' if target != 'new' else 'download'} 1 "
    )
    assert f"There is no object {root}/none" in done.stderr
    if target == "new":
        assert "1000 bytes" in done.stderr
