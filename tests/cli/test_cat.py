"""Tests of ``metaflow fasts3 cat``."""

import metaflow.metaflow_config as configuration
import pytest

from metaflow_extensions.fasts3.cli import cat
from metaflow_extensions.fasts3.cli.cat import ByteRange

LARGE = bytes(range(251)) * 100_000  # a few parts


@pytest.fixture
def filled(stored):
    stored.put_all({"a/1.txt": b"one\n", "a/2.txt": b"two\n", "a/b/3.txt": b"three\n", "bytes": b"\0\xff\r\n"})
    return stored


@pytest.fixture(params=["wire", "boto3"])
def transfers(request, monkeypatch):
    monkeypatch.setattr(configuration, "S3_TRANSFERS", request.param)


def test_an_object(fasts3, here, root, filled, transfers):
    done = fasts3("cat", f"{root}/bytes")
    assert (done.exit_code, done.stdout_bytes, done.stderr) == (0, b"\0\xff\r\n", "")
    assert list(here.iterdir()) == []


def test_several_in_the_order_given(fasts3, root, filled, transfers):
    done = fasts3("cat", "--root", root, "a/2.txt", "a/1.txt", "a/2.txt")
    assert (done.exit_code, done.stdout) == (0, "two\none\ntwo\n")


def test_patterns_in_the_order_of_keys(fasts3, root, filled, transfers):
    assert fasts3("cat", "--root", root, "bytes", "a/*.txt").stdout_bytes == b"\0\xff\r\none\ntwo\nthree\n"
    assert fasts3("cat", f"{root}/a/[12].txt").stdout == "one\ntwo\n"


def test_a_large_object_among_small_ones(fasts3, here, root, filled, transfers):
    filled.put("a/15", LARGE)
    assert fasts3("cat", f"{root}/a/15").stdout_bytes == LARGE
    assert fasts3("cat", f"{root}/a/*").stdout_bytes == b"one\n" + LARGE + b"two\nthree\n"
    assert list(here.iterdir()) == []


def test_an_empty_object(fasts3, root, stored, transfers):
    stored.put("empty")
    for urls in (["empty"], ["empty", "empty"], ["emp*"]):
        done = fasts3("cat", "--root", root, *urls)
        assert (done.exit_code, done.stdout_bytes) == (0, b"")


@pytest.mark.parametrize(
    ("given", "expected"), [("0-2", b"012"), ("7-", b"789"), ("-3", b"789"), ("5-5", b"5"), ("8-100", b"89")]
)
def test_ranges(fasts3, root, stored, given, expected, transfers):
    stored.put("digits", b"0123456789")
    assert fasts3("cat", "--range", given, f"{root}/digits").stdout_bytes == expected


@pytest.mark.parametrize("given", ["", "-", "1", "2-1", "-0", "a-b", "1-2-3", "0-99999999999999999999"])
def test_an_invalid_range_is_bad_usage(fasts3, given):
    done = fasts3("cat", "--range", given, "s3://bucket/a")
    assert done.exit_code == 2
    assert "is not a range" in done.stderr


def test_a_range_behind_the_end_is_an_error(fasts3, root, stored):
    stored.put("digits", b"0123456789")
    done = fasts3("cat", "--range", "10-", f"{root}/digits")
    assert (done.exit_code, done.stdout_bytes) == (1, b"")
    assert "A range must begin before the end of the object; `metaflow fasts3 info` shows its size." in done.stderr


def test_the_range_type_is_that_of_http():
    assert ByteRange().convert("10-19", None, None) == cat.Bytes(10, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--range", "0-1", "{root}/a/1.txt", "{root}/a/2.txt"], "--range needs the URL of one object"),
        (["--range", "0-1", "{root}/a/*"], "--range needs the URL of one object"),
        (["{root}/a/"], "is a directory. For all objects below it, give a pattern: '{root}/a/*'"),
        (["a/1.txt"], "is not a full URL"),
        (["--root", "{root}", ""], "An argument is empty"),
        ([], "Missing argument"),
    ],
)
def test_bad_usage(fasts3, root, filled, arguments, message):
    done = fasts3("cat", *(one.format(root=root) for one in arguments))
    assert (done.exit_code, done.stdout) == (2, "")
    assert message.format(root=root) in " ".join(done.stderr.split())


def test_missing_objects_are_named_before_any_output(fasts3, root, filled):
    done = fasts3("cat", "--root", root, "a/1.txt", "none", "nothing")
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"{root}/none" in done.stderr
    assert f"{root}/nothing" in done.stderr
    assert done.stderr.endswith(" Use `metaflow fasts3 ls` to list the existing keys.\n")


def test_the_error_for_a_missing_object_names_the_directory(fasts3, root, filled):
    done = fasts3("cat", f"{root}/a")
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"but a directory of that name. For all objects below it, give a pattern: '{root}/a/*'" in done.stderr
    assert fasts3("cat", f"{root}/none").stderr == f"Error: There is no object {root}/none.\n"


def test_a_pattern_without_a_match_is_an_error(fasts3, root, filled):
    done = fasts3("cat", f"{root}/none*")
    assert (done.exit_code, done.stderr) == (1, f"Error: No key matches {root}/none*.\n")


def test_a_literal_wildcard_is_raw(fasts3, root, stored):
    stored.put_all({"what?": b"raw", "whats": b"pattern"})
    assert fasts3("cat", "--raw", f"{root}/what?").stdout == "raw"
