"""`S3(anonymous=True)` and `S3(requester_pays=True)`: every request is sent so, by both implementations."""

import json

import pytest
from contract.verbs import EVERY, LISTINGS, READS, ROOTED
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3AccessDenied, MetaflowS3Exception, S3GetObject
from servers import faults
from servers.faulty import FaultyS3, pass_through

from metaflow_extensions.fasts3.api import errors
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

LARGE = bytes(PART_SIZE + 1)
MORE_READS = {
    "get of a range": lambda s3, key: s3.get(S3GetObject(key, 1, 2)),
    "get in memory": lambda s3, key: s3.get(key, in_memory=True),
    "iter_many": lambda s3, key: [one.blob for one in s3.iter_many([key])],
}
MORE_LISTINGS = {"iter_recursive": lambda s3, key: [one.blob for one in s3.iter_recursive([key])]}


@pytest.fixture
def proxy(server):
    with FaultyS3(server) as proxy:
        yield proxy
        assert proxy.problems == []


@pytest.fixture
def params(proxy):
    return proxy.client_params()


@pytest.fixture
def without_credentials(params, monkeypatch):
    """Arguments for a client in a process without credentials."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return {"endpoint_url": params["endpoint_url"], "region_name": params["region_name"]}


def charges(exchange):
    """A Requester Pays bucket: refuses requests that do not accept the charges."""
    if exchange.request.headers.get("x-amz-request-payer") == "requester":
        pass_through(exchange)
    else:
        faults.error(403, "AccessDenied")(exchange)


@pytest.fixture
def charging(proxy):
    proxy.inject_where(lambda request: True, charges, times=None)
    return proxy


def test_the_requester_pays_in_every_call(make_s3, root, charging, params, stored, tmp_path):
    s3 = make_s3(s3root=root, client_params=params, requester_pays=True)
    for verb in {**EVERY, **ROOTED, **MORE_READS, **MORE_LISTINGS}.values():
        stored.put_all({"a": b"value", "aa": b"value", "dir/x": b"value"})
        verb(s3, "dir" if verb in {**LISTINGS, **MORE_LISTINGS}.values() else "a")
    s3.put("large", LARGE)
    assert s3.get("large").size == len(LARGE)
    s3.download("dir", tmp_path / "down")
    s3.upload(tmp_path / "down", "up")
    assert stored.blob("up/x") == b"value"
    assert s3.get("nothing", return_missing=True).exists is False


@pytest.mark.parametrize("verb", [*READS, "list_paths", "put", "delete"])
def test_a_refused_call_names_requester_pays(make_s3, root, charging, params, verb):
    with pytest.raises(MetaflowS3AccessDenied, match=r"S3\(requester_pays=True\), .* accepts its charges\.$"):
        EVERY[verb](make_s3(s3root=root, client_params=params), "a")


def test_an_error_does_not_suggest_requester_pays_if_it_is_set(make_s3, root, proxy, params):
    proxy.inject("GetObject", faults.error(403, "AccessDenied"), times=None)
    with pytest.raises(MetaflowS3AccessDenied) as refused:
        make_s3(s3root=root, client_params=params, requester_pays=True).get("a")
    assert "requester_pays" not in str(refused.value)


def test_other_clients_do_not_pay(make_s3, root, proxy, params):
    """A process shares its clients, but not between those that pay and those that do not."""
    make_s3(s3root=root, client_params=params, requester_pays=True).put("a", b"value")
    proxy.clear()
    make_s3(s3root=root, client_params=params).put("a", b"value")
    assert proxy.requests
    assert not any("x-amz-request-payer" in request.headers for request in proxy.requests)


def test_an_external_client_pays(make_s3, root, charging, params, server, stored):
    client = server.boto3_client(**params)
    s3 = make_s3(s3root=root, external_client=client, requester_pays=True)
    assert s3.put_many([("a", b"1"), ("b", b"2")])
    assert s3.get("a").blob == b"1"
    # The user's own client is not modified.
    with pytest.raises(client.exceptions.ClientError):
        client.get_object(Bucket=stored.bucket, Key=stored.prefix + "a")
    client.close()


def test_a_client_that_can_t_be_copied_is_refused(root, server, tmproot):
    client = server.boto3_client()
    client.meta.events.register("before-send.s3", lambda **_: None)
    with (
        S3(s3root=root, external_client=client, requester_pays=True, tmproot=str(tmproot)) as s3,
        pytest.raises(MetaflowS3Exception, match=r"requester_pays can't be applied to this client: .* event handler"),
    ):
        s3.get("a")
    client.close()


@pytest.fixture
def public(own_bucket, server):
    """A public bucket."""
    bucket = f"arn:aws:s3:::{own_bucket.bucket}"
    # moto has its own names for actions.
    narrow = "any-action-in-policies" in server.lacks
    allowed = [
        {"Effect": "Allow", "Principal": "*", "Action": action if narrow else "s3:*", "Resource": resource}
        for action, resource in (("s3:ListBucket", bucket), ("s3:GetObject", f"{bucket}/*"))
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    own_bucket.client.put_bucket_policy(Bucket=own_bucket.bucket, Policy=policy)
    return own_bucket


@pytest.mark.needs("public-buckets")
def test_anyone_reads_a_public_bucket(make_s3, public, proxy, without_credentials, tmp_path):
    public.put_all({"a": b"value", "dir/x": b"value", "large": LARGE})
    s3 = make_s3(s3root=f"s3://{public.bucket}", client_params=without_credentials, anonymous=True)
    for verb in {**READS, **MORE_READS}.values():
        verb(s3, "a")
    for verb in {**LISTINGS, **ROOTED, **MORE_LISTINGS}.values():
        verb(s3, "dir")
    s3.download("dir", tmp_path / "down")
    assert (tmp_path / "down" / "x").read_bytes() == b"value"
    assert s3.get("large").size == len(LARGE)
    assert proxy.requests
    assert not any("authorization" in request.headers for request in proxy.requests)


@pytest.mark.needs("unsigned-requests-are-denied")
def test_private_objects_are_denied_with_a_reason(make_s3, root, stored, without_credentials):
    stored.put("a", b"value")
    s3 = make_s3(s3root=root, client_params=without_credentials, anonymous=True)
    for read in (lambda: s3.get("a"), s3.list_paths):
        with pytest.raises(MetaflowS3AccessDenied) as refused:
            read()
        assert str(refused.value).endswith(errors.NOT_PUBLIC)
        assert "access key id none (unsigned)" in str(refused.value)


def test_credentials_are_not_used(make_s3, root, proxy, params):
    """Anonymous requests use neither the credentials of the arguments nor those of a provider."""
    s3 = make_s3(s3root=root, client_params=params, anonymous=True)
    with pytest.raises((MetaflowS3AccessDenied, errors.MetaflowS3NotFound, MetaflowS3Exception)):
        s3.get("nothing")
    assert proxy.requests
    assert not any("authorization" in request.headers for request in proxy.requests)


def test_without_credentials_the_error_names_anonymous(make_s3, root, without_credentials):
    for read in (lambda s3: s3.get("a"), lambda s3: s3.get_many(["a", "b"])):
        with pytest.raises(MetaflowS3Exception, match=r"use S3\(anonymous=True\)"):
            read(make_s3(s3root=root, client_params=without_credentials))
