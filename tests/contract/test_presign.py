"""`S3.presign`: a URL that works without credentials, for a while and for one thing."""

import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from contract.test_keys import body_of, keys_for
from metaflow.datatools.s3 import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InvalidRange,
    MetaflowS3URLException,
    S3GetObject,
)


def send(url, method="GET", body=None):
    typed = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data=body, headers=typed, method=method)  # of a test's own server
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read()


def test_reading(s3, stored):
    stored.put("a", b"value")
    assert send(s3.presign("a")) == b"value"
    assert send(s3.presign("a", method="HEAD"), "HEAD") == b""


def test_writing_and_deleting(s3, stored):
    send(s3.presign("a", method="PUT"), "PUT", b"value")
    assert stored.blobs() == {"a": b"value"}
    send(s3.presign("a", method="DELETE"), "DELETE")
    assert stored.list() == set()


def test_a_url_of_a_client_that_pays_needs_no_header(make_s3, root, stored):
    stored.put("a", b"value")
    url = make_s3(s3root=root, requester_pays=True).presign("a")
    query = parse_qs(urlsplit(url).query)
    assert query["x-amz-request-payer"] == ["requester"]
    assert query["X-Amz-SignedHeaders"] == ["host"]
    assert send(url) == b"value"


@pytest.mark.needs("signatures")
def test_a_url_is_for_one_thing(s3, stored):
    stored.put_all({"a": b"value", "b": b"other"})
    url = s3.presign("a")
    for wrong in (lambda: send(url, "DELETE"), lambda: send(url.replace("/a?", "/b?")), lambda: send(url[:-1] + "x")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            wrong()
        refused.value.close()
        assert refused.value.code == 403
    assert stored.list() == {"a", "b"}


def test_it_is_signed_with_version_4_for_the_region(s3, bare, root, server):
    for url in (s3.presign("a", 60), bare.presign(f"{root}/a", expires_in=60)):
        query = parse_qs(urlsplit(url).query)
        assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
        assert query["X-Amz-Expires"] == ["60"]
        assert query["X-Amz-Credential"][0].split("/")[2:] == [server.region, "s3", "aws4_request"]
        assert query["X-Amz-SignedHeaders"] == ["host"]
        assert server.secret_key not in url


def test_ugly_keys(s3, stored, server):
    for key in keys_for(server):
        stored.put(key, body_of(key))
        assert send(s3.presign(key)) == body_of(key)
        stored.delete(key)


@pytest.mark.needs("versions")
def test_a_version(make_s3, versioned):
    s3 = make_s3(s3root=f"s3://{versioned.bucket}")
    s3.put("a", b"old")
    old = s3.info("a").version_id
    s3.put("a", b"new")
    assert send(s3.presign(S3GetObject("a", version_id=old))) == b"old"
    assert send(s3.presign("a")) == b"new"
    with pytest.raises(MetaflowS3Exception, match="version"):
        s3.presign(S3GetObject("a", version_id=old), method="PUT")


@pytest.mark.parametrize("wrong", [0, -1, 604_801, 1.5, "60", True, None])
def test_a_time_that_can_not_be(s3, wrong):
    with pytest.raises(MetaflowS3Exception, match=r"expires_in.*604,800"):
        s3.presign("a", expires_in=wrong)


@pytest.mark.parametrize("wrong", ["get", "POST", "", None, b"GET"])
def test_a_method_that_can_not_be(s3, wrong):
    with pytest.raises(MetaflowS3Exception, match="GET, HEAD, PUT, DELETE"):
        s3.presign("a", method=wrong)


def test_invalid_uses_of_presign(s3, bare, root):
    with pytest.raises(MetaflowS3InvalidRange):
        s3.presign(S3GetObject("a", 1, 2))
    for call in (lambda: s3.presign(f"{root}/a"), lambda: bare.presign("a"), lambda: bare.presign("s3://bucket")):
        with pytest.raises(MetaflowS3URLException):
            call()


def test_anonymous_clients_can_not_presign(make_s3, server, root):
    params = {"endpoint_url": server.endpoint_url, "config": Config(signature_version=UNSIGNED)}
    with pytest.raises(MetaflowS3AccessDenied, match="does not sign"):
        make_s3(s3root=root, client_params=params).presign("a")


def test_missing_credentials_raise(make_s3, server, root):
    nobody = make_s3(s3root=root, client_params={"endpoint_url": server.endpoint_url, "region_name": "us-east-1"})
    with pytest.raises(MetaflowS3Exception, match="credentials"):
        nobody.presign("a")
