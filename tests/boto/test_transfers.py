"""Tests of boto3's transfers alone; `wire/test_transfers.py` tests both implementations."""

import zlib

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from wire.test_versions import document as document_of_versions
from wire.test_versions import marker, version

from metaflow_extensions.fasts3.boto.errors import failure_of
from metaflow_extensions.fasts3.boto.transfers import Boto3Transfers
from metaflow_extensions.fasts3.wire.checksums import crc32_text
from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.failures import Code, TransferError


class Answering:
    """A client whose one call returns the given response."""

    def __init__(self, **response):
        self.meta = type("Meta", (), {"config": None})()
        metadata = {"HTTPStatusCode": 200, "HTTPHeaders": {"x-amz-request-id": "REQUEST"}}
        self.head_object = lambda **_: {**response, "ResponseMetadata": metadata}


def test_a_response_without_a_length_has_no_size():
    assert Boto3Transfers(Answering(ETag="x")).head("b", "k").size is None


class Body:
    """The body of a response."""

    def __init__(self, content=b""):
        self._content = content

    def stream(self, *_, **__):
        yield self._content


def client_of(endpoint_url="http://s3.example", **settings):
    keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "hush", "region_name": "eu-west-1"}
    return boto3.client("s3", endpoint_url=endpoint_url, config=Config(**settings), **keys)


def answering(document):
    """boto3's transfers with a server that sends this document."""
    client, headers = client_of(), {"x-amz-request-id": "REQUEST"}
    client.meta.events.register(
        "before-send.s3", lambda request, **_: AWSResponse(request.url, 200, headers, Body(document))
    )
    return Boto3Transfers(client)


@pytest.mark.parametrize("token", ["", "<NextContinuationToken>the same</NextContinuationToken>"])
def test_a_listing_that_is_cut_short_is_an_error(token):
    document = f"<ListBucketResult><IsTruncated>true</IsTruncated>{token}</ListBucketResult>".encode()
    with pytest.raises(TransferError, match="continuation token") as failed:
        answering(document).list_page("b", "k", token="the same")
    failure = failed.value.failure
    assert (failure.code, failure.status, failure.request_id) == (Code.MALFORMED, 200, "REQUEST")


def test_versions_are_listed_in_the_order_of_s3():
    """boto3 returns versions and delete markers apart, and the times of these do not show the order."""
    rows = [version("d/a", "4", "true"), marker("d/a", "3"), version("d/a", "2"), marker("d/a", "1")]
    page = answering(document_of_versions(*rows)).list_versions("b", "d")
    assert [one.version_id for one in page.versions] == ["4", "3", "2", "1"]


UPLOADS = {
    "put": lambda transfers, **body: transfers.put("bucket", "key", **body),
    "part": lambda transfers, **body: transfers.upload_part("bucket", "key", "id", 1, **body),
}


@pytest.mark.parametrize("upload", UPLOADS.values(), ids=UPLOADS)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("setting", ["when_supported", "when_required"])
def test_a_checksum_precedes_the_body(tmp_path, scheme, upload, setting):
    """Ceph 16 responds with 411 to a checksum in a trailer, as boto3 would send it over TLS."""
    sent = []
    client = client_of(f"{scheme}://s3.example", request_checksum_calculation=setting)

    def replied(request, **_):
        sent.append({name.lower(): value for name, value in request.headers.items()})
        return AWSResponse(request.url, 200, {"etag": '"e"'}, Body())

    client.meta.events.register("before-send.s3", replied)
    file = tmp_path / "file"
    file.write_bytes(b"value")
    transfers = Boto3Transfers(client)
    upload(transfers, body=b"value")
    upload(transfers, path=str(file), **({"length": 5} if upload is UPLOADS["part"] else {}))
    for headers in sent:
        checksum = headers.get("x-amz-checksum-crc32")
        assert (checksum and checksum.decode() if isinstance(checksum, bytes) else checksum) == (
            crc32_text(zlib.crc32(b"value")) if setting == "when_supported" else None
        )
        assert not headers.keys() & {"x-amz-trailer", "transfer-encoding", "content-encoding"}
        assert str(headers["content-length"]) == "5"


