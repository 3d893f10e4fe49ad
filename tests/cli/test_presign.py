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
    done = fasts3("presign", "--root", root, "a", "b*")
    assert (done.exit_code, done.stderr) == (0, "")
    urls = done.stdout.splitlines()
    assert [send(url) for url in urls] == [b"1", b"2"]
    assert [lifetime(url) for url in urls] == [["3600"]] * 2


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
        (["s3://bucket"], 1, "has no key"),
        (["a"], 2, "is not a full URL"),
        (["--no-sign-request", "s3://bucket/a"], 1, "does not sign requests"),
    ],
)
def test_invalid_arguments(fasts3, arguments, status, message):
    done = fasts3("presign", *arguments)
    assert (done.exit_code, done.stdout) == (status, "")
    assert message in " ".join(done.stderr.split())
