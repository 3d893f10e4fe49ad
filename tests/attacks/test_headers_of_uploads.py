"""Every property of an upload stays one header; anything else is rejected before a byte is sent."""

import pytest
from case import case
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3InvalidObject, S3PutObject

NO_HEADERS = ["a\r\nx: y", "a\nb", "a\rb", "a\0b", "text/ü", "text/€", "\x1b[2J", 5, b"text/plain"]
deep: "dict[str, object]" = {}
for _ in range(200_000):  # Python 3.14 limits the depth by the size of the stack
    deep = {"a": deep}


@pytest.mark.parametrize("field", ["content_type", "encryption"])
def test_no_header_becomes_two(server, s3, field):
    for value in NO_HEADERS:
        with case(value):
            with pytest.raises(MetaflowS3InvalidObject, match=r"the-key.*in ASCII, without line breaks"):
                s3.put_many([S3PutObject("the-key", "value", **{field: value})])
            with pytest.raises(MetaflowS3InvalidObject, match=r"the-key.*in ASCII, without line breaks"):
                s3.put_files([S3PutObject("the-key", path=__file__, **{field: value})])
    assert server.heads == []


def test_the_encryption_of_the_client_adds_no_header(server, tmproot):
    params = server.client_params()
    for value in NO_HEADERS:
        with (
            case(value),
            S3(s3root="s3://bucket", encryption=value, client_params=params, tmproot=str(tmproot)) as s3,
            pytest.raises(MetaflowS3InvalidObject, match="encryption"),
        ):
            s3.put("the-key", "value")
    assert server.heads == []


def test_the_etag_of_if_match_adds_no_header(server, s3):
    for value in NO_HEADERS:
        with case(value):
            with pytest.raises(MetaflowS3InvalidObject, match=r"the-key.*not an ETag"):
                s3.put("the-key", "value", if_match=value)
            with pytest.raises(MetaflowS3InvalidObject, match=r"the-key.*not an ETag"):
                s3.put_files([S3PutObject("the-key", path=__file__, if_match=value)])
    assert server.heads == []


def test_metadata_deeper_than_json_can_write(server, s3):
    with pytest.raises(MetaflowS3InvalidObject, match="is not JSON-encodable"):
        s3.put("the-key", "value", metadata=deep)
    assert server.heads == []
