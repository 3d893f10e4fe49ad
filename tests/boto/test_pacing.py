"""Tests of bodies that boto3 sends no faster than is allowed."""

import boto3
import pytest

from metaflow_extensions.fasts3.boto.recipe import recipe_of
from metaflow_extensions.fasts3.boto.transfers import Boto3Transfers
from metaflow_extensions.fasts3.wire.bandwidth import Allowance, Bandwidth


@pytest.fixture
def client(seaweedfs):
    client = boto3.client("s3", **seaweedfs.client_params())
    yield client
    client.close()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def allowance(waits):
    return Allowance(Bandwidth(1e6), clock=lambda: 0.0, pause=waits.append)


def test_a_body_waits_while_it_is_sent(client, seaweedfs, prefix, allowance, waits):
    Boto3Transfers(client).put(seaweedfs.bucket, prefix, body=b"x" * 500_000, allowance=allowance)
    assert max(waits) == pytest.approx(0.5)
    assert waits == sorted(waits)
    assert client.get_object(Bucket=seaweedfs.bucket, Key=prefix)["Body"].read() == b"x" * 500_000


def test_what_the_user_sends_by_the_same_client_waits_for_nothing(client, seaweedfs, prefix, allowance, waits):
    Boto3Transfers(client).put(seaweedfs.bucket, prefix, body=b"x", allowance=allowance)
    del waits[:]
    client.put_object(Bucket=seaweedfs.bucket, Key=prefix, Body=b"y" * 500_000)
    assert waits == []


def test_workers_can_make_the_client_again_all_the_same(client, seaweedfs, prefix, allowance):
    before = recipe_of(client)
    Boto3Transfers(client).put(seaweedfs.bucket, prefix, body=b"x", allowance=allowance)
    assert recipe_of(client) == before


def test_a_wait_that_nobody_wants_any_more_ends_the_upload(client, seaweedfs, prefix):
    stopping = Allowance(Bandwidth(1e6), pause=lambda _: True)
    with pytest.raises(Exception, match=r"."):
        Boto3Transfers(client).put(seaweedfs.bucket, prefix, body=b"x" * 500_000, allowance=stopping)
    assert "Contents" not in client.list_objects_v2(Bucket=seaweedfs.bucket, Prefix=prefix)