def test_empty_fields_of_an_error_are_not_none():
    error = ClientError({"Error": {"Code": "NoSuchBucket", "Message": None}, "ResponseMetadata": {}}, "GetObject")
    assert failure_of(error).message == ""


def test_a_list_of_uploads_that_is_another_document_is_an_error():
    """boto3 would take it for one without uploads."""
    other = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    with pytest.raises(TransferError) as failed:
        answering(other).list_uploads("bucket", "")
    assert failed.value.failure.code is Code.MALFORMED


def test_uploads_with_keys_that_xml_can_not_hold_are_listed():
    client = client_of()
    upload = "<Upload><Key>{}</Key><UploadId>u</UploadId></Upload>"
    rows = {False: upload.format("a\x01b"), True: "<EncodingType>url</EncodingType>" + upload.format("a%01b")}

    def respond(request, **_):
        document = (
            f"<ListMultipartUploadsResult>{rows['encoding-type=url' in request.url]}</ListMultipartUploadsResult>"
        )
        return AWSResponse(request.url, 200, {"x-amz-request-id": "REQUEST"}, Body(document.encode()))

    client.meta.events.register("before-send.s3", respond)
    assert [one.key for one in Boto3Transfers(client).list_uploads("bucket", "a").uploads] == ["a\x01b"]


def test_a_call_of_the_user_s_that_was_interrupted_does_not_change_the_next():
    responses = [KeyboardInterrupt, AWSResponse("", 200, {}, Body())]

    def respond(**_):
        response = responses.pop(0)
        if response is KeyboardInterrupt:
            raise KeyboardInterrupt
        return response

    client = client_of()
    Boto3Transfers(client)
    client.meta.events.register("before-send.s3", respond)
    with pytest.raises(KeyboardInterrupt):
        client.head_bucket(Bucket="bucket")
    assert client.head_bucket(Bucket="bucket")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_connections_are_used_again(seaweedfs, prefix, tmp_path, monkeypatch):
    import urllib3.connection

    made = []
    connect = urllib3.connection.HTTPConnection.connect
    monkeypatch.setattr(urllib3.connection.HTTPConnection, "connect", lambda self: made.append(self) or connect(self))
    transfers = Boto3Transfers(boto3.client("s3", **seaweedfs.client_params()))
    for size in (0, 1, 100_000):
        transfers.put(seaweedfs.bucket, f"{prefix}/k", body=b"x" * size)
        transfers.get(seaweedfs.bucket, f"{prefix}/k", path=str(tmp_path / "f"))
        transfers.head(seaweedfs.bucket, f"{prefix}/k")
    assert len(made) == 1


CONDITIONAL = {
    "put": lambda transfers, condition: transfers.put("b", "k", b"body", condition=condition),
    "complete": lambda transfers, condition: transfers.complete_upload("b", "k", "u", [{"ETag": "e"}], condition),
}


@pytest.mark.parametrize("upload", CONDITIONAL.values(), ids=CONDITIONAL)
def test_a_condition_is_sent_and_signed(upload):
    sent, completed = [], b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
    client = client_of(parameter_validation=False)

    def replied(request, **_):
        texts = {
            name.lower(): str(value, "latin-1") if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        sent.append({name: texts.get(name) for name in ("if-match", "if-none-match")})
        assert all(value is None or name in texts["authorization"] for name, value in sent[-1].items())
        return AWSResponse(request.url, 200, {"etag": '"e"'}, Body(b"" if upload is CONDITIONAL["put"] else completed))

    client.meta.events.register("before-send.s3", replied)
    for condition in ('"etag"', None, ABSENT):
        upload(Boto3Transfers(client), condition)
    none = {"if-match": None, "if-none-match": None}
    assert sent == [{**none, "if-match": '"etag"'}, none, {**none, "if-none-match": "*"}]
