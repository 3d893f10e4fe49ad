"""Tests of ``metaflow fasts3 presign``."""

import json
import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest


def send(url, method="GET", body=None):
    request = urllib.request.Request(url, data=body, method=method)  # of a test's own server
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read()


def lifetime(url):
    return parse_qs(urlsplit(url).query)["X-Amz-Expires"]


def test_urls_for_reading(fasts3, root, stored):
    stored.put_all({"a": b"1", "b*": b"2"})
    done = fasts3("presign", "--root", root, "--raw", "a", "b*")
    assert (done.exit_code, done.stderr) == (0, "")
    urls = done.stdout.splitlines()
    assert [send(url) for url in urls] == [b"1", b"2"]
    assert [lifetime(url) for url in urls] == [["3600"]] * 2


def test_urls_of_all_objects_that_match_a_pattern(fasts3, root, stored):
    stored.put_all({"data/1.csv": b"1", "data/2.csv": b"2", "data/2.txt": b"", "a": b"3"})
    done = fasts3("presign", "--root", root, "data/*.csv", "a")
    assert (done.exit_code, done.stderr) == (0, "")
    assert [send(url) for url in done.stdout.splitlines()] == [b"1", b"2", b"3"]


def test_a_pattern_without_a_match_is_an_error(fasts3, root):
    done = fasts3("presign", f"{root}/*.csv")
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"Error: No key matches {root}/*.csv.\n")


def test_a_url_for_writing_a_key_with_a_wildcard(fasts3, root, stored):
    [url] = fasts3("presign", "--raw", "--method", "PUT", f"{root}/new[1]").stdout.splitlines()
    send(url, "PUT", b"value")
    assert stored.blob("new[1]") == b"value"


def test_a_key_with_a_slash_at_its_end(fasts3):
    done = fasts3("presign", "--raw", "s3://bucket/marker/")
    assert (done.exit_code, done.stderr) == (0, "")
    assert urlsplit(done.stdout).path.endswith("/marker/")


def test_a_url_for_writing(fasts3, root, stored):
    [url] = fasts3("presign", "--method", "put", f"{root}/new").stdout.splitlines()
    send(url, "PUT", b"value")
    assert stored.blob("new") == b"value"


@pytest.mark.parametrize(("given", "seconds"), [("600", "600"), ("10m", "600"), ("7d", "604800"), ("1.5h", "5400")])
def test_how_long_it_is_valid(fasts3, given, seconds):
    [url] = fasts3("presign", "--expires-in", given, "s3://bucket/a").stdout.splitlines()
    assert lifetime(url) == [seconds]


def test_json_lines(fasts3):
    [one] = map(json.loads, fasts3("presign", "--json", "s3://bucket/a").stdout.splitlines())
    assert one["url"] == "s3://bucket/a"
    assert "X-Amz-Signature" in one["presigned_url"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--expires-in", "8d", "s3://bucket/a"], 2, "one second to 7 days"),
        (["--expires-in", "0", "s3://bucket/a"], 2, "one second to 7 days"),
        (["--expires-in", "soon", "s3://bucket/a"], 2, "is not a duration"),
        (["--method", "POST", "s3://bucket/a"], 2, "invalid choice: POST"),
        (["s3://bucket"], 2, "s3://bucket/ is a directory. For all objects below it, give a pattern: 's3://bucket/*'"),
        (["s3://bucket/a", "s3://bucket/data/"], 2, "give a pattern: 's3://bucket/data/*'"),
        (["--method", "put", "s3://bucket/data/*.csv"], 2, "is a pattern; --method PUT needs the key"),
        (["a"], 2, "is not a full URL"),
        (["--no-sign-request", "s3://bucket/a"], 1, "does not sign requests"),
    ],
)
def test_invalid_arguments(fasts3, arguments, status, message):
    done = fasts3("presign", *arguments)
    assert (done.exit_code, done.stdout) == (status, "")
    assert message in " ".join(done.stderr.split())
