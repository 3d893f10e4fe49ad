"""Tests of ``metaflow fasts3 ls``."""

import json
import os
import pty
import re

import metaflow.metaflow_config as configuration
import pytest
from servers.listing_server import ListingServer

TIME = len("2026-11-24T09:12:44Z ")
KEYS = {"a/1.csv": b"1", "a/b/2.csv": b"22" * 1000, "a/b/3.txt": b"3", "ab": b"", "z": b"zz"}


@pytest.fixture
def filled(stored):
    stored.put_all(KEYS)
    return stored


def lines(result):
    """Size and name of each line, after its time."""
    assert result.exit_code == 0
    assert result.stderr == ""
    return [tuple(line[TIME:].split(maxsplit=1)) for line in result.stdout.splitlines()]


def test_a_directory_one_level_deep(fasts3, root, filled):
    assert lines(fasts3("ls", f"{root}/")) == [("PRE", "a/"), ("0", "ab"), ("2", "z")]
    assert lines(fasts3("ls", f"{root}/a/")) == [("1", "1.csv"), ("PRE", "b/")]


def test_the_beginning_of_names(fasts3, root, filled):
    assert lines(fasts3("ls", f"{root}/a")) == [("PRE", "a/"), ("0", "ab")]


def test_all_of_it_with_whole_keys(fasts3, root, filled):
    shown = lines(fasts3("ls", "--recursive", f"{root}/a"))  # a directory: not ab
    assert shown == [
        ("1", f"{filled.prefix}a/1.csv"),
        ("2000", f"{filled.prefix}a/b/2.csv"),
        ("1", f"{filled.prefix}a/b/3.txt"),
    ]


def test_keys_are_relative_to_a_root(fasts3, root, filled):
    assert lines(fasts3("ls", "--root", root)) == [("PRE", "a/"), ("0", "ab"), ("2", "z")]
    assert [name for _, name in lines(fasts3("ls", "--root", root, "--recursive"))] == sorted(KEYS)
    assert [name for _, name in lines(fasts3("ls", "--root", root, "*.csv"))] == ["a/1.csv", "a/b/2.csv"]


def test_the_data_of_a_run(fasts3, root, filled, monkeypatch):
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", root)
    filled.put("MyFlow/12/model", b"12")
    filled.put("MyFlow/123/other", b"123")
    assert lines(fasts3("ls", "--run", "MyFlow/12")) == [("2", "model")]


def test_wildcards_match_slashes(fasts3, root, filled):
    shown = lines(fasts3("ls", f"{root}/a/*.csv"))
    assert [name[len(filled.prefix) :] for _, name in shown] == ["a/1.csv", "a/b/2.csv"]


def test_a_literal_wildcard_is_raw(fasts3, root, stored):
    stored.put_all({"what?": b"", "whats": b""})
    assert [name for _, name in lines(fasts3("ls", "--raw", f"{root}/what?"))] == ["what?"]
    assert len(lines(fasts3("ls", f"{root}/what?"))) == 2


@pytest.mark.parametrize("option", ["-h", "--human", "--human-readable"])
def test_sizes_with_units(fasts3, root, filled, option):
    shown = fasts3("ls", "--recursive", option, f"{root}/a/b").stdout.splitlines()
    assert [line[TIME:].split(filled.prefix)[0].strip() for line in shown] == ["2.0 KiB", "1 byte"]


def details(stored, key):
    head = stored.head(key)
    modified = head["LastModified"].strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"modified": modified, "etag": head["ETag"], "storage_class": "STANDARD"}


def test_json_lines(fasts3, root, filled):
    shown = [json.loads(line) for line in fasts3("ls", "--json", "--root", root).stdout.splitlines()]
    nothing = dict.fromkeys(("modified", "etag", "storage_class"))
    assert shown == [
        {"url": f"{root}/a/", "key": "a/", "size": None, "directory": True, **nothing},
        {"url": f"{root}/ab", "key": "ab", "size": 0, "directory": False, **details(filled, "ab")},
        {"url": f"{root}/z", "key": "z", "size": 2, "directory": False, **details(filled, "z")},
    ]


def test_without_a_url_the_buckets_are_listed(fasts3, server):
    assert f"s3://{server.bucket}/" in fasts3("ls").stdout.splitlines()
    shown = [json.loads(line) for line in fasts3("ls", "--json").stdout.splitlines()]
    assert {"url": f"s3://{server.bucket}/", "key": "", "size": None, "directory": True} in shown


def test_the_error_for_denied_bucket_lists_is_one_sentence(fasts3, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    done = fasts3("ls")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ListBuckets of s3:// failed: SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{root}/none"], "No objects or directories at {root}/none."),
        (["--recursive", "{root}/none"], "write {root}/none*."),
        (["{root}/none*"], "No key matches {root}/none*."),
        (["--root", "{root}/none"], "No objects or directories at {root}/none/."),
    ],
)
def test_an_empty_result_is_an_error(fasts3, root, arguments, message):
    done = fasts3("ls", *(argument.format(root=root) for argument in arguments))
    assert (done.exit_code, done.stdout) == (1, "")
    assert message.format(root=root) in done.stderr


def test_a_bucket_that_does_not_exist_is_one_sentence(fasts3):
    done = fasts3("ls", "s3://no-such-bucket-here/")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ListObjectsV2 of s3://no-such-bucket-here/ failed: NoSuchBucket")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["foo"], ["--run", "x", "y"], ["--root", "s3://b/x", "s3://b/y"], ["--nope"]])
