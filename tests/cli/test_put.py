"""Tests of ``metaflow fasts3 put``."""

import hashlib
import json
import os
import re

import metaflow.metaflow_config as configuration
import pytest


@pytest.fixture
def tree(here):
    folder = here / "tree"
    for name, body in {"a.txt": b"a", "b/c.csv": b"c", "b/d/e.tmp": b"e", ".hidden": b""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


def test_a_file_under_a_key(fasts3, root, stored, tree):
    done = fasts3("put", "tree/a.txt", f"{root}/x/y?*", "--content-type", "text/plain")
    assert (done.exit_code, done.stdout) == (0, "")
    assert re.fullmatch(r"Uploaded 1 file in [0-9.]+ s\.\n", done.stderr)
    assert stored.blobs() == {"x/y?*": b"a"}
    assert stored.head("x/y?*")["ContentType"] == "text/plain"


def test_a_file_below_a_prefix(fasts3, root, stored, tree):
    assert fasts3("put", "tree/a.txt", f"{root}/x/").exit_code == 0
    assert fasts3("put", "tree/a.txt", "--root", root, "/").exit_code == 0
    assert stored.blobs() == {"x/a.txt": b"a", "a.txt": b"a"}


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_directory_with_all_that_is_in_it(fasts3, root, stored, tree, slash):
    assert fasts3("put", f"tree{slash}", f"{root}/x{slash}").exit_code == 0
    assert stored.blobs() == {"x/a.txt": b"a", "x/b/c.csv": b"c", "x/b/d/e.tmp": b"e", "x/.hidden": b""}


def test_files_and_directories_together(fasts3, root, stored, tree):
    assert fasts3("put", "tree/a.txt", "tree/b", f"{root}/x").exit_code == 0
    assert stored.blobs() == {"x/a.txt": b"a", "x/c.csv": b"c", "x/d/e.tmp": b"e"}


@pytest.mark.parametrize("arguments", [["tree", ""], ["tree/a.txt", ""], ["", "tree", "x/"]])
def test_an_empty_argument_is_refused(fasts3, root, stored, tree, arguments):
    done = fasts3("put", "--root", root, *arguments)
    assert done.exit_code == 2
    assert "An argument is empty" in done.stderr
    assert stored.list() == set()


def test_matching_files_of_a_directory(fasts3, root, stored, tree):
    options = ["--include", "b/*", "--include", "*.txt", "--exclude", "*.tmp"]
    assert fasts3("put", "tree", root, *options).exit_code == 0
    assert stored.list() == {"a.txt", "b/c.csv"}


def test_below_a_run(fasts3, root, stored, tree, monkeypatch):
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", root)
    assert fasts3("put", "tree/a.txt", "--run", "MyFlow/7", "model").exit_code == 0
    assert stored.blobs() == {"MyFlow/7/model": b"a"}


def test_existing_objects_are_replaced_or_left_alone(fasts3, root, stored, tree):
    stored.put("a.txt", b"theirs")
    done = fasts3("put", "--no-overwrite", "--json", "tree", root, "--exclude", ".*")
    assert stored.blobs() == {"a.txt": b"theirs", "b/c.csv": b"c", "b/d/e.tmp": b"e"}
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"url": f"{root}/b/c.csv", "path": "tree/b/c.csv"},
        {"url": f"{root}/b/d/e.tmp", "path": "tree/b/d/e.tmp"},
    ]
    assert fasts3("put", "tree/a.txt", f"{root}/").exit_code == 0
    assert stored.blob("a.txt") == b"a"


def test_a_pipe(start, here, root, stored):
    body = os.urandom(20 * 2**20)
    process = start("put", "-", f"{root}/x", "--content-type", "application/gzip")
    stdout, stderr = process.communicate(body)
    assert stdout == b""
    assert re.fullmatch(rb"Uploaded 1 file in [0-9.]+ m?s\.\n", stderr)
    assert process.returncode == 0
    assert hashlib.sha256(stored.blob("x")).digest() == hashlib.sha256(body).digest()
    assert stored.head("x")["ContentType"] == "application/gzip"
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("size", [0, 8 * 2**20])
def test_stdin(fasts3, here, root, stored, size):
    body = os.urandom(size)
    done = fasts3("put", "-", f"{root}/x", stdin=body)
    assert (done.exit_code, done.stdout) == (0, "")
    assert re.fullmatch(r"Uploaded 1 file in [0-9.]+ m?s\.\n", done.stderr)
    assert hashlib.sha256(stored.blob("x")).digest() == hashlib.sha256(body).digest()
    assert list(here.iterdir()) == []


