"""Tests of the meaning of S3's errors, and of reading their documents."""

from http import HTTPStatus
from xml.parsers import expat

import pytest
from botocore.parsers import RestXMLParser
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.wire.failures import TRANSIENT, Code, Failure
from metaflow_extensions.fasts3.wire.s3_errors import (
    BY_S3_CODE,
    BY_STATUS,
    code_of,
    failure_of,
)
from metaflow_extensions.fasts3.wire.xml_documents import MAX_DEPTH, new_parser, texts

EXAMPLES = examples(300)
DECLARED = b'<?xml version="1.0" encoding="UTF-8"?>\n'
NO_KEY = DECLARED + (
    b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>"
    b"<Key>a/b</Key><RequestId>4442587FB7D0A2F9</RequestId><HostId>abc=</HostId></Error>"
)
# Entities that double thirty times: a billion laughs.
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE Error [<!ENTITY a0 "ha">'
    + b"".join(b'<!ENTITY a%d "&a%d;&a%d;">' % (step, step - 1, step - 1) for step in range(1, 31))
    + b"]><Error><Code>&a30;</Code></Error>"
)


# --- The table

TABLE = [
    ("NoSuchKey", 404, Code.NOT_FOUND),
    ("NoSuchVersion", 404, Code.NOT_FOUND),
    ("NoSuchBucket", 404, Code.NO_BUCKET),
    ("NoSuchUpload", 404, Code.NO_UPLOAD),
    ("", 404, Code.NOT_FOUND),
    ("AccessDenied", 403, Code.ACCESS_DENIED),
    ("AllAccessDisabled", 403, Code.ACCESS_DENIED),
    ("InvalidAccessKeyId", 403, Code.ACCESS_DENIED),
    ("SignatureDoesNotMatch", 403, Code.ACCESS_DENIED),
    ("ExpiredToken", 400, Code.EXPIRED),
    ("RequestTimeTooSkewed", 403, Code.SKEWED),
    ("InvalidToken", 400, Code.ACCESS_DENIED),
    ("", 401, Code.ACCESS_DENIED),
    ("InvalidRange", 416, Code.INVALID_RANGE),
    ("PreconditionFailed", 412, Code.PRECONDITION),
    ("", 304, Code.PRECONDITION),
    ("NotImplemented", 501, Code.NOT_IMPLEMENTED),
    ("BadDigest", 400, Code.BROKEN),
    ("IncompleteBody", 400, Code.BROKEN),
    ("XAmzContentSHA256Mismatch", 400, Code.BROKEN),
    ("ConditionalRequestConflict", 409, Code.BUSY),
    ("ConcurrentModification", 409, Code.BUSY),
    ("OperationAborted", 409, Code.BUSY),
    ("RequestTimeout", 400, Code.BUSY),
    ("", 408, Code.BUSY),
    ("", 425, Code.BUSY),
    ("", 429, Code.BUSY),
    ("SlowDown", 503, Code.BUSY),
    ("SlowDown", 400, Code.BUSY),
    ("InternalError", 500, Code.BUSY),
    ("InternalError", 200, Code.BUSY),
    ("", 500, Code.BUSY),
    ("", 502, Code.BUSY),
    ("", 503, Code.BUSY),
    ("", 504, Code.BUSY),
    ("", 599, Code.BUSY),
    ("InvalidArgument", 400, Code.REJECTED),
    ("EntityTooLarge", 400, Code.REJECTED),
    ("AuthorizationHeaderMalformed", 400, Code.REJECTED),
    ("BucketAlreadyExists", 409, Code.REJECTED),
    ("MethodNotAllowed", 405, Code.REJECTED),
    ("PermanentRedirect", 301, Code.REJECTED),
    ("nobody knows", 418, Code.REJECTED),
]


@pytest.mark.parametrize(("s3_code", "status", "code"), TABLE)
def test_meanings_of_codes(s3_code, status, code):
    assert code_of(s3_code, status) is code