def test_bad_usage_is_exit_status_2(fasts3, arguments):
    done = fasts3("ls", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")


def test_names_are_raw_for_a_program_and_harmless_for_a_terminal(fasts3, start, root, stored):
    name = "a\x1b[31mred"
    stored.put(name)
    raw = fasts3("ls", f"{root}/").stdout_bytes
    assert raw[TIME:] == b"           0 " + name.encode() + b"\n"
    ours, theirs = pty.openpty()
    process = start("ls", f"{root}/", stdout=theirs)
    os.close(theirs)
    process.wait(timeout=200)
    assert os.read(ours, 1000)[TIME:] == b"           0 a\\x1b[31mred\r\n"
    os.close(ours)


def test_one_url_at_a_time(fasts3, root, here):
    done = fasts3("ls", f"{root}/a", f"{root}/b")
    assert done.exit_code == 2
    assert "This command takes one URL, not 2." in done.stderr
    assert "unquoted" not in done.stderr
    (here / "a").touch()
    (here / "b").touch()
    assert "was a pattern left unquoted?" in fasts3("ls", "--root", root, "a", "b").stderr


def test_recursive_has_a_short_name(fasts3, root, stored):
    stored.put_all({"a/b/c": b""})
    assert fasts3("ls", "-r", root).stdout == fasts3("ls", "--recursive", root).stdout != ""


@pytest.mark.parametrize("transfers", ["wire", "boto3"])
def test_times_are_those_of_the_objects_in_utc(fasts3, root, filled, transfers, monkeypatch):
    monkeypatch.setattr(configuration, "S3_TRANSFERS", transfers)
    first, *others = fasts3("ls", f"{root}/").stdout.splitlines()
    assert first[:TIME].strip() == ""  # a directory
    assert [line[:TIME] for line in others] == [f"{details(filled, key)['modified']} " for key in ("ab", "z")]


@pytest.mark.parametrize("transfers", ["wire", "boto3"])
def test_long_lines_have_storage_class_and_etag(fasts3, root, filled, transfers, monkeypatch):
    monkeypatch.setattr(configuration, "S3_TRANSFERS", transfers)
    directory, *objects = fasts3("ls", "-lh", f"{root}/").stdout.splitlines()
    assert directory.split() == ["PRE", "a/"]
    for line, key, size in zip(objects, ("ab", "z"), ("0 bytes", "2 bytes")):
        expected = details(filled, key)
        assert line.split() == [expected["modified"], *size.split(), "STANDARD", expected["etag"], key]


def test_a_total_is_beside_the_list(fasts3, root, filled):
    done = fasts3("ls", "--summarize", f"{root}/")
    assert done.stdout == fasts3("ls", f"{root}/").stdout
    assert done.stderr == "Total: 2 objects, 2 bytes, and 1 directory.\n"
    done = fasts3("ls", "-r", "--json", "--summarize", f"{root}/a")
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr == "Total: 3 objects, 2,002 bytes (2.0 KiB).\n"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["-r", "--include", "*.csv", ""], ["a/1.csv", "a/b/2.csv"]),
        (["-r", "--exclude", "*.csv", "/"], ["a/b/3.txt", "ab", "z"]),
        (["-r", "--include", "b/*", "--exclude", "*.txt", "a"], ["a/b/2.csv"]),
        (["-r", "--include", "1*", "--include", "b/3*", "a"], ["a/1.csv", "a/b/3.txt"]),
        (["--include", "b/*", "a/*.csv"], ["a/b/2.csv"]),
        (["--exclude", "b/*", "a/*.csv"], ["a/1.csv"]),
        (["--include", "z", "/"], ["z"]),
        (["--include", "a*", "/"], ["a/", "ab"]),
        (["--exclude", "a/*", "/"], ["ab", "z"]),
        (["--exclude", "ab", "a"], ["a/"]),
        (["--include", "*b", "a"], ["a/", "ab"]),
    ],
)
def test_include_and_exclude(fasts3, root, filled, arguments, names):
    *options, key = arguments
    shown = lines(fasts3("ls", "--root", root, *options, *filter(None, [key])))
    assert [name for _, name in shown] == names


def test_patterns_that_match_nothing_of_a_bucket_are_an_error(fasts3, server):
    for command in (["ls", "-r"], ["du"]):
        done = fasts3(*command, "--include", "*.nothing-has-this", f"s3://{server.bucket}")
        assert done.exit_code == 1
        assert "select no object" in done.stderr


@pytest.mark.parametrize("option", ["--recursive", "--summarize", "--include=a", "--exclude=a"])
def test_buckets_are_not_objects(fasts3, option):
    done = fasts3("ls", option)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Without a URL, ls lists buckets" in done.stderr


def test_no_included_object_is_an_error(fasts3, root, filled):
    done = fasts3("ls", "-r", "--include", "*.nope", root)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "--include and --exclude select no object of" in done.stderr


def test_a_server_without_details_has_empty_columns(fasts3, monkeypatch):
    class Bare(ListingServer):
        def page(self, prefix, token):
            return f"<Contents><Key>{prefix}a</Key><Size>7</Size></Contents>", None

    with Bare().running() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        assert re.fullmatch(r" {21} +7 a\n", fasts3("ls", "s3://bucket/x/").stdout)
        assert fasts3("ls", "-l", "s3://bucket/x/").stdout.split() == ["7", "a"]