def test_content_types_by_name(fasts3, root, stored, tree):
    (tree / "page.html").write_text("<p>")
    assert fasts3("put", "tree/page.html", f"{root}/file").exit_code == 0
    assert fasts3("put", "-", f"{root}/stdin.json", stdin="{}").exit_code == 0
    assert fasts3("put", "tree", f"{root}/x").exit_code == 0
    kinds = {key: stored.head(key)["ContentType"] for key in ("file", "stdin.json", "x/page.html")}
    assert kinds == {"file": "text/html", "stdin.json": "application/json", "x/page.html": "text/html"}


@pytest.mark.parametrize("option", [[], ["--dry-run"]])
def test_stdin_is_not_stored_if_the_object_exists(fasts3, root, stored, option):
    stored.put("x", b"mine")
    done = fasts3("put", "-n", "--json", *option, "-", f"{root}/x", stdin="new")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"{'Would upload' if option else 'Uploaded'} 0 files; 1 already existed.\n"
    assert fasts3("put", "-n", "-q", *option, "-", f"{root}/x", stdin="new").stderr == ""
    assert stored.blob("x") == b"mine"
    assert (
        fasts3("put", "--json", *option, "-", f"{root}/x", stdin="new").stdout
        == f'{{"url": "{root}/x", "path": "-"}}\n'
    )


def test_names_that_are_not_utf_8_are_printed_unchanged(fasts3, root, here):
    os.mkdir(b"\xff")
    (here / os.fsdecode(b"\xff") / "a").write_bytes(b"1")
    done = fasts3("put", "--dry-run", os.fsdecode(b"\xff"), f"{root}/x")
    assert done.exit_code == 0
    assert done.stdout_bytes == b"upload: \xff/a to %s/x/a\n" % root.encode()


def test_stdin_is_counted(fasts3, root, stored):
    assert fasts3("put", "-", f"{root}/a", "--dry-run", stdin="a").stderr == "Would upload 1 file.\n"
    done = fasts3("put", "-", f"{root}/a", "--json", stdin="a")
    assert json.loads(done.stdout) == {"url": f"{root}/a", "path": "-"}
    assert done.stderr.startswith("Uploaded 1 file in ")


def test_what_is_no_regular_file_is_piped(fasts3, here, root, stored):
    os.mkfifo(here / "pipe")
    done = fasts3("put", "pipe", f"{root}/a")
    assert done.exit_code == 1
    assert "Pipe its data to `metaflow fasts3 put - URL`." in done.stderr


def test_stdin_needs_a_key(fasts3, root):
    assert fasts3("put", "-", f"{root}/", stdin="x").exit_code == 2
    assert fasts3("put", "-", "-", f"{root}/x", stdin="x").exit_code == 2


def test_the_error_for_a_quoted_pattern_says_who_expands_it(fasts3, root, stored, tree):
    done = fasts3("put", "tree/*", root)
    assert done.exit_code == 2
    assert "There is no local file 'tree/*'. The shell expands wildcards" in " ".join(done.stderr.split())
    assert stored.blobs() == {}


def test_the_error_for_a_missing_file_is_one_sentence(fasts3, root, stored, tree):
    done = fasts3("put", "none", f"{root}/x")
    assert done.exit_code == 1
    assert done.stderr == f"Error: Local file not found: none (for the key '{root}/x').\n"
    assert stored.list() == set()


@pytest.mark.parametrize("options", [[], ["--content-type", "text/plain"], ["--no-overwrite"]])
def test_unreadable_files_do_not_stop_the_others(fasts3, root, stored, tree, options):
    os.mkfifo(tree / "pipe")
    with open(os.fsencode(tree) + b"/\xff", "wb"):
        pass
    done = fasts3("put", "-q", "tree", "missing", "tree/a.txt", root, *options)
    assert done.exit_code == 1
    assert "3 of 8 files were not uploaded" in done.stderr
    assert [line.split(": ")[0] for line in done.stderr.splitlines()[1:]] == ["tree/\\udcff", "tree/pipe", "missing"]
    assert stored.list() == {"a.txt", "b/c.csv", "b/d/e.tmp", ".hidden"}
    done = fasts3("put", "-q", "tree", root, *options, "--exclude", "pipe", "--exclude", "\udcff")
    assert (done.exit_code, done.stderr) == (0, "")


def test_the_one_file_that_can_t_be_uploaded_is_one_sentence(fasts3, root, stored, tree):
    os.mkfifo(tree / "pipe")
    done = fasts3("put", "--quiet", "tree", root)
    assert done.exit_code == 1
    assert (
        done.stderr == f"Error: 'tree/pipe', for the key '{root}/pipe', is not a regular file. "
        "Pipe its data to `metaflow fasts3 put - URL`.\n"
    )
    assert len(stored.list()) == 4


