"""Tests of multipart uploads: errors with status 200, truncated responses, escaping."""

import base64
import hashlib
import zlib
from xml.etree import ElementTree

import pytest
from wire.scripted import Scripted, close, error, expect, respond, response, silence

from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.failures import UNUSABLE, Code, TransferError
from metaflow_extensions.fasts3.wire.transfers import PutHeaders

S3 = "{http://s3.amazonaws.com/doc/2006-03-01/}"
COMPLETED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n   \n'  # S3 sends spaces while it thinks
    b'<CompleteMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Location>x</Location><ETag>&quot;whole-2&quot;</ETag></CompleteMultipartUploadResult>"
)
PARTS = [{"ETag": '"a"'}, {"ETag": '"b"'}]
UPLOAD = ("bucket", "a key", "id/+=&?")


def failure_of(call, *arguments, **named):
    with pytest.raises(TransferError) as failed:
        call(*arguments, **named)
    return failed.value.failure


def chunked(*pieces):
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return response(body, content_length=None, transfer_encoding="chunked")


# --- Create.


@pytest.mark.parametrize("checksum", [None, "crc32", "crc64nvme"])
def test_create(tls, transfers_with, checksum):
    document = (
        b"<InitiateMultipartUploadResult><Key>k</Key><UploadId>a&amp;b</UploadId></InitiateMultipartUploadResult>"
    )
    with Scripted([[expect, respond(response(document)), silence]], tls) as server:
        headers = PutHeaders("text/x", {"one": "1"}, "AES256", {"cache-control": "no-store"})
        assert transfers_with(server, checksum=checksum).create_upload("bucket", "a key", headers) == "a&b"
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("POST", "/bucket/a%20key?uploads=", b"")
    assert request.headers["content-type"] == "text/x"
    assert request.headers["x-amz-meta-one"] == "1"
    assert request.headers["x-amz-server-side-encryption"] == "AES256"
    assert request.headers["cache-control"] == "no-store"
    assert request.headers.get("x-amz-checksum-algorithm") == (checksum and checksum.upper())


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<InitiateMultipartUploadResult></InitiateMultipartUploadResult>",
        b"<InitiateMultipartUploadResult><UploadId/></InitiateMultipartUploadResult>",
        b"<InitiateMultipartUploadResult><UploadId>abc</UploadId>",
        b"<html><body>hello</body></html>",
        b"\xff\xfe",
    ],
    ids=["nothing", "no id", "an empty one", "cut short", "another", "no XML"],
)
def test_create_without_an_upload_id(transfers_with, document):
    with Scripted([[expect, respond(response(document)), silence]]) as server:
        failure = failure_of(transfers_with(server).create_upload, "bucket", "key")
    assert failure.code in UNUSABLE
    assert "UploadId" in failure.message or failure.code is Code.NOT_S3


# --- Parts.

DATA = bytes(range(256)) * 500


@pytest.mark.parametrize("way", ["bytes", "file"])
def test_a_part(tls, transfers_with, tmp_path, way):
    (tmp_path / "f").write_bytes(b"before" + DATA + b"after")
    given = {"body": DATA}
    if way == "file":
        given = {"path": str(tmp_path / "f"), "position": 6, "length": len(DATA)}
    with Scripted([[expect, respond(response(etag='"e"', x_amz_checksum_crc32="from S3")), silence]], tls) as server:
        transfers = transfers_with(server, checksum="crc32", sign_payload=not tls)
        assert transfers.upload_part(*UPLOAD, 7, **given) == {"ETag": '"e"', "ChecksumCRC32": "from S3"}
    (request,) = server.requests
    assert (request.method, request.body) == ("PUT", DATA)
    assert request.target == "/bucket/a%20key?partNumber=7&uploadId=id%2F%2B%3D%26%3F"
    assert request.headers["content-length"] == str(len(DATA))
    crc = base64.b64encode(zlib.crc32(DATA).to_bytes(4, "big")).decode()
    assert request.headers["x-amz-checksum-crc32"] == crc
    digest = "UNSIGNED-PAYLOAD" if tls else hashlib.sha256(DATA).hexdigest()
    assert request.headers["x-amz-content-sha256"] == digest


@pytest.mark.parametrize(
    ("checksum", "headers", "expected"),
    [
        (None, {"etag": '"e"'}, {"ETag": '"e"'}),
        (None, {"etag": '"e"', "x_amz_checksum_crc32": "c"}, {"ETag": '"e"'}),
        ("crc32", {"etag": '"e"'}, {"ETag": '"e"'}),
        ("sha256", {"etag": '"e"', "x_amz_checksum_sha256": "c"}, {"ETag": '"e"', "ChecksumSHA256": "c"}),
    ],
)
def test_the_result_of_a_part(transfers_with, checksum, headers, expected):
    with Scripted([[expect, respond(response(**headers)), silence]]) as server:
        assert transfers_with(server, checksum=checksum).upload_part(*UPLOAD, 1, b"x") == expected


def test_a_part_of_an_upload_that_is_gone(transfers_with):
    with Scripted([[expect, respond(error("NoSuchUpload", "404 Not Found")), silence]]) as server:
        assert failure_of(transfers_with(server).upload_part, *UPLOAD, 1, b"x").code is Code.NO_UPLOAD