def test_every_status_means_something():
    for status in range(300, 600):
        code = code_of("", status)
        assert (code in TRANSIENT) == (status in (408, 425, 429) or (status >= 500 and status != 501)), status


def test_the_tables_have_no_code_that_the_status_implies():
    assert set(BY_S3_CODE.values()) <= set(Code)
    assert all(status == 304 or 400 <= status < 600 for status in BY_STATUS)


# --- Documents


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(NO_KEY, id="as S3 writes it"),
        pytest.param(
            NO_KEY.replace(b"<Error>", b'<Error xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'), id="xmlns"
        ),
        pytest.param(NO_KEY.replace(b"><", b">\r\n  <"), id="indented"),
        pytest.param(NO_KEY[len(DECLARED) :], id="no declaration"),
        pytest.param(b"\xef\xbb\xbf" + NO_KEY, id="byte order mark"),
        pytest.param(NO_KEY.decode().replace("UTF-8", "UTF-16").encode("utf-16"), id="UTF-16"),
        pytest.param(NO_KEY.replace(b"UTF-8", b"iso-8859-1"), id="ISO-8859-1"),
        pytest.param(NO_KEY.replace(b"NoSuchKey", b"<![CDATA[NoSuch]]><!-- -->Key"), id="CDATA and comments"),
    ],
)
def test_an_error_s_document(document):
    expected = Failure(
        Code.NOT_FOUND, "The specified key does not exist.", "NoSuchKey", 404, request_id="4442587FB7D0A2F9"
    )
    assert failure_of(404, {}, document) == expected


def test_the_request_id_of_the_header_takes_precedence():
    assert failure_of(404, {"x-amz-request-id": "H"}, NO_KEY).request_id == "H"
    assert failure_of(404, {"x-amz-request-id": "H"}, b"").request_id == "H"


def test_only_children_of_the_root_are_returned():
    document = (
        b"<Error><Detail><Code>inner</Code></Detail><Message>m&amp;&lt;&#233;</Message><Code>outer</Code></Error>"
    )
    failure = failure_of(400, {}, document)
    assert (failure.s3_code, failure.message) == ("outer", "m&<é")


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"", id="nothing: HEAD"),
        pytest.param(b"   \r\n", id="blank"),
        pytest.param(b"<html><head><title>503</title></head><body><h1>Busy<br></h1></body></html>", id="HTML"),
        pytest.param(b"<html><Code>SlowDown</Code></html>", id="XML, but no error"),
        pytest.param(b"<!DOCTYPE html>" + NO_KEY[len(DECLARED) :], id="DOCTYPE"),
        pytest.param(BOMB, id="entity bomb"),
        pytest.param(b'<!DOCTYPE Error SYSTEM "file:///etc/hostname"><Error><Code>x</Code></Error>', id="external"),
        pytest.param(b"<Error><Code>&nbsp;</Code></Error>", id="unknown entity"),
        pytest.param(NO_KEY + b"<Error/>", id="two roots"),
        pytest.param(NO_KEY + NO_KEY, id="twice"),
        pytest.param(b'<?xml version="1.0" encoding="x-nobody-knows"?><Error><Code>x</Code></Error>', id="encoding"),
        pytest.param(
            b'<?xml version="1.0" encoding="utf-7"?><Error><Code>x</Code></Error>', id="encoding of many bytes"
        ),
        pytest.param(
            b'<?xml version="1.0" encoding="cp1252"?><Error><Code>x</Code></Error>', id="encoding that Python knows"
        ),
        pytest.param(
            b'<?xml version="1.0" encoding="unicode_escape"?><Error><Code>x</Code></Error>', id="encoding that warns"
        ),
        pytest.param(b'<?xml version="1.0" encoding="hex"?><Error><Code>x</Code></Error>', id="encoding that is none"),
        pytest.param(NO_KEY.replace(b"a/b", b"\xff"), id="not UTF-8"),
        pytest.param(NO_KEY.replace(b"a/b", b"\0"), id="NUL"),
        pytest.param(b"<Error>" + b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH + b"</Error>", id="too deep"),
        pytest.param(b"<a>" * 100_000, id="far too deep"),
        pytest.param(b'{"code": "NoSuchKey"}', id="JSON"),
        pytest.param(b"\0" * 1000, id="zeros"),
    ],
)
def test_without_a_document_the_status_decides(document):
    assert failure_of(503, {}, document) == Failure(Code.BUSY, "Service Unavailable", "503", 503)
    headers = {"x-amz-request-id": "R"}
    assert failure_of(404, headers, document) == Failure(Code.NOT_FOUND, "Not Found", "404", 404, "R")


