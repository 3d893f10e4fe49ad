"""A server that refuses the headers of S3's newer checksums, as Backblaze B2 does."""

import pytest
from attacks.hostile import error, response
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception

CALLS = {
    "put": lambda s3: s3.put("a", "1"),
    "put_many": lambda s3: s3.put_many([(str(number), "1") for number in range(6)]),
    "put, large": lambda s3: s3.put("a", bytes(20 * 2**20)),
    "get": lambda s3: s3.get("a").text,
}


def refusing(head):
    """Answer a request, and close: its body is not read."""
    request = head.lower()
    if b"x-amz-checksum" in request or b"x-amz-sdk-checksum" in request or b"x-amz-trailer" in request:
        data = error(
            "Unsupported header 'x-amz-sdk-checksum-algorithm' received.", "InvalidArgument", "400 Bad Request"
        )
    else:
        data = response(b"", etag='"e"')
    return data.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_error_names_the_setting(s3, server, call):
    server.respond = refusing
    with pytest.raises(MetaflowS3Exception) as raised:
        call(s3)
    assert "AWS_REQUEST_CHECKSUM_CALCULATION=when_required" in str(raised.value)
    assert "AWS_RESPONSE_CHECKSUM_VALIDATION=when_required" in str(raised.value)


@pytest.mark.parametrize(("name", "requests"), [("put", 1), ("put_many", 6), ("get", 1)])
def test_which_then_works(server, tmproot, monkeypatch, name, requests):
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
    server.respond = refusing
    with S3(s3root="s3://bucket/root", client_params=server.client_params(), tmproot=str(tmproot)) as s3:
        CALLS[name](s3)
    assert len([head for head in server.heads if not head.startswith(b"HEAD ")]) == requests
