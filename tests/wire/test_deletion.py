"""Tests of DeleteObjects: the request body, and the response."""

import base64
import hashlib
import zlib
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wire.scripted import Scripted, close, error, expect, expect_or_end, respond, response, silence

from metaflow_extensions.fasts3.wire.deletion import document_of, goes_with_others, parse
from metaflow_extensions.fasts3.wire.failures import UNUSABLE, Code, TransferError

S3 = "{http://s3.amazonaws.com/doc/2006-03-01/}"
XMLNS = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
UGLY = ["a b", "<&>]]>", "\"'", "a\r\nb\tc", "100%20", "é/🦄", " a "]


def result(*refusals, xmlns=XMLNS):
    """A response as S3 makes it: of (key, code, message)."""
    rows = "".join(
        f"<Error><Key>{escape(key, {chr(13): '&#13;'})}</Key><Code>{code}</Code><Message>{message}</Message></Error>"
        for key, code, message in refusals
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<DeleteResult{xmlns}>{rows}</DeleteResult>'.encode()


def failure_of(call, *arguments, **named):
    with pytest.raises(TransferError) as failed:
        call(*arguments, **named)
    return failed.value.failure


def keys_in(document):
    root = ElementTree.fromstring(document)
    assert root.tag == f"{S3}Delete"
    assert [one.text for one in root.findall(f"{S3}Quiet")] == ["true"]
    return [one.text for one in root.findall(f"{S3}Object/{S3}Key")]


# --- Requests.


@pytest.mark.parametrize("checksum", [None, "crc32", "sha256"])
def test_the_request(tls, transfers_with, checksum):
    with Scripted([[expect, respond(response(result())), silence]], tls) as server:
        assert transfers_with(server, checksum=checksum).delete_objects("bucket", "does not count", keys=UGLY) == {}
    (request,) = server.requests
    assert request.method == "POST"
    assert request.target.startswith("/bucket/?delete")
    assert keys_in(request.body) == UGLY
    assert request.headers["content-length"] == str(len(request.body))
    crc = base64.b64encode(zlib.crc32(request.body).to_bytes(4, "big")).decode()
    assert request.headers.get("x-amz-checksum-crc32") == (crc if checksum == "crc32" else None)
    # S3 wants one or the other; what boto3 does not send of one kind, it sends of the other.
    md5 = base64.b64encode(hashlib.md5(request.body).digest()).decode()
    assert request.headers.get("content-md5") == (None if checksum else md5)
    assert checksum or "content-md5" in request.headers["authorization"].partition("SignedHeaders=")[2]


def test_md5_is_sent_after_the_server_required_it(transfers_with):
    script = [expect, respond(error("MissingContentMD5", "400 Bad Request")), expect, respond(response(result()))]
    with Scripted([[*script, expect, respond(response(result())), silence]]) as server:
        transfers = transfers_with(server, checksum="crc32")
        for _ in range(2):
            assert transfers.delete_objects("bucket", keys=UGLY) == {}
    named = ("content-md5", "x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm")
    sent = [[name for name in named if name in request.headers] for request in server.requests]
    assert sent == [["x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm"], ["content-md5"], ["content-md5"]]


@pytest.mark.parametrize("key", ["a\x00", "\x0b", "a\x1f", "\ufffe", "\uffff", "\ud800"])
def test_characters_that_xml_forbids_are_never_sent(transfers_with, key):
    with Scripted([]) as server:
        failure = failure_of(transfers_with(server).delete_objects, "bucket", keys=["good", key])
    assert failure.code is Code.REJECTED
    assert failure.status == 0


@pytest.mark.parametrize("count", [0, 1001])
def test_too_many_and_none_are_never_sent(transfers_with, count):
    with Scripted([]) as server:
        keys = [str(number) for number in range(count)]
        assert failure_of(transfers_with(server).delete_objects, "bucket", keys=keys).code is Code.REJECTED


# --- Responses.


@pytest.mark.parametrize("xmlns", [XMLNS, ""])
def test_keys_that_were_not_deleted_are_returned(tls, transfers_with, xmlns):
    refusals = [
        ("<&>]]>", "AccessDenied", "Access Denied"),
        ("a\r\nb\tc", "InternalError", ""),
        ("é/🦄", "", "x" * 999),
    ]
    with Scripted([[expect, respond(response(result(*refusals, xmlns=xmlns))), silence]], tls) as server:
        failures = transfers_with(server).delete_objects("bucket", keys=UGLY)
    assert failures == {
        "<&>]]>": "AccessDenied: Access Denied",
        "a\r\nb\tc": "InternalError: ",
        "é/🦄": ("unknown: " + "x" * 999)[:300],
    }


def test_responses_may_list_deleted_keys(transfers_with):
    """Not every server knows Quiet."""
    document = f"<DeleteResult{XMLNS}><Deleted><Key>a b</Key></Deleted><Deleted><Key>b</Key></Deleted></DeleteResult>"
    with Scripted([[expect, respond(response(document.encode())), silence]]) as server:
        assert transfers_with(server).delete_objects("bucket", keys=UGLY) == {}


def test_an_unrequested_key_is_an_error(transfers_with):
    """Otherwise, an object that S3 refused under another name would count as deleted."""
    refused = response(result(("a\nb\tc", "AccessDenied", "no")), x_amz_request_id="REQUEST")
    with Scripted([[expect, respond(refused), silence]]) as server:
        failure = failure_of(transfers_with(server).delete_objects, "bucket", keys=UGLY)
    assert (failure.code, failure.status, failure.request_id) == (Code.MALFORMED, 200, "REQUEST")
    assert "AccessDenied" in failure.message


NONSENSE = {
    "nothing": b"",
    "the beginning": result()[:-5],
    "no XML": b"done!",
    "HTML": b"<html><body>all deleted</body></html>",
    "another document": b"<ListBucketResult></ListBucketResult>",
    "an error of nobody knows what": b"<DeleteResult><Error><Code>AccessDenied</Code></Error></DeleteResult>",
    "entities": b'<!DOCTYPE a [<!ENTITY a "b">]><DeleteResult>&a;</DeleteResult>',
    "deep": b"<DeleteResult>" + b"<a>" * 40 + b"</a>" * 40 + b"</DeleteResult>",
}


@pytest.mark.parametrize("document", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_no_success(transfers_with, document):
    with Scripted([[expect, respond(response(document)), silence]]) as server:
        assert failure_of(transfers_with(server).delete_objects, "bucket", keys=UGLY).code in UNUSABLE


def test_a_response_that_is_cut_short_is_no_success(tls, transfers_with):
    cut = response(result()[:-10], content_length=len(result()))
    with Scripted([[expect, respond(cut), close]], tls) as server:
        assert failure_of(transfers_with(server).delete_objects, "bucket", keys=UGLY).code is Code.BROKEN


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("InternalError", "200 OK", Code.BUSY),  # S3 may send 200 before it knows
        ("SlowDown", "200 OK", Code.BUSY),
        ("SlowDown", "503 Slow Down", Code.BUSY),
        ("AccessDenied", "403 Forbidden", Code.ACCESS_DENIED),
        ("NoSuchBucket", "404 Not Found", Code.NO_BUCKET),
        ("MalformedXML", "400 Bad Request", Code.REJECTED),
        ("NotImplemented", "501 Not Implemented", Code.NOT_IMPLEMENTED),
        ("MethodNotAllowed", "405 Method Not Allowed", Code.REJECTED),
        ("BadDigest", "400 Bad Request", Code.BROKEN),
    ],
)
def test_errors(transfers_with, code, status, expected):
    with Scripted([[expect, respond(error(code, status)), expect_or_end, respond(error(code, status))]]) as server:
        failure = failure_of(transfers_with(server).delete_objects, "bucket", keys=UGLY)
    assert failure[:5] == (expected, "It is so.", code, int(status[:3]), "REQUEST")


def test_fields_are_those_of_one_error_each():
    document = b"<DeleteResult><Error><Key>a</Key><Code>X</Code></Error><Error><Key>b</Key></Error></DeleteResult>"
    assert parse(document) == ("DeleteResult", [("a", "X", ""), ("b", "", "")])


@given(st.text(st.characters(codec="utf-8"), min_size=1))
@example("a/b.c")
@example("<&>]]>\"'")
def test_any_xml_parser_returns_the_key(key):
    if goes_with_others(key):
        names = [one.text for one in ElementTree.fromstring(document_of([key])).iter() if one.tag.endswith("Key")]
        assert names == [key]


@pytest.mark.parametrize("key", ["a", "a b", "dir/file.txt", ".hidden", "a/.b", "...", "a..b", "é/\U0001f984", "<&>"])
def test_usual_keys_go_together(key):
    assert goes_with_others(key)


@pytest.mark.parametrize(
    "key",
    [" a", "a ", "a\nb", "a\r", "\ta", "a\x00", "\ufffe", ".", "..", "a/../b", "a/.", "./a", "a/..", "//../"],
)
def test_others_go_alone(key):
    assert not goes_with_others(key)