def test_a_truncated_document_is_none():
    for end in range(len(NO_KEY)):
        assert texts(NO_KEY[:end]) == ("", {})
        assert failure_of(404, {}, NO_KEY[:end]) == Failure(Code.NOT_FOUND, "Not Found", "404", 404)
    assert texts(NO_KEY)[0] == "Error"


@pytest.mark.parametrize("status", [499, 520, 599, 999])
def test_a_status_without_a_name(status):
    assert failure_of(status, {}, b"") == Failure(code_of("", status), "", str(status), status)


def test_a_document_without_a_code_keeps_its_message():
    assert failure_of(403, {}, b"<Error><Message>No.</Message></Error>") == Failure(
        Code.ACCESS_DENIED, "No.", "403", 403
    )
    assert failure_of(403, {}, b"<Error/>") == Failure(Code.ACCESS_DENIED, "Forbidden", "403", 403)


def test_a_huge_document_is_read_as_any_other():
    message = "no " * 80_000
    failure = failure_of(400, {}, f"<Error><Code>Long</Code><Message>{message}</Message></Error>".encode())
    assert failure == Failure(Code.REJECTED, message, "Long", 400)
    many = b"<Error><Code>Many</Code>" + b"<A>x</A>" * 30_000 + b"</Error>"
    assert failure_of(400, {}, many).s3_code == "Many"


def test_the_deepest_document_that_is_read():
    inner = MAX_DEPTH - 1
    document = b"<Error><Code>Deep</Code>" + b"<a>" * inner + b"</a>" * inner + b"</Error>"
    assert failure_of(400, {}, document).s3_code == "Deep"


def test_texts_of_other_documents():
    document = b'<InitiateMultipartUploadResult xmlns="x"><Bucket>b</Bucket><UploadId>a&amp;b</UploadId><Empty/></%s>'
    root, fields = texts(document % b"InitiateMultipartUploadResult")
    assert root == "InitiateMultipartUploadResult"
    assert fields == {"Bucket": "b", "UploadId": "a&b", "Empty": ""}
    assert texts(b"<Lonely/>") == ("Lonely", {})


def test_entities_are_rejected_before_they_are_expanded():
    parser, seen = new_parser(), []
    parser.CharacterDataHandler = seen.append
    with pytest.raises(ValueError, match="no entities"):
        parser.Parse(BOMB, True)
    assert seen == []


def test_a_parser_gives_texts_in_one_piece():
    parser, seen = new_parser(), []
    parser.CharacterDataHandler = seen.append
    parser.Parse(b"<a>one &amp; the same\r\ntext</a>", True)
    assert seen == ["one & the same\ntext"]
    assert isinstance(parser, expat.XMLParserType)


texts_of_xml = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<&>\ufffe\uffff"), max_size=30
)


@EXAMPLES
@given(
    code=st.one_of(st.sampled_from(sorted(BY_S3_CODE)), texts_of_xml.map(str.strip)).filter(bool),
    message=texts_of_xml,
    status=st.sampled_from([int(status) for status in HTTPStatus if status > 300]),
)
def test_documents_say_what_botocore_reads_in_them(code, message, status):
    document = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    parsed = RestXMLParser().parse({"headers": {}, "body": document, "status_code": status}, None)["Error"]
    failure = failure_of(status, {}, document)
    assert (failure.s3_code, failure.message, failure.status) == (parsed["Code"], parsed["Message"] or "", status)
    assert failure.code is code_of(code, status)
