"""Tests of `extra_args`, and of other arguments for the same headers."""

import pytest
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception, MetaflowS3InvalidObject, S3PutObject

from metaflow_extensions.fasts3.api import extra_args, s3
from metaflow_extensions.fasts3.api.extra_args import NOTHING, combined, of_client
from metaflow_extensions.fasts3.wire.transfers import PutHeaders

COLD = {"StorageClass": "STANDARD_IA"}
COLD_HEADER = {"x-amz-storage-class": "STANDARD_IA"}
KEY = {"SSEKMSKeyId": "key"}
KEY_HEADER = {"x-amz-server-side-encryption-aws-kms-key-id": "key"}
KMS = {"ServerSideEncryption": "aws:kms", **KEY}


def of(given, own=NOTHING, client=NOTHING, encryption=None):
    return combined("k", own, given, client, encryption)


def test_no_arguments_are_no_headers():
    assert of(None) == of({}) == PutHeaders()
    assert of(None, encryption="AES256") == of({}, encryption="AES256") == PutHeaders(encryption="AES256")
    assert of_client(None, "AES256", None) is NOTHING


def test_extra_args_and_arguments_are_combined():
    own = PutHeaders("text/a", {"m": "1"})
    given = {**COLD, "ServerSideEncryption": "AES256"}
    assert of(given, own) == PutHeaders("text/a", {"m": "1"}, "AES256", COLD_HEADER)
    assert of({"ContentType": "text/a"}, own).content_type == "text/a"


@pytest.mark.parametrize(
    ("own", "given", "ours", "boto3s"),
    [
        (PutHeaders("text/a"), {"ContentType": "text/b"}, "content_type", "ContentType"),
        (PutHeaders(metadata={"m": "1"}), {"Metadata": {"m": "2"}}, "metadata", "Metadata"),
        (PutHeaders(encryption="AES256"), {"ServerSideEncryption": "aws:kms"}, "encryption", "ServerSideEncryption"),
    ],
)
def test_a_contradiction_is_an_error(own, given, ours, boto3s):
    with pytest.raises(
        MetaflowS3InvalidObject, match=rf"'k' has both the argument {ours} and '{boto3s}' in extra_args"
    ):
        of(given, own)


def test_arguments_of_the_object_override_those_of_the_client():
    client = of_client({**COLD, "CacheControl": "no-store", "ContentType": "text/c"}, None, None)
    assert of(None, client=client) == PutHeaders("text/c", None, None, {**COLD_HEADER, "cache-control": "no-store"})
    got = of({"StorageClass": "GLACIER"}, PutHeaders("text/a"), client)
    assert got == PutHeaders("text/a", None, None, {"x-amz-storage-class": "GLACIER", "cache-control": "no-store"})


def test_which_encryption_applies():
    client = of_client({"ServerSideEncryption": "aws:kms"}, "AES256", "AES256")
    assert of(None, client=client, encryption="AES256").encryption == "aws:kms"  # not the configuration's default
    assert of({"ServerSideEncryption": "AES256"}, client=client).encryption == "AES256"
    assert of(None, PutHeaders(encryption="AES256"), client).encryption == "AES256"
    with pytest.raises(MetaflowS3Exception, match="has both the argument encryption and"):
        of_client({"ServerSideEncryption": "aws:kms"}, "AES256", None)


def test_a_key_is_for_kms():
    for own in (NOTHING, PutHeaders(encryption="AES256")):
        with pytest.raises(MetaflowS3InvalidObject, match=r"'SSEKMSKeyId', but the encryption is .*Add"):
            of(KEY, own)
    assert of(KMS) == of(KEY, encryption="aws:kms") == PutHeaders(None, None, "aws:kms", KEY_HEADER)
    assert of(KEY, PutHeaders(encryption="aws:kms:dsse")).others == KEY_HEADER
    with pytest.raises(MetaflowS3Exception, match="'SSEKMSKeyId', but the encryption is None"):
        of_client(KEY, None, None)
    client = of_client(KMS, None, None)
    assert of(None, client=client) == PutHeaders(None, None, "aws:kms", KEY_HEADER)
    # An object that is encrypted otherwise has no use for the client's key.
    assert of(None, PutHeaders(encryption="AES256"), client) == PutHeaders(encryption="AES256")


@pytest.mark.parametrize("given", ["StorageClass", ["StorageClass"], 5, True, ("a", "b")])
def test_it_is_a_dict(given):
    with pytest.raises(MetaflowS3InvalidObject, match=r"^The extra_args of 'k' are .* Give a dict, such as"):
        of(given)
    with pytest.raises(MetaflowS3Exception, match="The extra_args of this client are"):
        S3(extra_args=given)


def test_validated_arguments_are_not_validated_again(monkeypatch):
    monkeypatch.setattr(extra_args, "_kept", {})
    for number in range(extra_args._MOST_KEPT + 1):
        of({"CacheControl": f"max-age={number}"})
        assert 1 <= len(extra_args._kept) <= extra_args._MOST_KEPT
    monkeypatch.setattr("metaflow_extensions.fasts3.boto.upload_arguments.headers_of_arguments", None)
    assert of({"CacheControl": f"max-age={number}"}).others == {"cache-control": f"max-age={number}"}


@pytest.fixture
def rooted(tmp_path):
    params = {"endpoint_url": "http://127.0.0.1:9", "aws_access_key_id": "k", "aws_secret_access_key": "s"}
    with S3(s3root="s3://bucket/x", client_params=params, tmproot=str(tmp_path)) as client:
        yield client


CALLS = {
    "put": lambda client, given: client.put("k", "v", extra_args=given),
    "put of an S3PutObject": lambda client, given: client.put(S3PutObject("k", extra_args=given), "v"),
    "put_many": lambda client, given: client.put_many([S3PutObject("k", "v", extra_args=given)]),
    "put_files": lambda client, given: client.put_files([S3PutObject("k", path=__file__, extra_args=given)]),
    "upload": lambda client, given: client.upload("docs", extra_args=given),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_call_checks_them_before_any_request(rooted, call):
    with pytest.raises(MetaflowS3InvalidObject, match=r"invalid\. 'storageClass' .* Did you mean 'StorageClass'\?"):
        call(rooted, {"storageClass": "GLACIER"})


def test_a_client_validates_them_at_its_creation(monkeypatch):
    with pytest.raises(MetaflowS3Exception, match="Did you mean 'StorageClass'"):
        S3(extra_args={"storage_class": "GLACIER"})
    monkeypatch.setattr(s3, "S3_SERVER_SIDE_ENCRYPTION", None)
    with pytest.raises(MetaflowS3Exception, match="has both the argument encryption"):
        S3(encryption="AES256", extra_args={"ServerSideEncryption": "aws:kms"})
