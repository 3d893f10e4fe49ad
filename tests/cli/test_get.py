"""Tests of ``metaflow fasts3 get``."""

import hashlib
import json
import os
import re
import socket
import stat

import pytest
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3AccessDenied

from metaflow_extensions.fasts3.api import local_paths
from metaflow_extensions.fasts3.cli import to_local
from metaflow_extensions.fasts3.cli.read_ahead import ReadAhead

FILES = {"a/1.csv": b"1", "a/b/2.csv": b"22", "a/b/3.txt": b"3", "ab": b"", "z": b"zz"}


@pytest.fixture
def filled(stored):
    stored.put_all(FILES)
    return stored


def files(folder):
    """All files at any depth with their contents, including those of leftover directories."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_object_into_a_file(fasts3, here, root, filled):
    done = fasts3("get", f"{root}/a/b/2.csv", "deep/er/file")
    assert (done.exit_code, done.stdout) == (0, "")
    assert re.fullmatch(r"Downloaded 1 object, 2 bytes, in [0-9.]+ s\.\n", done.stderr)
    assert files(here) == {"deep/er/file": b"22"}
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((here / "deep/er/file").stat().st_mode) == 0o666 & ~mask


def special_files(folder):
    """A pipe, a socket and a link to a device, which a download must not replace."""
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")  # relative: such paths are short
    (folder / "device").symlink_to(os.devnull)
    return {name: identity(folder / name) for name in ("pipe", "socket", "device")}


def identity(path):
    """What stays the same if a path is not replaced."""
    status = os.lstat(path)
    return status.st_mode, status.st_ino


@pytest.mark.parametrize("command", ["get", "cp", "mv"])
def test_what_is_no_file_is_not_replaced(fasts3, here, root, filled, command):
    before = special_files(here)
    for name, file in before.items():
        done = fasts3(command, f"{root}/z", name)
        assert done.exit_code == 2
        assert f"'{name}' is a {name}, which a file would replace. To write to it, use cat" in done.stderr
        assert identity(here / name) == file
    assert filled.blobs() == FILES


def test_what_is_no_file_is_skipped_among_many(fasts3, here, root, stored):
    stored.put_all({"d/pipe": b"1", "d/socket": b"2", "d/device": b"3", "d/file": b"4"})
    before = special_files(here)
    for command in ("get", "mv", "sync"):
        done = fasts3(command, f"{root}/d/", ".")
        assert done.exit_code == 1
        for name, file in before.items():
            assert f"/{name}', which is a {name}." in done.stderr
            assert identity(here / name) == file
    assert (here / "file").read_bytes() == b"4"
    assert set(stored.blobs()) == {"d/pipe", "d/socket", "d/device"}  # mv moved the file


@pytest.mark.parametrize("destination", [".", "new/", "there"])
def test_an_object_into_a_directory(fasts3, here, root, filled, destination):
    (here / "there").mkdir()
    assert fasts3("get", f"{root}/a/b/2.csv", destination).exit_code == 0
    assert files(here / destination) == {"2.csv": b"22"}


def test_several_objects_go_into_a_directory(fasts3, here, root, filled):
    assert fasts3("get", "--root", root, "a/1.csv", "ab", "z", "out").exit_code == 0
    assert files(here) == {"out/1.csv": b"1", "out/ab": b"", "out/z": b"zz"}


def test_a_prefix_keeps_its_structure(fasts3, here, root, filled):
    assert fasts3("get", f"{root}/a/", "slash").exit_code == 0
    assert fasts3("get", "--recursive", f"{root}/a", "recursive").exit_code == 0
    expected = {"1.csv": b"1", "b/2.csv": b"22", "b/3.txt": b"3"}
    assert files(here / "slash") == files(here / "recursive") == expected


def test_a_pattern_keeps_what_follows_its_last_directory(fasts3, here, root, filled):
    assert fasts3("get", f"{root}/a/*.csv", "out").exit_code == 0
    assert files(here) == {"out/1.csv": b"1", "out/b/2.csv": b"22"}


def test_a_whole_root(fasts3, here, root, filled):
    assert fasts3("get", "--root", root, "/", "out").exit_code == 0
    assert files(here / "out") == FILES


@pytest.mark.parametrize("arguments", [["", "out"], ["z", "", "out"], ["z", ""]])
def test_an_empty_argument_is_refused(fasts3, here, root, filled, arguments):
    done = fasts3("get", "--root", root, *arguments)
    assert done.exit_code == 2
    assert "An argument is empty" in done.stderr
    assert list(here.iterdir()) == []


def test_written_files_as_json(fasts3, here, root, filled):
    lines = [json.loads(line) for line in fasts3("get", "--json", f"{root}/a/b/", "out").stdout.splitlines()]
    assert lines == [
        {"url": f"{root}/a/b/2.csv", "path": "out/2.csv", "size": 2},
        {"url": f"{root}/a/b/3.txt", "path": "out/3.txt", "size": 1},
    ]


def test_many_objects_and_a_large_one(fasts3, here, root):
    large = os.urandom(20 * 2**20)
    (here / "in").mkdir()
    (here / "in" / "large").write_bytes(large)
    for number in range(1200):  # more than a page
        (here / "in" / f"{number:04}").write_bytes(b"%d" % number)
    assert fasts3("put", "in/", f"{root}/many/").exit_code == 0
    assert fasts3("get", f"{root}/many/", "out").exit_code == 0
    found = files(here / "out")
    assert hashlib.sha256(found.pop("large")).digest() == hashlib.sha256(large).digest()
    assert found == {f"{number:04}": b"%d" % number for number in range(1200)}


def test_existing_files_are_replaced_or_left_alone(fasts3, here, root, filled):
    (here / "1.csv").write_bytes(b"mine")
    assert fasts3("get", "--no-overwrite", f"{root}/a/", ".").exit_code == 0
    assert files(here) == {"1.csv": b"mine", "b/2.csv": b"22", "b/3.txt": b"3"}
    assert fasts3("get", f"{root}/a/", ".").exit_code == 0
    assert files(here)["1.csv"] == b"1"


def test_an_object_to_stdout(start, root, stored):
    body = os.urandom(9 * 2**20)
    stored.put("large", body)
    out, err = start("get", f"{root}/large", "-").communicate()
    assert hashlib.sha256(out).digest() == hashlib.sha256(body).digest()
    assert err == b""


def test_a_dry_run_does_not_write_an_object_to_stdout(fasts3, root, stored):
    stored.put("x", b"1")
    done = fasts3("get", "--dry-run", f"{root}/x", "-")
    assert (done.exit_code, done.stdout) == (0, f"download: {root}/x to -\n")
    assert done.stderr == "Would download 1 object, 1 byte.\n"
    assert json.loads(fasts3("cp", "--dry-run", "--json", f"{root}/x", "-").stdout)["url"] == f"{root}/x"
    assert fasts3("cp", "--dry-run", f"{root}/none", "-").stderr == f"Error: There is no object {root}/none.\n"


@pytest.mark.parametrize("arguments", [["{root}/a/", "-"], ["{root}/a*", "-"], ["{root}/ab", "{root}/z", "-"]])
def test_only_one_object_can_be_written_to_stdout(fasts3, root, arguments):
    assert fasts3("get", *(argument.format(root=root) for argument in arguments)).exit_code == 2


def test_several_objects_do_not_go_into_one_file(fasts3, here, root, filled):
    (here / "file").write_bytes(b"mine")
    done = fasts3("get", f"{root}/a/", "file")
    assert done.exit_code == 2
    assert "'file' is not a directory" in done.stderr
    assert files(here) == {"file": b"mine"}


def directory_of(root):
    message = f"There is no object {root}/a, but a directory of that name."
    return f"{message} To select everything in it, add a slash: {root}/a/"


def test_a_missing_object_is_one_sentence(fasts3, here, root, filled):
    done = fasts3("get", "--quiet", f"{root}/z", f"{root}/a", "out")
    assert done.exit_code == 1
    assert done.stderr == f"Error: {directory_of(root)}\n"
    assert files(here) == {"out/z": b"zz"}
    for destination in ("out", "-"):
        assert fasts3("get", f"{root}/none", destination).stderr == f"Error: There is no object {root}/none.\n"
        assert fasts3("get", f"{root}/a", destination).stderr == f"Error: {directory_of(root)}\n"


def test_several_missing_objects_are_all_named(fasts3, root, filled):
    done = fasts3("get", f"{root}/none", f"{root}/a", "out")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: 2 of 2 objects were not downloaded.")
    assert done.stderr.splitlines()[-1] == directory_of(root)


def test_missing_objects_do_not_stop_the_others(fasts3, here, root, filled):
    done = fasts3("get", "--root", root, "none", "missing/", "nothing*", "a/b/", "out")
    assert done.exit_code == 1
    assert "3 of 5 objects were not downloaded" in done.stderr
    assert all(f"{root}/{name}: " in done.stderr for name in ("none", "missing/", "nothing*"))
    assert files(here) == {"out/2.csv": b"22", "out/3.txt": b"3"}


@pytest.mark.parametrize("url", ["{root}/none", "{root}/none/", "{root}/none*"])
def test_a_failed_download_leaves_no_file(fasts3, here, root, url):
    assert fasts3("get", url.format(root=root), "out/").exit_code == 1
    assert list(here.iterdir()) == []


def test_two_objects_of_one_name_are_not_mixed_up(fasts3, here, root, stored):
    stored.put_all({"x/same": b"x", "y/same": b"y"})
    done = fasts3("get", f"{root}/x/same", f"{root}/y/same", "out")
    assert done.exit_code == 1
    assert f"'{root}/y/same' was skipped: another object has the same file name 'same'." in done.stderr
    assert files(here) == {"out/same": b"x"}


def test_keys_that_differ_in_case_do_not_replace_each_other(fasts3, here, root, stored, monkeypatch):
    # Only the directory itself shows it, if a file system is mounted there, or it has no letters in its name.
    monkeypatch.setattr(local_paths, "ignores_case", lambda directory: True)
    monkeypatch.setattr(to_local, "listed", one_page_at_a_time)
    stored.put_all({"x/A": b"first", "x/a": b"second", "x/b": b"b"})
    done = fasts3("get", f"{root}/x/", "out")
    assert done.exit_code == 1
    assert f"'{root}/x/a' was skipped: another object has the same file name 'a'." in done.stderr
    assert files(here) == {"out/A": b"first", "out/b": b"b"}


def one_page_at_a_time(s3, selection):
    """A listing with one object per page, whose next page has not arrived yet."""
    found = ReadAhead(([one] for one in s3.iter_list([f"s3://{selection.bucket}/{selection.prefix}"])), 1)
    found.ready = lambda wait=0.0: []
    return found


def test_an_object_that_is_named_twice_is_returned_once(fasts3, here, root, stored):
    stored.put("x/same", b"x")
    assert fasts3("get", f"{root}/x/same", f"{root}/x/*", "out").exit_code == 0
    assert files(here) == {"out/same": b"x"}


def test_keys_that_lead_out_of_the_directory_are_left_out(fasts3, here, odd):
    odd.put_all({"dir/../../out": b"no", "dir//x": b"no", "..": b"no", "x" * 300: b"no"})
    odd.put_all({"": b"", "dir/ok": b"ok", "dir/": b"", "f": b"no", "f/g": b"g"})
    done = fasts3("get", "--quiet", f"s3://{odd.bucket}/{odd.prefix}", "below/out")
    assert done.exit_code == 1
    assert files(here) == {"below/out/dir/ok": b"ok", "below/out/f/g": b"g"}
    assert done.stderr.startswith("Error: 5 of 7 objects were not downloaded. The first: ")
    assert len(done.stderr.splitlines()) == 1 + 5
    assert all(f"{odd.prefix}{key}: " in done.stderr for key in ("dir/../../out", "dir//x", "..", "x" * 300, "f"))


def test_a_file_that_would_be_a_directory_too_is_one_sentence(fasts3, here, odd):
    odd.put_all({"f": b"f", "f/g": b"g"})
    done = fasts3("get", "--quiet", f"s3://{odd.bucket}/{odd.prefix}", "out")
    assert done.exit_code == 1
    assert "can't both be files" in done.stderr
    assert done.stderr.count("\n") == 1
    assert files(here) == {"out/f/g": b"g"}


def test_completed_downloads_are_not_repeated(fasts3, here, root, filled):
    assert fasts3("get", f"{root}/a/", "out").exit_code == 0
    before = {path: path.stat().st_ino for path in (here / "out").rglob("*.csv")}
    filled.put("a/1.csv", b"new")
    assert fasts3("get", f"{root}/a/", "out").exit_code == 0
    assert files(here / "out")["1.csv"] == b"new"
    assert {str(path) for path, inode in before.items() if path.stat().st_ino == inode} == {
        str(here / "out" / "b" / "2.csv")
    }


@pytest.mark.parametrize("destination", ["file", "out/"])
def test_an_object_that_was_named_is_not_downloaded_again_either(fasts3, here, root, filled, destination):
    url = f"{root}/a/b/2.csv"
    assert fasts3("get", url, destination).stderr.startswith("Downloaded 1 object, 2 bytes, in ")
    before = {path: path.stat().st_ino for path in here.rglob("*")}
    again = fasts3("get", "--json", url, destination)
    assert again.stderr == "Downloaded 0 objects; 1 unchanged.\n"
    assert json.loads(again.stdout)["size"] == 2
    assert {path: path.stat().st_ino for path in here.rglob("*")} == before
    filled.put("a/b/2.csv", b"newer")
    assert fasts3("get", url, destination).exit_code == 0
    assert b"newer" in files(here).values()


@pytest.mark.parametrize("option", [[], ["--dry-run"], ["-n"]])
def test_an_object_that_was_named_replaces_another_one_of_the_same_size_and_time(fasts3, here, root, stored, option):
    stored.put_all({"1": b"one", "2": b"two"})
    assert fasts3("get", f"{root}/1", "file").exit_code == 0
    done = fasts3("get", *option, f"{root}/2", "file")
    assert files(here) == {"file": b"one" if option else b"two"}
    assert ("1 object" in done.stderr) == (option != ["-n"])


def test_a_deleted_object_is_missing_even_if_its_file_exists(fasts3, here, root, filled):
    (here / "none").write_bytes(b"mine")
    done = fasts3("get", f"{root}/none", ".")
    assert done.exit_code == 1
    assert done.stderr == f"Error: There is no object {root}/none.\n"
    assert files(here) == {"none": b"mine"}


def test_a_refusal_has_its_reason_also_where_the_file_is_there(fasts3, here, root, filled, monkeypatch):
    (here / "z").write_bytes(FILES["z"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-this-one")
    done = fasts3("get", f"{root}/z", ".")
    assert done.exit_code == 1
    assert "GetObject" in done.stderr
    assert "SignatureDoesNotMatch" in done.stderr
    assert done.stderr.endswith("Check the secret key: it does not match the access key id.\n")


def test_existing_files_are_not_counted_as_downloaded(fasts3, here, root, filled):
    fasts3("get", f"{root}/a/", "out")
    assert fasts3("get", f"{root}/a/", "out").stderr == "Downloaded 0 objects; 3 unchanged.\n"
    (here / "out" / "1.csv").unlink()
    stderr = fasts3("get", "--no-overwrite", f"{root}/a/", "out").stderr
    assert re.fullmatch(r"Downloaded 1 object, 1 byte, in [0-9.]+ s; 2 already existed\.\n", stderr)


def test_without_a_destination_it_is_what_is_missing(fasts3, here, root, filled):
    done = fasts3("get", f"{root}/z")
    assert done.exit_code == 2
    assert "DEST is missing: a file, a directory (.), or - for standard output." in done.stderr
    assert fasts3("get").exit_code == 2
    assert files(here) == {}


@pytest.mark.parametrize("source", ["a.csv", "{root}/z"])
def test_a_url_is_no_destination(fasts3, here, root, filled, source):
    done = fasts3("get", source.format(root=root), f"{root}/x")
    assert done.exit_code == 2
    assert "To upload: metaflow fasts3 put" in done.stderr
    assert files(here) == {}


def test_an_unquoted_pattern_has_a_hint(fasts3, here, root, filled):
    for name in ("mine", "my"):
        (here / name).touch()
    done = fasts3("get", "--root", root, "mine", "my", "out")
    assert done.exit_code == 1
    assert "was a pattern left unquoted?" in done.stderr


def test_names_do_not_steer_a_terminal(fasts3, odd):
    done = fasts3("get", f"s3://{odd.bucket}/{odd.prefix}no\x1b[31m", "out")
    assert "no\\x1b[31m" in done.stderr
    assert "\x1b" not in done.stderr


def test_quiet_prints_nothing(fasts3, here, root, filled):
    done = fasts3("get", "-q", f"{root}/a/", "out")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert files(here / "out") == {"1.csv": b"1", "b/2.csv": b"22", "b/3.txt": b"3"}


@pytest.mark.parametrize("options", [[], ["--no-overwrite"]])
def test_a_missing_slash_is_reported_before_an_obstructing_directory(fasts3, here, root, filled, options):
    (here / "a").mkdir()
    (here / "a" / "mine").write_bytes(b"mine")
    done = fasts3("get", f"{root}/a", ".", *options)
    assert done.exit_code == 1
    assert done.stderr == f"Error: {directory_of(root)}\n"
    assert files(here) == {"a/mine": b"mine"}


def test_an_object_whose_name_a_local_directory_has(fasts3, here, root, filled):
    (here / "z").mkdir()
    done = fasts3("get", f"{root}/z", ".")
    assert done.exit_code == 1
    assert "which is a directory. Download into another directory, or under another name." in done.stderr


def test_an_obstructing_file_is_reported_without_permission_for_head(fasts3, here, root, filled, monkeypatch):
    def refuse(*_, **__):
        raise MetaflowS3AccessDenied("no")

    monkeypatch.setattr(S3, "info_many", refuse)
    (here / "z").mkdir()
    assert "which is a directory" in fasts3("get", f"{root}/z", ".").stderr


def test_recursive_has_a_short_name(fasts3, here, root, filled):
    assert fasts3("get", "-r", f"{root}/a/b", "out").exit_code == 0
    assert files(here) == {"out/2.csv": b"22", "out/3.txt": b"3"}
