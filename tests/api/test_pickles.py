"""An `S3` can be pickled and copied; a pickle contains no secret and no state of one process."""

import copy
import pickle

import boto3
import pytest
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception

WAYS = {"pickle": lambda s3: pickle.loads(pickle.dumps(s3)), "copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.fixture
def configured(seaweedfs, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return {"endpoint_url": seaweedfs.endpoint_url}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_another_one_works_as_the_first_does(seaweedfs, prefix, tmp_path, configured, way):
    root = f"s3://{seaweedfs.bucket}/{prefix}"
    with S3(
        s3root=root,
        client_params=configured,
        tmproot=str(tmp_path),
        part_size=5 * 2**20,
        requester_pays=True,
        extra_args={"CacheControl": "no-cache"},
    ) as first:
        first.put("k", b"v")
        path = first.get("k").path
        with way(first) as other:
            assert (repr(other), other._choices) == (repr(first), first._choices)
            assert other._client.parameters == first._client.parameters
            assert other._extra_headers == first._extra_headers
            assert other.get("k").blob == b"v"
        with open(path, "rb") as file:
            assert file.read() == b"v"  # the files of the first are not those of the other
    assert list(tmp_path.iterdir()) == []


SECRET = "not-to-be-seen"
WITH_SECRETS = {
    "client_params": {"client_params": {"aws_access_key_id": "k", "aws_secret_access_key": SECRET}},
    "token": {"session_vars": {"aws_session_token": SECRET}},
    "password": {"client_params": {"endpoint_url": f"http://me:{SECRET}@host"}},
}


@pytest.mark.parametrize("arguments", WITH_SECRETS.values(), ids=WITH_SECRETS)
def test_secrets_are_not_pickled(arguments):
    s3 = S3(s3root="s3://bucket/x", **arguments)
    with pytest.raises(
        MetaflowS3Exception, match=r"the pickle would reveal the credentials .* Create the S3 client in each step"
    ) as raised:
        pickle.dumps(s3)
    assert SECRET not in str(raised.value)
    assert repr(copy.copy(s3)) == repr(copy.deepcopy(s3)) == repr(s3)


def test_a_client_of_this_process_is_not_pickled(configured):
    s3 = S3(s3root="s3://bucket/x", external_client=boto3.client("s3", **configured))
    with pytest.raises(MetaflowS3Exception, match=r"external_client.* Create the S3 client in each step"):
        pickle.dumps(s3)
