"""Tests of CopyObject and UploadPartCopy: how a source is named, and what a 200 may hold."""

import pytest
from botocore.handlers import handle_copy_source_param
from hypothesis import given
from hypothesis import strategies as st
from wire.scripted import Scripted, expect, respond, response, silence

from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.copies import Source, encoded
from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.transfers import KMS_KEY, PutHeaders

SPACES = b'<?xml version="1.0" encoding="UTF-8"?>\n   \n'  # S3 sends them while it copies
COPIED = SPACES + (
    b'<CopyObjectResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LastModified>2026-01-01T00:00:00.000Z'
    b"</LastModified><ETag>&quot;e&quot;</ETag><ChecksumType>FULL_OBJECT</ChecksumType></CopyObjectResult>"
)
PART = SPACES + (
    b"<CopyPartResult><ETag>&quot;p&quot;</ETag><LastModified>x</LastModified><ChecksumCRC32>AAAAAA==</ChecksumCRC32>"
    b"<ChecksumType>COMPOSITE</ChecksumType></CopyPartResult>"
)
ERROR = SPACES + b"<Error><Code>%s</Code><Message>It is so.</Message></Error>"
SOURCE = ["from", "a+b ?%", None]


def ask(transfers_with, document, call):
    with Scripted([[expect, respond(response(document)), silence]]) as server:
        result = call(transfers_with(server))
    (request,) = server.requests
    return result, request


def copy(transfers):
    return transfers.copy("bucket", "k", SOURCE)


def copy_part(transfers):
    return transfers.copy_part("bucket", "k", "id", 2, SOURCE, "bytes=5-9", '"s"')


def test_a_copy_that_keeps_everything(transfers_with):
    etag, request = ask(transfers_with, COPIED, copy)
    assert etag == '"e"'
    assert (request.method, request.target, request.body) == ("PUT", "/bucket/k", b"")
    assert request.headers["x-amz-copy-source"] == "from/a%2Bb%20%3F%25"
    assert request.headers["content-length"] == "0"
    for name in ("x-amz-metadata-directive", "x-amz-copy-source-if-match", "if-none-match", "content-type"):
        assert name not in request.headers


def test_a_copy_with_conditions_and_other_headers(transfers_with):
    headers = PutHeaders("text/x", {"one": "1"}, "aws:kms", {"cache-control": "no-cache", KMS_KEY: "key"})
    source = ["from", "k", "v/1"]
    _, request = ask(transfers_with, COPIED, lambda it: it.copy("bucket", "k", source, headers, True, '"s"', ABSENT))
    sent = request.headers
    assert sent["x-amz-copy-source"] == "from/k?versionId=v%2F1"
    assert sent["x-amz-metadata-directive"] == "REPLACE"
    assert (sent["content-type"], sent["x-amz-meta-one"]) == ("text/x", "1")
    assert (sent["x-amz-copy-source-if-match"], sent["if-none-match"]) == ('"s"', "*")
    assert (sent["cache-control"], sent["x-amz-server-side-encryption"]) == ("no-cache", "aws:kms")
    assert sent["x-amz-server-side-encryption-aws-kms-key-id"] == "key"


def test_without_replacing_only_the_encryption_is_sent(transfers_with):
    headers = PutHeaders("text/x", {"one": "1"}, "aws:kms", {"cache-control": "no-cache", KMS_KEY: "key"})
    _, request = ask(transfers_with, COPIED, lambda it: it.copy("bucket", "k", SOURCE, headers))
    assert request.headers["x-amz-server-side-encryption"] == "aws:kms"
    assert request.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "key"
    for name in ("content-type", "cache-control", "x-amz-meta-one", "x-amz-metadata-directive"):
        assert name not in request.headers


def test_a_part(transfers_with):
    part, request = ask(transfers_with, PART, copy_part)
    assert part == {"ETag": '"p"', "ChecksumCRC32": "AAAAAA=="}
    assert request.target == "/bucket/k?partNumber=2&uploadId=id"
    assert request.headers["x-amz-copy-source-range"] == "bytes=5-9"
    assert request.headers["x-amz-copy-source-if-match"] == '"s"'


@pytest.mark.parametrize("call", [copy, copy_part], ids=["copy", "part"])
@pytest.mark.parametrize(
    ("document", "code", "s3_code"),
    [
        (ERROR % b"InternalError", Code.BUSY, "InternalError"),
        (ERROR % b"SlowDown", Code.BUSY, "SlowDown"),
        (ERROR % b"NoSuchUpload", Code.NO_UPLOAD, "NoSuchUpload"),
        (COPIED[:-8], Code.BROKEN, ""),
        (SPACES, Code.BROKEN, ""),
        (b"", Code.BROKEN, ""),
        (b"<CopyObjectResult/>", Code.MALFORMED, ""),
        (b"<html><body>hello</body></html>", Code.NOT_S3, ""),
    ],
    ids=["internal", "slow down", "no upload", "cut short", "only spaces", "nothing", "no ETag", "a page"],
)
def test_a_200_that_is_no_success(transfers_with, call, document, code, s3_code):
    with pytest.raises(TransferError) as failed:
        ask(transfers_with, document, call)
    assert (failed.value.failure.code, failed.value.failure.s3_code) == (code, s3_code)
    assert failed.value.failure.status == 200


@pytest.mark.parametrize("call", [copy, copy_part], ids=["copy", "part"])
def test_a_server_that_stores_the_empty_body(transfers_with, call):
    """As rclone responds to UploadPartCopy, because it ignores x-amz-copy-source."""
    with Scripted([[expect, respond(response(etag='"e"')), silence]]) as server, pytest.raises(TransferError) as failed:
        call(transfers_with(server))
    assert failed.value.failure.code is Code.NOT_IMPLEMENTED


@given(st.text(min_size=1, max_size=8).filter(lambda key: key.isprintable() or "\n" in key), st.none() | st.just("v1"))
def test_a_source_is_encoded_as_boto3_does(key, version_id):
    for bucket in ("bucket.1", "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine"):
        given = {"CopySource": {"Bucket": bucket, "Key": key, **({"VersionId": version_id} if version_id else {})}}
        handle_copy_source_param(given)
        assert encoded(Source(bucket, key, version_id)) == given["CopySource"]
