"""A server that is not S3: every call raises immediately and names the endpoint."""

import pytest
from attacks.hostile import response
from case import case
from contract.verbs import EVERY, KEEPING, as_parameters
from metaflow.datatools.s3 import MetaflowS3Exception

PAGE = b"<!DOCTYPE html>\n<html><head><title>Console</title></head><body>Sign in<br></body></html>"
XHTML = b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml"><body/></html>'
ALWAYS = {
    "a console": response(PAGE, content_type="text/html; charset=utf-8", etag='W/"5f-1"'),
    "a page that is XML": response(XHTML, content_type="application/xhtml+xml"),
    "an API": response(b'{"status": "ok"}', content_type="application/json"),
}


def responding(data):
    """The response of a server to all requests, without a body for HEAD."""
    head = data[: data.index(b"\r\n\r\n") + 4]
    return lambda request: head if request.startswith(b"HEAD ") else data


def check(error, server):
    assert f"http://localhost:{server.port} is not S3" in str(error)
    assert "METAFLOW_S3_ENDPOINT_URL" in str(error)
    assert " 1 try in " in str(error)


@pytest.mark.parametrize("verb", as_parameters(EVERY))
def test_a_server_that_always_responds_200_is_not_s3(s3, server, verb):
    for kind, data in ALWAYS.items():
        server.respond = responding(data)
        with case(kind):
            with pytest.raises(MetaflowS3Exception) as raised:
                verb(s3, "key")
            check(raised.value, server)


@pytest.mark.parametrize("verb", [KEEPING[name] for name in ("get", "get, return_missing", "list_recursive", "put")])
def test_a_page_is_no_error_of_s3(s3, server, verb):
    for status in ("404 Not Found", "405 Method Not Allowed", "501 Unsupported method ('PUT')"):
        server.respond = responding(response(PAGE, status, content_type="text/html"))
        with case(status):
            with pytest.raises(MetaflowS3Exception) as raised:
                verb(s3, "key")
            check(raised.value, server)


@pytest.mark.parametrize("verb", as_parameters(EVERY))
def test_a_login_is_no_bucket_of_another_region(s3, server, verb):
    server.respond = lambda _: response(b"", "302 Found", location="/login", content_type="text/html")
    with pytest.raises(MetaflowS3Exception) as raised:
        verb(s3, "key")
    check(raised.value, server)


@pytest.mark.parametrize("size", [10, 20 * 2**20], ids=["small", "large"])
def test_without_an_etag_nothing_was_stored(s3, server, size):
    """A web server that accepts uploads, or one that responds to all requests with an empty success."""
    server.respond = lambda head: response(
        b"<x><UploadId>1</UploadId></x>" if b"?uploads" in head.split(b"\r\n")[0] else b"", content_type="text/plain"
    )
    with pytest.raises(MetaflowS3Exception, match="no ETag"):
        s3.put("key", bytes(size))


@pytest.mark.parametrize(
    "call",
    [
        lambda s3: s3.put("key", "value", overwrite=False),
        lambda s3: s3.put_many([(f"key{number}", "value") for number in range(20)], overwrite=False),
        lambda s3: s3.info("key"),
        lambda s3: s3.info_many(["key", "key2"], return_missing=True),
        lambda s3: s3.get("key"),
        lambda s3: s3.get_many(["key", "key2"], return_missing=True),
    ],
    ids=["put", "put_many", "info", "info_many", "get", "get_many"],
)
def test_a_success_without_any_header_is_no_object_that_exists(s3, server, call):
    """A health check, or a server that is being set up: overwrite=False would store nothing and say nothing."""
    for name, data in {"a word": response(b"OK", content_type="text/plain"), "nothing": response()}.items():
        server.respond = responding(data)
        with case(name):
            with pytest.raises(MetaflowS3Exception) as raised:
                call(s3)
            check(raised.value, server)


@pytest.mark.parametrize("keys", [["key"], ["key", "key2"]], ids=["one", "several"])
def test_text_is_no_response_to_a_deletion(s3, server, keys):
    """Nothing was deleted there."""
    server.respond = responding(response(b"OK", content_type="text/plain"))
    with pytest.raises(MetaflowS3Exception) as raised:
        s3.delete_many(keys)
    check(raised.value, server)


MARKS = {"etag": '"e"', "last_modified": "Sun, 06 Nov 1994 08:49:37 GMT", "x_amz_request_id": "R"}


def test_a_page_that_was_stored_is_an_object(s3, server):
    for headers in (
        {"etag": MARKS["etag"], "last_modified": MARKS["last_modified"]},
        {"x_amz_request_id": "R"},
        {"x_goog_hash": "md5=x"},
    ):
        server.respond = responding(response(PAGE, content_type="text/html", **headers))
        with case(headers):
            assert s3.get("key").blob == PAGE
            assert s3.info("key").size == len(PAGE)


def test_a_lean_server_is_s3(s3, server):
    for name, mark in MARKS.items():
        server.respond = responding(response(b"value", **{name: mark}))
        with case(name):
            assert s3.get("key").text == "value"


def test_an_invalid_date_does_not_prevent_reading_the_object(s3, server):
    for date in ("", "nonsense", "1994-11-06T08:49:37Z"):
        server.respond = responding(response(b"value", etag='W/"e"', last_modified=date))
        with case(date):
            assert s3.get("key").text == "value"
            assert s3.info("key").etag == 'W/"e"'


def test_white_space_before_a_document(s3, server):
    document = b'\r\n \n<?xml version="1.0"?><ListBucketResult><Contents><Key>root/key</Key><Size>1</Size></Contents>'
    server.respond = responding(response(document + b"</ListBucketResult>"))
    assert [one.key for one in s3.list_recursive()] == ["key"]
    server.respond = responding(response(b"\n<?xml version='1.0'?><Error><Code>Odd</Code></Error>", "400 Bad Request"))
    with pytest.raises(MetaflowS3Exception, match="Odd"):
        s3.get("key")


@pytest.mark.parametrize(
    "data",
    [
        response(b"<Other/>"),
        response(b"<ListBucketResult><Contents/></ListBucketResult> <more/>"),
        b"no HTTP at all\r\n\r\nconnection: close\r\n\r\nconnection: close",
    ],
    ids=["another document", "not well-formed", "not HTTP"],
)
def test_malformed_responses_are_retried_once(s3, server, data, monkeypatch):
    monkeypatch.setattr("metaflow.metaflow_config.S3_RETRY_COUNT", 20)
    server.respond = lambda _: data
    with pytest.raises(MetaflowS3Exception, match=" 2 tries in "):
        s3.list_recursive()
