"""Tests of requests to a bucket whose region S3 has named: they are those of a client of that region. No network."""

from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from wire.scripted import OK, Scripted, expect, respond, response, silence

from metaflow_extensions.fasts3.api.presign import METHODS
from metaflow_extensions.fasts3.boto import regions
from metaflow_extensions.fasts3.boto.clients import S3Client
from metaflow_extensions.fasts3.boto.recipe import build
from metaflow_extensions.fasts3.boto.regions import partition_of, regions_at
from metaflow_extensions.fasts3.boto.transfer_client import TransferClient
from metaflow_extensions.fasts3.wire.failures import TransferError
from metaflow_extensions.fasts3.wire.operations import OPERATIONS

KEYS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "hush", "aws_session_token": "token"}
ONE_TRY = Config(retries={"total_max_attempts": 1, "mode": "standard"})
LOCAL = "http://127.0.0.1:9"
ACCESS_POINT = "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine"
ELSEWHERE = response(status="301 Moved Permanently", x_amz_bucket_region="eu-west-1")
CLIENTS = {
    "AWS": {},
    "AWS, global endpoint": {"region_name": "us-east-1"},
    "AWS, path style": {"config": Config(s3={"addressing_style": "path"})},
    "AWS, a global region": {"region_name": "aws-global"},
    "dual-stack": {"config": Config(use_dualstack_endpoint=True)},
    "FIPS": {"config": Config(use_fips_endpoint=True)},
    "acceleration": {"config": Config(s3={"use_accelerate_endpoint": True})},
    "no TLS": {"use_ssl": False},
    "anonymous": {"config": Config(signature_version=UNSIGNED)},
    "local": {"endpoint_url": LOCAL},
    "virtual-hosted": {"endpoint_url": "http://s3.test:9", "config": Config(s3={"addressing_style": "virtual"})},
    "plain SigV4": {"config": Config(signature_version="v4")},
}


@pytest.fixture
def connected():
    """Make a `TransferClient` of a client in us-west-2, or with other parameters."""
    made = []

    def make(ours=False, **parameters):
        given = {**KEYS, "region_name": "us-west-2", **parameters}
        given["config"] = ONE_TRY.merge(given.get("config") or Config())
        client = boto3.client("s3", **given)
        made.append(client)
        connected = TransferClient(client, ours=ours)
        made.append(connected._client)
        return connected

    yield make
    for client in made:
        client.close()


def named(template):
    """A template without the user agent, where botocore notes how a client is configured."""
    headers = {name: value for name, value in template.headers.items() if name != "user-agent"}
    return template._replace(headers=headers)


@pytest.mark.parametrize("parameters", CLIENTS.values(), ids=CLIENTS)
def test_requests_are_those_of_a_client_in_that_region(connected, parameters):
    there = connected(**{**parameters, "region_name": "eu-west-1"})
    here = connected(**parameters)
    before = {operation: here.template("wire", operation, "bucket") for operation in OPERATIONS}
    assert here.learn_region("bucket", "eu-west-1")
    for operation in OPERATIONS:
        template = here.template("wire", operation, "bucket")
        assert named(template) == named(there.template("wire", operation, "bucket"))
        assert here.template("wire", operation, "other").scope == before[operation].scope