def test_a_file_that_is_too_short_for_its_part(transfers_with, tmp_path):
    (tmp_path / "f").write_bytes(b"short")
    with Scripted([]) as server:
        upload = transfers_with(server).upload_part
        failure = failure_of(upload, *UPLOAD, 1, path=str(tmp_path / "f"), position=3, length=3)
    assert failure.code is Code.CHANGED


# --- Complete.


@pytest.mark.parametrize(
    "framed", [response(COMPLETED), chunked(*(COMPLETED[n : n + 30] for n in range(0, len(COMPLETED), 30)))]
)
def test_complete(tls, transfers_with, framed):
    with Scripted([[expect, respond(framed), silence]], tls) as server:
        assert transfers_with(server).complete_upload(*UPLOAD, PARTS) == '"whole-2"'
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/bucket/a%20key?uploadId=id%2F%2B%3D%26%3F")
    assert "if-none-match" not in request.headers
    root = ElementTree.fromstring(request.body)
    assert root.tag == f"{S3}CompleteMultipartUpload"
    assert [[(one.tag, one.text) for one in part] for part in root] == [
        [(f"{S3}ETag", '"a"'), (f"{S3}PartNumber", "1")],
        [(f"{S3}ETag", '"b"'), (f"{S3}PartNumber", "2")],
    ]


def test_etags_of_parts_are_escaped(transfers_with):
    ugly = {"ETag": "\"<&>'ü</ETag>", "ChecksumCRC32": "a+/=&"}
    with Scripted([[expect, respond(response(COMPLETED)), silence]]) as server:
        transfers_with(server).complete_upload(*UPLOAD, [ugly])
    (part,) = ElementTree.fromstring(server.requests[0].body)
    assert {one.tag[len(S3) :]: one.text for one in part} == {**ugly, "PartNumber": "1"}


@pytest.mark.parametrize(
    ("condition", "header"), [(ABSENT, ("if-none-match", "*")), ('"etag"', ("if-match", '"etag"'))]
)
def test_complete_under_a_condition(transfers_with, condition, header):
    refusal = error("PreconditionFailed", "412 Precondition Failed")
    with Scripted([[expect, respond(refusal), silence]]) as server:
        failure = failure_of(transfers_with(server).complete_upload, *UPLOAD, PARTS, condition=condition)
    assert failure.code is Code.PRECONDITION
    sent = {name: server.requests[0].headers.get(name) for name in ("if-match", "if-none-match")}
    assert sent == {"if-match": None, "if-none-match": None, **dict([header])}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("InternalError", Code.BUSY),
        ("SlowDown", Code.BUSY),
        ("NoSuchUpload", Code.NO_UPLOAD),
        ("WhoKnows", Code.BUSY),
        ("AccessDenied", Code.ACCESS_DENIED),
        ("PreconditionFailed", Code.PRECONDITION),
        ("InvalidPart", Code.REJECTED),
    ],
)
def test_an_error_in_a_200(tls, transfers_with, code, expected):
    """S3 sends 200 before it knows. So does Swift, after 10 s: also if the condition of the upload failed."""
    with Scripted([[expect, respond(error(code, "200 OK")), silence]], tls) as server:
        failure = failure_of(transfers_with(server).complete_upload, *UPLOAD, PARTS)
    assert failure[1:5] == ("It is so.", code, 200, "REQUEST")
    assert failure.code is expected


CUT = {
    "nothing": response(b""),
    "the beginning": response(COMPLETED[:-10]),
    "only spaces": response(b"     "),
    "no XML": response(b"done!"),
    "chunks that end": chunked(COMPLETED[:60]),
    "chunks that don't": chunked(COMPLETED)[:-5],
    "a length that is not reached": response(COMPLETED[:-10], content_length=len(COMPLETED)),
}


@pytest.mark.parametrize("data", CUT.values(), ids=CUT)
def test_a_response_that_is_cut_short_is_no_success(tls, transfers_with, data):
    with Scripted([[expect, respond(data), close]], tls) as server:
        assert failure_of(transfers_with(server).complete_upload, *UPLOAD, PARTS).code in UNUSABLE


def test_another_root_is_a_success(transfers_with):
    """Not every server calls it as S3 does."""
    document = b"<completeMultipartUploadResult><ETag>e</ETag></completeMultipartUploadResult>"
    with Scripted([[expect, respond(response(document)), silence]]) as server:
        assert transfers_with(server).complete_upload(*UPLOAD, PARTS) == "e"


# --- Abort.


def test_abort(transfers_with):
    with Scripted([[expect, respond(response(status="204 No Content", content_length=None)), silence]]) as server:
        transfers_with(server).abort_upload(*UPLOAD)
    (request,) = server.requests
    assert (request.method, request.target) == ("DELETE", "/bucket/a%20key?uploadId=id%2F%2B%3D%26%3F")


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("NoSuchUpload", "404 Not Found", None),
        ("NoSuchBucket", "404 Not Found", Code.NO_BUCKET),
        ("AccessDenied", "403 Forbidden", Code.ACCESS_DENIED),
        ("SlowDown", "503 Slow Down", Code.BUSY),
    ],
)
def test_an_abort_that_fails(transfers_with, code, status, expected):
    with Scripted([[expect, respond(error(code, status)), silence]]) as server:
        abort = transfers_with(server).abort_upload
        if expected is None:  # what is gone is aborted
            abort(*UPLOAD)
        else:
            assert failure_of(abort, *UPLOAD).code is expected
