"""boto3's upload arguments become the headers that boto3 sends."""

import datetime

import boto3
import pytest

from metaflow_extensions.fasts3.boto import upload_arguments
from metaflow_extensions.fasts3.boto.upload_arguments import NOT_TAKEN, InvalidArgument, headers_of_arguments
from metaflow_extensions.fasts3.wire.objects import stored_headers
from metaflow_extensions.fasts3.wire.transfers import PutHeaders

NOON = datetime.datetime(2030, 1, 2, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
SAMPLES = {
    "ACL": "bucket-owner-full-control",
    "CacheControl": "max-age=60, private",
    "ContentDisposition": 'attachment; filename="a b.txt"',
    "ContentEncoding": "gzip",
    "ContentLanguage": "de",
    "ContentType": "text/x-test",
    "ExpectedBucketOwner": "123456789012",
    "Expires": NOON,
    "GrantFullControl": 'id="1"',
    "GrantRead": 'id="2"',
    "GrantReadACP": 'id="3"',
    "GrantWriteACP": 'id="4"',
    "Metadata": {"Source": "sensor 1"},
    "ObjectLockLegalHoldStatus": "ON",
    "ObjectLockMode": "GOVERNANCE",
    "ObjectLockRetainUntilDate": NOON,
    "ServerSideEncryption": "aws:kms",
    "StorageClass": "GLACIER_IR",
    "SSEKMSKeyId": "arn:aws:kms:eu-west-1:123456789012:key/1",
    "SSEKMSEncryptionContext": "eyJhIjoiYiJ9",
    "Tagging": "team=data&level=a%20b",
    "WebsiteRedirectLocation": "/other",
}


class Caught(Exception):
    pass


@pytest.fixture(scope="module")
def client():
    client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="AKIA", aws_secret_access_key="hush")
    yield client
    client.close()


def sent(client, **arguments):
    """The headers with which boto3 would create an upload."""
    seen = {}

    def catch(request, **_):
        seen.update({name.lower(): _text(value) for name, value in request.headers.items()})
        raise Caught

    client.meta.events.register("before-send.s3", catch)
    try:
        with pytest.raises(Caught):
            client.create_multipart_upload(Bucket="bucket", Key="key", **arguments)
    finally:
        client.meta.events.unregister("before-send.s3", catch)
    return seen


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


def test_there_is_a_sample_of_each():
    assert set(upload_arguments._names()) <= set(SAMPLES)


@pytest.mark.parametrize("name", [name for name in SAMPLES if name in upload_arguments._names()])
def test_the_header_is_boto3_s(client, name):
    plain, theirs = sent(client), sent(client, **{name: SAMPLES[name]})
    added = {header: value for header, value in theirs.items() if header not in plain}
    assert added
    assert stored_headers(headers_of_arguments({name: SAMPLES[name]})) == added


def test_headers_with_their_own_argument_are_separate():
    given = {name: SAMPLES[name] for name in ("ContentType", "Metadata", "ServerSideEncryption", "StorageClass")}
    assert headers_of_arguments(given) == PutHeaders(
        "text/x-test", {"source": "sensor 1"}, "aws:kms", {"x-amz-storage-class": "GLACIER_IR"}
    )
    assert headers_of_arguments({}) == PutHeaders()


def test_tags_in_a_dict_are_encoded():
    tags = {"team": "data & more", "ü": "="}
    assert headers_of_arguments({"Tagging": tags}).others == {"x-amz-tagging": "team=data+%26+more&%C3%BC=%3D"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("storage_class", "StorageClass"),
        ("x-amz-storage-class", "StorageClass"),
        ("Cache-Control", "CacheControl"),
        ("cachecontrol", "CacheControl"),
        ("StoragClass", "StorageClass"),
        ("Tags", "Tagging"),
    ],
)
def test_a_misspelt_name_is_suggested(name, meant):
    with pytest.raises(
        InvalidArgument, match=rf"'{name}' is not an upload argument of boto3\. Did you mean '{meant}'\?"
    ):
        headers_of_arguments({name: "x"})


@pytest.mark.parametrize("name", ["Bucket", "Body", "zzz", 5, None, ""])
def test_an_unknown_name_raises_with_the_known_ones(name):
    with pytest.raises(InvalidArgument, match=r"Known arguments: ACL, CacheControl, .*StorageClass"):
        headers_of_arguments({name: "x"})


@pytest.mark.parametrize("name", [*NOT_TAKEN, "ChecksumAlgorithm", "ChecksumSHA256", "ChecksumType"])
def test_unsupported_arguments_raise_with_the_reason(name):
    with pytest.raises(InvalidArgument, match=rf"^{name} is not possible here: .{{20}}"):
        headers_of_arguments({name: "hush"})


@pytest.mark.parametrize("value", [5, True, None, b"x", ["x"]])
def test_a_wrong_type_raises(value):
    with pytest.raises(InvalidArgument, match=r"Invalid type for parameter StorageClass"):
        headers_of_arguments({"StorageClass": value})


@pytest.mark.parametrize("name", ["two words", "a:b", "a\r\nx-evil: 1", "a\n", "ü", "a\0"])
def test_names_of_metadata_that_are_no_headers_raise(name):
    with pytest.raises(InvalidArgument, match=r"can't be the name of user metadata"):
        headers_of_arguments({"Metadata": {"good-1": "value", name: "value"}})


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\n", "a\0b", 'attachment; filename="ü"'])
def test_values_that_are_no_headers_raise(value):
    with pytest.raises(InvalidArgument, match=r"header content-disposition .* printable ASCII"):
        headers_of_arguments({"ContentDisposition": value})