@pytest.mark.parametrize("parameters", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize("method", METHODS)
def test_presigned_urls_are_for_the_same_host_and_region(connected, parameters, method):
    here = connected(**parameters)
    here.learn_region("bucket", "eu-west-1")
    template = here.template("wire", "GetObject", "bucket")
    url = urlsplit(here.presigned(METHODS[method], "bucket", "k", None, 60))
    assert (url.netloc, url.path) == (template.host, f"{template.path}k")
    assert _scope_of(url) == ([] if template.scope is None else [["eu-west-1", "s3", "aws4_request"]])


def _scope_of(url):
    return [value.split("/")[2:] for value in parse_qs(url.query).get("X-Amz-Credential", [])]


def test_clients_of_one_endpoint_share_regions(connected):
    one, other, elsewhere = connected(), connected(), connected(endpoint_url=LOCAL)
    one.learn_region("bucket", "eu-west-1")
    for client, region in ((other, "eu-west-1"), (elsewhere, "us-west-2")):
        assert client.template("wire", "GetObject", "bucket").scope.region == region


def test_workers_create_a_client_that_knows_the_regions(connected, monkeypatch):
    here = connected()
    here.learn_region("bucket", "eu-west-1")
    monkeypatch.setattr(regions, "_known", {})  # another process
    copy = build(here.recipe, None, 1)
    assert regions_at(copy.meta.endpoint_url) == {"bucket": "eu-west-1"}
    copy.close()


def test_regions_of_redirects_are_learned(connected):
    here = connected(endpoint_url=LOCAL)
    assert not here.learn_region("bucket", "us-west-2")  # it was sent there
    assert here.learn_region("bucket", "eu-west-1")
    assert here.learn_region("bucket", "eu-west-1")  # another job, sent before this was known
    assert here.learn_region("bucket", "us-west-2")  # it has moved
    assert here.template("wire", "GetObject", "bucket").scope.region == "us-west-2"


@pytest.mark.parametrize("bucket", ["arn:aws:s3::123456789012:accesspoint/x.mrap", ACCESS_POINT])
def test_an_arn_has_its_region(connected, bucket):
    assert not connected().learn_region(bucket, "eu-central-1")


def test_a_client_of_the_user_that_can_t_be_copied_follows_redirects(connected):
    here = connected()
    hooked = boto3.client("s3", region_name="us-west-2", **KEYS)
    hooked.meta.events.register("before-send.s3", lambda **_: None)
    assert not TransferClient(hooked, ours=False).learn_region("bucket", "eu-west-1")
    assert here.recipe.regions == {}
    hooked.close()


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "cn-north-9"])
def test_no_request_leaves_a_partition_of_aws(connected, region):
    """Another partition has other hosts, and this client has no account there."""
    here = connected()
    assert not here.learn_region("bucket", region)
    assert here.template("wire", "GetObject", "bucket").host == "bucket.s3.us-west-2.amazonaws.com"
    assert connected(region_name="cn-northwest-1").learn_region("bucket", "cn-north-1")
    assert connected(endpoint_url=LOCAL).learn_region("bucket", region)  # the host stays the same


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-west-1", "aws"),
        ("aws-global", "aws"),
        ("us-west-99", "aws"),
        ("garage", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-east-1", "aws-us-gov"),
    ],
)
def test_partitions(region, partition):
    assert partition_of(region) == partition


def test_head_bucket_gets_a_region_that_no_redirect_names(connected):
    with Scripted([[expect, respond(ELSEWHERE), silence]]) as server:
        here = connected(endpoint_url=f"http://127.0.0.1:{server.port}")
        assert here.learn_region("bucket", "")
    assert [(request.method, request.target) for request in server.requests] == [("HEAD", "/bucket")]
    assert here.template("wire", "GetObject", "bucket").scope.region == "eu-west-1"


@pytest.mark.parametrize(
    "error",
    [OK, response(status="403 Forbidden"), response(status="301 Moved Permanently"), response(status="503 Slow Down")],
    ids=["200", "403", "301", "503"],
)
def test_no_response_names_the_region(connected, error):
    with Scripted([[expect, respond(error), silence]]) as server:
        here = connected(endpoint_url=f"http://127.0.0.1:{server.port}")
        assert not here.learn_region("bucket", "")
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "400 Bad Request"])
def test_any_response_may_name_the_region(connected, status):
    with Scripted([[expect, respond(response(status=status, x_amz_bucket_region="eu-west-1")), silence]]) as server:
        assert connected(endpoint_url=f"http://127.0.0.1:{server.port}").learn_region("bucket", "")


def test_an_endpoint_that_does_not_respond_names_none(connected):
    assert not connected(endpoint_url=LOCAL).learn_region("bucket", "")


def test_boto3_s_transfers_report_a_redirect(connected):
    with Scripted([[expect, respond(ELSEWHERE), silence]]) as server:
        here = connected(endpoint_url=f"http://127.0.0.1:{server.port}")
        with pytest.raises(TransferError) as redirected:
            here.boto3.head("bucket", "k")
    assert redirected.value.failure.region == "eu-west-1"
    assert len(server.requests) == 1


def test_clients_of_users_follow_redirects(monkeypatch):
    """As any client of boto3."""
    with Scripted([[expect, respond(ELSEWHERE), expect, respond(OK), silence]]) as server:
        parameters = {**KEYS, "endpoint_url": f"http://127.0.0.1:{server.port}", "region_name": "us-west-2"}
        client = S3Client(s3_client_params=parameters).client
        client.head_bucket(Bucket="bucket")
        client.close()
    regions_asked = [request.headers["authorization"].split("/")[2] for request in server.requests]
    assert regions_asked == ["us-west-2", "eu-west-1"]