def test_existing_objects_are_not_uploaded_again(fasts3, root, stored, tree):
    assert fasts3("put", "tree", root).exit_code == 0
    (tree / "a.txt").write_bytes(b"b")
    urls = [json.loads(line)["url"] for line in fasts3("put", "--json", "tree", root).stdout.splitlines()]
    assert urls == [f"{root}/a.txt"]
    assert stored.blob("a.txt") == b"b"


def test_existing_objects_are_not_counted_as_uploaded(fasts3, root, stored, tree):
    assert re.fullmatch(r"Uploaded 4 files in [0-9.]+ s\.\n", fasts3("put", "tree", root).stderr)
    assert fasts3("put", "tree", root, "--exclude", ".*").stderr == "Uploaded 0 files; 3 unchanged.\n"
    stderr = fasts3("put", "--no-overwrite", "tree/a.txt", f"{root}/").stderr
    assert stderr == "Uploaded 0 files; 1 already existed.\n"


def test_without_a_url_it_is_what_is_missing(fasts3, tree):
    done = fasts3("put", "tree/a.txt")
    assert done.exit_code == 2
    assert "URL is missing, the last argument: s3://bucket/key" in done.stderr
    assert fasts3("put").exit_code == 2


@pytest.mark.parametrize("destination", [".", "s3://bucket/other"])
def test_a_url_is_no_source(fasts3, tree, destination):
    done = fasts3("put", "s3://bucket/key", destination)
    assert done.exit_code == 2
    assert "To download: metaflow fasts3 get s3://bucket/key" in done.stderr


def test_a_directory_of_one_type(fasts3, root, stored, tree):
    assert fasts3("put", "tree", f"{root}/x", "--content-type", "text/x-mine", "--include", "b/*").exit_code == 0
    assert {key: stored.head(key)["ContentType"] for key in stored.list()} == {
        "x/b/c.csv": "text/x-mine",
        "x/b/d/e.tmp": "text/x-mine",
    }


def test_links_to_directories_are_not_followed(fasts3, root, stored, tree):
    (tree / "b" / "loop").symlink_to(tree)
    assert fasts3("put", "tree/b", root).exit_code == 0
    assert stored.list() == {"c.csv", "d/e.tmp"}


def test_a_bucket_that_does_not_exist_is_one_sentence(fasts3, tree):
    done = fasts3("put", "tree/a.txt", "s3://no-such-bucket-here/")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: PutObject of s3://no-such-bucket-here/a.txt failed: NoSuchBucket")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [["--include", "*.nope"], ["--include", "*.csv", "--exclude", "b/*"]])
def test_a_pattern_that_no_file_fits_is_an_error(fasts3, root, stored, tree, options):
    done = fasts3("put", "--json", "tree", f"{root}/x", *options)
    assert (done.exit_code, done.stdout) == (1, "")
    given = " ".join(one if one.startswith("--") else repr(one) for one in options)
    assert done.stderr == (
        f"Error: {given} selects none of the 4 files in tree. Patterns match paths below it, such as .hidden.\n"
    )
    assert stored.list() == set()


@pytest.mark.parametrize("options", [[], ["--content-type", "text/plain"], ["--include", "*"], ["--no-overwrite"]])
def test_a_directory_without_files_is_an_error(fasts3, here, root, stored, options):
    (here / "empty" / "inside").mkdir(parents=True)
    done = fasts3("put", "empty", root, *options)
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", "Error: There is no file in empty.\n")


def test_one_of_several_directories_without_files_is_named(fasts3, here, root, stored, tree):
    (here / "empty").mkdir()
    done = fasts3("put", "-q", "empty", "tree/b", root)
    assert (done.exit_code, done.stderr) == (0, "There is no file in empty.\n")
    assert stored.list() == {"c.csv", "d/e.tmp"}


@pytest.mark.parametrize("options", [[], ["--no-overwrite"]])
def test_a_directory_that_is_there_already_is_no_error(fasts3, root, stored, tree, options):
    assert fasts3("put", "tree", root).exit_code == 0
    done = fasts3("put", "tree", root, *options)
    what = "already existed" if "-n" in options or "--no-overwrite" in options else "unchanged"
    assert (done.exit_code, done.stderr) == (0, f"Uploaded 0 files; 4 {what}.\n")


def test_the_error_for_a_file_with_a_slash_explains_the_slash(fasts3, root, stored, tree):
    stored.put("tables/x", b"")
    done = fasts3("put", "tree/a.txt", f"{root}/tables", "--no-overwrite")
    assert done.exit_code == 1
    assert "directory of that name, whose URL ends in a slash" in done.stderr
