"""A refused HEAD has no body with a reason: another request gets the reason."""

import re

import metaflow.metaflow_config as configuration
import pytest
from attacks.hostile import error, hostile, response
from boto.provider import Provider
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3AccessDenied, MetaflowS3Exception, MetaflowS3NotFound

from metaflow_extensions.fasts3.boto import clients

BARE = response(status="400 Bad Request")
OBJECT = response(b"x", ETag='"e"', Last_Modified="Mon, 23 Nov 2026 10:00:00 GMT")
EXPIRED = error("The provided token has expired.", "ExpiredToken", "400 Bad Request")
PAGES = 9
EACH = 3  # requests for which a set is valid


def headed(head, whole):
    """A response as to a HEAD request."""
    return whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if head.startswith(b"HEAD ") else whole


@pytest.fixture
def server(implementation, tmp_path, monkeypatch):
    """A server with configurable responses; its address is in the environment."""
    monkeypatch.setattr(clients, "_clients", {})
    with hostile() as server:
        yield server


def key_of(head):
    return re.search(rb"Credential=([^/]+)/", head)[1].decode()


@pytest.fixture
def provider(tmp_path, monkeypatch):
    """A program that issues a new set of credentials each time: AKIA1, AKIA2 and so on."""
    provider = Provider(tmp_path, "AKIA", "hush", "token", numbered=True)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(provider.config))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return provider


def client_of(server, tmp_path):
    params = {"endpoint_url": server.client_params()["endpoint_url"]}
    return S3(s3root="s3://bucket/root", client_params=params, tmproot=str(tmp_path))


CALLS = {
    "info": lambda s3: s3.info("a").size,
    "info_many": lambda s3: s3.info_many(["a"])[0].size,
    "overwrite=False": lambda s3: len(s3.put_many([("a", b"x")], overwrite=False)) or 1,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_head_with_an_expired_token_has_the_token_renewed(server, provider, tmp_path, call):
    def respond(head):
        expired = key_of(head) == "AKIA1"
        bare_or_told = BARE if head.startswith(b"HEAD ") else EXPIRED
        return bare_or_told if expired else headed(head, OBJECT)

    server.respond = respond
    with client_of(server, tmp_path) as s3:
        assert call(s3) == 1
    assert len(provider.issued) == 2


def test_the_error_of_a_head_that_stays_refused_names_the_expired_token(server, provider, tmp_path):
    server.respond = lambda head: BARE if head.startswith(b"HEAD ") else EXPIRED
    with client_of(server, tmp_path) as s3, pytest.raises(MetaflowS3AccessDenied, match=r"ExpiredToken.*aws sso login"):
        s3.info("a")
    assert len(provider.issued) == 2


def test_a_head_for_the_wrong_region_is_redirected_once(server, tmp_path):
    """No header names the region, only the document in the response to a GET."""
    document = (
        b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>expecting 'eu-west-1'</Message>"
        b"<Region>eu-west-1</Region></Error>"
    )

    def respond(head):
        if b"/eu-west-1/s3/" in head:
            return headed(head, OBJECT)
        return BARE if head.startswith(b"HEAD ") else response(document, "400 Bad Request")

    server.respond = respond
    with S3(s3root="s3://bucket/root", client_params=server.client_params(), tmproot=str(tmp_path)) as s3:
        assert s3.info("a").size == 1
        first = len(server.heads)
        assert [one.size for one in s3.info_many(["a", "b", "c", "d"])] == [1] * 4
    assert first == 3  # HEAD, GET for its reason, HEAD
    assert len(server.heads) - first == 4


def test_the_error_of_a_bare_403_has_its_code(server, tmp_path):
    refused = error("The key id is not known.", "InvalidAccessKeyId")
    server.respond = lambda head: headed(head, refused)
    with S3(s3root="s3://bucket/root", client_params=server.client_params(), tmproot=str(tmp_path)) as s3:
        with pytest.raises(MetaflowS3AccessDenied, match="InvalidAccessKeyId: The key id is not known"):
            s3.info("a")
        server.respond = lambda head: response(status="403 Forbidden") if head.startswith(b"HEAD ") else OBJECT
        with pytest.raises(MetaflowS3AccessDenied, match="s3:ListBucket"):
            s3.info("a")


def test_a_long_listing_outlives_any_number_of_sets(server, provider, tmp_path):
    """All pages have the same job number, so the refused set decides whether to renew."""
    good = {"key": "AKIA1", "left": EACH}

    def respond(head):
        if key_of(head) != good["key"]:
            return EXPIRED
        if not good["left"]:
            good.update(key=f"AKIA{len(provider.issued) + 1}", left=EACH)
            return EXPIRED
        good["left"] -= 1
        token = re.search(rb"continuation-token=([0-9]+)", head)
        number = int(token[1]) + 1 if token else 1
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{number}</NextContinuationToken>"
        row = f"<Contents><Key>root/{number}</Key><Size>1</Size></Contents>"
        document = f"<ListBucketResult>{more if number < PAGES else ''}{row}</ListBucketResult>"
        return response(document.encode(), content_type="application/xml")

    server.respond = respond
    with client_of(server, tmp_path) as s3:
        assert [one.key for one in s3.list_recursive()] == [str(number) for number in range(1, PAGES + 1)]
    assert len(provider.issued) >= PAGES // EACH


@pytest.mark.parametrize("call", [lambda s3: s3.get("a"), lambda s3: s3.info("a")], ids=["get", "info"])
@pytest.mark.parametrize("bucket", ["bucket", "other"], ids=["the bucket is there", "HeadBucket too"])
def test_a_bucket_in_an_unknown_region_takes_few_requests(server, tmp_path, bucket, call):
    """One HeadBucket; boto3 would send another to follow that one, and so on to the limit of recursion."""
    server.respond = lambda head: headed(head, error("Elsewhere.", "PermanentRedirect", "301 Moved Permanently"))
    expected = pytest.raises(MetaflowS3Exception, match=r"HTTP 301.*Set AWS_DEFAULT_REGION")
    params = server.client_params()
    with S3(s3root=f"s3://{bucket}/root", client_params=params, tmproot=str(tmp_path)) as s3, expected:
        call(s3)
    assert len(server.heads) == 2


def test_while_s3_does_not_say_whether_a_bucket_exists_no_object_counts_as_missing(server, tmp_path, monkeypatch):
    """Neither then nor later: a mistyped bucket would look like one without the keys."""
    for name in ("S3_RETRY_COUNT", "S3_TRANSIENT_RETRY_COUNT"):
        monkeypatch.setattr(configuration, name, 0)
    busy = response(status="503 Service Unavailable", content_length=0)
    params = server.client_params()
    with S3(s3root="s3://mistyped", client_params=params, tmproot=str(tmp_path)) as s3:
        server.respond = lambda head: (
            busy if head.startswith(b"HEAD /mistyped ") else response(status="404 Not Found", content_length=0)
        )
        with pytest.raises(MetaflowS3Exception, match="HTTP 503"):
            s3.info_many(["a"], return_missing=True)
        server.respond = lambda head: headed(head, error("No.", "NoSuchBucket", "404 Not Found"))
        with pytest.raises(MetaflowS3NotFound, match="mistyped"):
            s3.info_many(["a"], return_missing=True)
