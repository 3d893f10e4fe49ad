"""Tests of templates: the wire sends what boto3 would send, for all settings of the client. No network."""

import datetime
import json
import socket
import threading
from urllib.parse import parse_qsl, urlsplit

import boto3
import botocore.auth
import botocore.exceptions
import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.httpsession import get_cert_path
from case import case
from wire.certificates import Certificates
from wire.completed import Completed
from wire.scripted import LONG, Scripted, expect, respond, response

from metaflow_extensions.fasts3.boto.request_templates import RequestTemplates
from metaflow_extensions.fasts3.boto.upload_arguments import headers_of_arguments
from metaflow_extensions.fasts3.wire import exchange
from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.operations import KEY, OPERATIONS
from metaflow_extensions.fasts3.wire.sigv4 import NOT_SIGNED, Scope
from metaflow_extensions.fasts3.wire.template import NoTemplate, template_of
from metaflow_extensions.fasts3.wire.wire_transfers import WireTransfers

NOW = 1_800_000_000
CREDENTIALS = CredentialSet("AKIAEXAMPLE", "hush", None)
WITH_TOKEN = CREDENTIALS._replace(token="a/token+of=a session")
LOCAL = "http://127.0.0.1:9"
ACCESS_POINT = "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine"
OUTPOST = "arn:aws:s3-outposts:eu-west-1:123456789012:outpost/op-01234567890123456/accesspoint/mine"
UGLY = "a b/ü+~?#%2F&=;:@!$'()*,[]//./日本"

# Parameters of the client, and the bucket where it is not "bucket".
CLIENTS = {
    "local": ({"endpoint_url": LOCAL}, "bucket"),
    "path style": ({"endpoint_url": LOCAL, "config": Config(s3={"addressing_style": "path"})}, "bucket"),
    "virtual-hosted": (
        {"endpoint_url": "http://s3.test:9", "config": Config(s3={"addressing_style": "virtual"})},
        "bucket",
    ),
    "AWS": ({}, "bucket"),
    "AWS, a bucket with dots": ({}, "bucket.with.dots"),
    "AWS, path style": ({"config": Config(s3={"addressing_style": "path"})}, "bucket"),
    "AWS, no TLS": ({"use_ssl": False}, "bucket"),
    "us-east-1": ({"region_name": "us-east-1"}, "bucket"),
    "China": ({"region_name": "cn-north-1"}, "bucket"),
    "dual-stack": ({"config": Config(use_dualstack_endpoint=True)}, "bucket"),
    "FIPS": ({"region_name": "us-east-1", "config": Config(use_fips_endpoint=True)}, "bucket"),
    "acceleration": ({"config": Config(s3={"use_accelerate_endpoint": True})}, "bucket"),
    "access point": ({}, ACCESS_POINT),
    "access point in another region": (
        {"region_name": "us-west-2", "config": Config(s3={"use_arn_region": True})},
        ACCESS_POINT,
    ),
    "outpost": ({}, OUTPOST),
    "anonymous": ({"config": Config(signature_version=UNSIGNED)}, "bucket"),
    "session token": ({"aws_session_token": WITH_TOKEN.token}, "bucket"),
    "user agent": ({"config": Config(user_agent_extra="pipeline/1")}, "bucket"),
    "verify off": ({"endpoint_url": "https://127.0.0.1:9", "verify": False}, "bucket"),
    "no checksums": (
        {
            "endpoint_url": LOCAL,
            "config": Config(
                request_checksum_calculation="when_required", response_checksum_validation="when_required"
            ),
        },
        "bucket",
    ),
    "AWS, no checksums": (
        {"config": Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")},
        "bucket",
    ),
    "AWS, payload signed": ({"config": Config(s3={"payload_signing_enabled": True})}, "bucket"),
    "endpoint with a path": ({"endpoint_url": "http://127.0.0.1:9/gate way/s3/"}, "bucket"),
    "endpoint with TLS and a usual port": ({"endpoint_url": "https://Gate.Example:443"}, "bucket"),
    "endpoint with a usual port": ({"endpoint_url": "http://gate.example:80"}, "bucket"),
    "IPv6": ({"endpoint_url": "http://[::1]:9000"}, "bucket"),
    "IPv6, usual port": ({"endpoint_url": "https://[fe80::1]"}, "bucket"),
    "plain SigV4": ({"config": Config(signature_version="v4")}, "bucket"),
}
PARTS = [{"ETag": '"e&<"', "ChecksumCRC32": "AAAAAA=="}, {"ETag": '"f"'}]
NUMBERED = [dict(part, PartNumber=number) for number, part in enumerate(PARTS, 1)]
OBJECT = {"Key": UGLY}
UPLOAD = {"Key": UGLY, "UploadId": "id/+="}
STORED = {
    "ContentType": "text/x  y",
    "Metadata": {"a": "b  c"},
    "ServerSideEncryption": "AES256",
    "StorageClass": "STANDARD_IA",
    "CacheControl": "no-cache,  max-age=5",
    "Tagging": "a=b%20c",
}
HEADERS = headers_of_arguments(STORED)
# The bucket of the copy is that of its source: boto3's arguments are completed with it.
COPIED = {"CopySource": {"Key": UGLY, "VersionId": "v.1"}, "CopySourceIfMatch": '"e"'}

# Operation -> the call of the wire, and the equivalent method and arguments of boto3.
CALLS = {
    "HeadObject": (
        lambda ours, b: ours.head(b, UGLY, "v/+", checksums=True),
        "head_object",
        {**OBJECT, "VersionId": "v/+", "ChecksumMode": "ENABLED"},
    ),
    "HeadBucket": (lambda ours, b: ours.head_bucket(b), "head_bucket", {}),
    "GetObject": (
        lambda ours, b: ours.get(b, UGLY, "/dev/null", if_match='"e"'),
        "get_object",
        {**OBJECT, "IfMatch": '"e"'},
    ),
    "PutObject": (
        lambda ours, b: ours.put(b, UGLY, b"the body", headers=HEADERS, condition=ABSENT),
        "put_object",
        {**OBJECT, **STORED, "Body": b"the body", "IfNoneMatch": "*"},
    ),
    "CopyObject": (
        lambda ours, b: ours.copy(b, UGLY, [b, UGLY, "v.1"], HEADERS, True, '"e"', ABSENT),
        "copy_object",
        {**OBJECT, **STORED, **COPIED, "MetadataDirective": "REPLACE", "IfNoneMatch": "*"},
    ),
    "GetObjectTagging": (
        lambda ours, b: ours.get_tags(b, UGLY, "v/+"),
        "get_object_tagging",
        {**OBJECT, "VersionId": "v/+"},
    ),
    "UploadPartCopy": (
        lambda ours, b: ours.copy_part(b, UGLY, "id/+=", 3, [b, UGLY, "v.1"], "bytes=0-9", '"e"'),
        "upload_part_copy",
        {**UPLOAD, **COPIED, "PartNumber": 3, "CopySourceRange": "bytes=0-9"},
    ),
    "DeleteObject": (
        lambda ours, b: ours.delete(b, UGLY, "v/+", '"e"'),
        "delete_object",
        {**OBJECT, "VersionId": "v/+", "IfMatch": '"e"'},
    ),
    "DeleteObjects": (
        lambda ours, b: ours.delete_objects(b, keys=[UGLY, "a<&>\"'b\r\n"], etags=['"e&<"', ""]),
        "delete_objects",
        {"Delete": {"Objects": [{"Key": UGLY, "ETag": '"e&<"'}, {"Key": "a<&>\"'b\r\n"}], "Quiet": True}},
    ),
    "ListObjectsV2": (
        lambda ours, b: ours.list_page(b, UGLY, "/", "next /+=", 7),
        "list_objects_v2",
        {"Prefix": UGLY, "Delimiter": "/", "ContinuationToken": "next /+=", "MaxKeys": 7},
    ),
    "CreateMultipartUpload": (
        lambda ours, b: ours.create_upload(b, UGLY, HEADERS),
        "create_multipart_upload",
        {**OBJECT, **STORED},
    ),
    "UploadPart": (
        lambda ours, b: ours.upload_part(b, UGLY, "id/+=", 3, b"the part"),
        "upload_part",
        {**UPLOAD, "PartNumber": 3, "Body": b"the part"},
    ),
    "CompleteMultipartUpload": (
        lambda ours, b: ours.complete_upload(b, UGLY, "id/+=", PARTS, condition='"e"'),
        "complete_multipart_upload",
        {**UPLOAD, "MultipartUpload": {"Parts": NUMBERED}, "IfMatch": '"e"'},
    ),
    "AbortMultipartUpload": (
        lambda ours, b: ours.abort_upload(b, UGLY, "id/+="),
        "abort_multipart_upload",
        UPLOAD,
    ),
    "ListMultipartUploads": (
        lambda ours, b: ours.list_uploads(b, UGLY, ["marker /+=", "id/+="]),
        "list_multipart_uploads",
        {"Prefix": UGLY, "KeyMarker": "marker /+=", "UploadIdMarker": "id/+=", "MaxUploads": 1000},
    ),
    "ListObjectVersions": (
        lambda ours, b: ours.list_versions(b, UGLY, ["marker /+=", "id/+="]),
        "list_object_versions",
        {"Prefix": UGLY, "KeyMarker": "marker /+=", "VersionIdMarker": "id/+="},
    ),
}
# Where ours differ. A length that is signed can't be changed; S3 takes the type of XML for what it is; and a checksum
# goes before the body instead of behind it, since the body has been read anyway.
BEHIND = {"content-encoding", "transfer-encoding", "x-amz-trailer", "x-amz-decoded-content-length"}
LATER = ("authorization", "accept-encoding")  # not there when boto3 signs: http.client adds the last one on the way out
OF_ONE_TRY = ("amz-sdk-invocation-id", "amz-sdk-request")


class Caught(Exception):
    pass


@pytest.fixture(autouse=True)
def frozen(monkeypatch):
    now = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: now)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **_):
        raise AssertionError(f"a connection was opened: {args}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def client():
    made = []

    def make(**params):
        keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "hush", "region_name": "eu-west-1"}
        made.append(boto3.client("s3", **{**keys, **params}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def boto3_s(client, operation, bucket):
    """The request that boto3 would send, signed without the headers of its retries."""
    seen = []

    def catch(request, **_):
        seen.append(request)
        raise Caught

    def forget(request, **_):
        for name in OF_ONE_TRY:
            del request.headers[name]

    client.meta.events.register("before-sign.s3", forget)
    client.meta.events.register("before-send.s3", catch)
    _, method, arguments = CALLS[operation]
    if "CopySource" in arguments:
        arguments = {**arguments, "CopySource": {**arguments["CopySource"], "Bucket": bucket}}
    try:
        with pytest.raises(Caught):
            getattr(client, method)(Bucket=bucket, **arguments)
    finally:
        client.meta.events.unregister("before-sign.s3", forget)
        client.meta.events.unregister("before-send.s3", catch)
    (request,) = seen
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in request.headers.items()
        if name not in OF_ONE_TRY
    }
    return request, headers


def ours(client, operation, bucket, monkeypatch):
    """The request that our wire would send: method, target, headers, body, endpoint."""
    sent = []

    async def send(connections, method, head, payload, expect, repeatable):
        sent.append((connections._endpoint, method, head, payload.data))
        raise Caught

    monkeypatch.setattr(exchange, "send", send)
    credentials = client._request_signer._credentials
    current = credentials and CredentialSet(credentials.access_key, credentials.secret_key, credentials.token)
    transfers = WireTransfers(RequestTemplates(client), lambda: current, lambda: NOW + 0.9)
    with pytest.raises(Caught):
        CALLS[operation][0](Completed(transfers), bucket)
    ((endpoint, method, head, body),) = sent
    first, *lines = head.decode("latin-1").split("\r\n")
    assert lines[-2:] == ["", ""]
    assert first.startswith(f"{method} ")
    assert first.endswith(" HTTP/1.1")
    headers = dict(line.split(": ", 1) for line in lines[:-2])
    assert len(headers) == len(lines) - 2
    return method, first.split(" ")[1], headers, bytes(body), endpoint


def signed_again(client, method, url, headers, body):
    """The header Authorization that botocore signs."""

    class Auth(S3SigV4Auth):
        def payload(self, _):
            return headers["x-amz-content-sha256"]

    credentials = client._request_signer._credentials
    scope = headers["authorization"].split("Credential=")[1].split(",")[0].split("/")
    request = AWSRequest(method, url, {n: v for n, v in headers.items() if n not in LATER}, body)
    keys = Credentials(credentials.access_key, credentials.secret_key, credentials.token)
    Auth(keys, scope[-2], scope[-3]).add_auth(request)
    return request.headers["Authorization"]


# An operation for each way to make a request: without and with a body, with headers only, and with a document in the
# body of a POST; of an object and of a bucket. In `make test`, most clients send only these.
EACH_WAY = {"GetObject", "PutObject", "CopyObject", "DeleteObjects", "ListObjectsV2", "CompleteMultipartUpload"}
WITH_ALL = {"local", "AWS", "access point", "AWS, no checksums"}


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        *[pytest.param(name, CALLS.keys() & EACH_WAY, id=name) for name in CLIENTS],
        *[
            pytest.param(
                name,
                CALLS.keys() - EACH_WAY,
                id=f"{name}, other operations",
                marks=() if name in WITH_ALL else pytest.mark.release,
            )
            for name in CLIENTS
        ],
    ],
)
def test_our_wire_sends_what_boto3_sends(name, operations, client, monkeypatch, no_network):
    params, bucket = CLIENTS[name]
    one = client(**params)
    assert operations
    for operation in sorted(operations):
        with case(operation):
            _compare_requests(one, operation, bucket, monkeypatch)


def _compare_requests(client, operation, bucket, monkeypatch):
    theirs, their_headers = boto3_s(client, operation, bucket)
    method, target, headers, body, endpoint = ours(client, operation, bucket, monkeypatch)
    url = f"http{'s' if endpoint.tls else ''}://{headers['host']}{target}"

    assert method == theirs.method
    their_url, our_url = urlsplit(theirs.url), urlsplit(url)
    assert (our_url.scheme, our_url.netloc) == (their_url.scheme, _without_usual_port(their_url))
    assert our_url.path == their_url.path
    assert sorted(parse_qsl(our_url.query, True)) == sorted(parse_qsl(their_url.query, True))
    assert endpoint.host == their_url.hostname
    assert endpoint.port == (their_url.port or (443 if endpoint.tls else 80))

    if operation in ("CompleteMultipartUpload", "DeleteObjects"):
        assert body == theirs.body
    _compare_headers(headers, their_headers, operation)
    if "authorization" not in their_headers:
        assert "authorization" not in headers
        return
    assert headers["authorization"] == signed_again(client, method, url, headers, body)
    names = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert set(names) == set(headers) - NOT_SIGNED - {"authorization"}
    if method in ("GET", "HEAD", "DELETE"):
        assert headers["authorization"] == their_headers["authorization"]


def _without_usual_port(url):
    usual = {"http": ":80", "https": ":443"}[url.scheme]
    return (url.netloc[: -len(usual)] if url.netloc.endswith(usual) else url.netloc).lower()


def _compare_headers(headers, theirs, operation):
    mine = {name: " ".join(value.split()) for name, value in headers.items()}
    theirs = {name: " ".join(value.split()) for name, value in theirs.items()}
    for one_s_own in ("host", "authorization", "expect", "content-length"):
        mine.pop(one_s_own, None)
        theirs.pop(one_s_own, None)
    assert mine.pop("accept-encoding") == "identity"
    if operation == "DeleteObjects":
        assert mine.pop("content-type") == "application/xml"
    if operation == "CreateMultipartUpload":
        mine.pop("x-amz-checksum-algorithm", None)
    if BEHIND & set(theirs):  # the checksum follows the body there
        assert theirs["x-amz-trailer"] in mine
        del mine[theirs["x-amz-trailer"]]
        assert theirs.pop("x-amz-content-sha256").startswith("STREAMING-UNSIGNED-PAYLOAD")
        assert mine.pop("x-amz-content-sha256", "UNSIGNED-PAYLOAD") == "UNSIGNED-PAYLOAD"
        theirs = {name: value for name, value in theirs.items() if name not in BEHIND}
    if "user-agent" in theirs:  # boto3 lists there the features that a call uses
        assert _agent(mine.pop("user-agent")) == _agent(theirs.pop("user-agent"))
    if "authorization" not in headers:  # unsigned, so the server ignores them
        for name in ("x-amz-date", "x-amz-content-sha256"):
            theirs.pop(name, None)
    assert mine == theirs


def _agent(text):
    return [word for word in text.split(" ") if not word.startswith("m/")]


@pytest.mark.parametrize("operation", CALLS)
def test_templates_are_made_of_json_s_types(operation, client):
    made = RequestTemplates(client())(operation, "bucket")
    assert template_of(json.loads(json.dumps(made))) == made
    assert "hush" not in repr(made)
    assert "Signature" not in repr(made)
    assert KEY not in repr(made)


def test_operations_are_all_that_the_wire_has():
    assert set(CALLS) == set(OPERATIONS)


def test_a_template_is_made_once_for_each_operation_and_bucket(client):
    one = client()
    made = []
    one.meta.events.register("before-call.s3", lambda model, **_: made.append(model.name))
    templates = RequestTemplates(one)
    for _ in range(3):
        for bucket in ("one", "two"):
            templates("GetObject", bucket)
            templates("HeadObject", bucket)
    assert sorted(made) == ["GetObject", "GetObject", "HeadObject", "HeadObject"]
    assert templates("GetObject", "one").host == "one.s3.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("params", "bucket", "reason"),
    [
        ({"config": Config(signature_version="s3")}, "bucket", "signs with AWS"),
        ({"config": Config(signature_version="s3v4-query")}, "bucket", "in the URL"),
        ({"config": Config(signature_version="s3-query")}, "bucket", "in the URL"),
        ({"region_name": "us-east-1"}, "mine--use1-az4--x-s3", "S3 Express"),
        ({"region_name": "us-east-1"}, "mine--use1-az4--xa-s3", "S3 Express"),
        ({"config": Config(client_cert="/client.pem")}, "bucket", "client certificate"),
        ({"endpoint_url": "http://user:word@127.0.0.1:9"}, "bucket", "user"),
    ],
    ids=[
        "SigV2",
        "presigned",
        "presigned, SigV2",
        "directory bucket",
        "its access point",
        "client certificate",
        "user",
    ],
)
def test_requests_that_no_template_can_describe(params, bucket, reason, client, no_network):
    templates = RequestTemplates(client(**params))
    with pytest.raises(NoTemplate, match=reason) as raised:
        templates("GetObject", bucket)
    assert "word" not in str(raised.value)


def test_requests_before_the_operation_make_no_template(client, no_network):
    """boto3 may send other requests first, which must not be taken for this one."""
    one = client()
    asking = threading.local()

    def send_another(**_):
        if not getattr(asking, "on", False):
            asking.on = True
            one.head_bucket(Bucket="other")

    one.meta.events.register("before-call.s3.GetObject", send_another)
    with pytest.raises(NoTemplate, match="HeadBucket"):
        RequestTemplates(one)("GetObject", "bucket")


def test_a_signer_that_only_others_know(client, no_network):
    """SigV4a, which several regions' access points want: boto3 needs awscrt for it, or refuses."""
    templates = RequestTemplates(client())
    with pytest.raises((NoTemplate, botocore.exceptions.MissingDependencyException)):
        templates("GetObject", "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap")


def test_another_signer_s_scheme(client, no_network):
    one = client()

    def sign_otherwise(request, **_):
        del request.headers["Authorization"]
        request.headers["Authorization"] = "AWS4-ECDSA-P256-SHA256 Credential=a/20270115/s3/aws4_request, Signature=x"

    one.meta.events.register_first("before-send.s3", sign_otherwise)
    with pytest.raises(NoTemplate, match="signs with AWS4-ECDSA-P256-SHA256"):
        RequestTemplates(one)("GetObject", "bucket")


def test_a_checksum_that_can_not_be_computed(client, no_network):
    one = client(endpoint_url=LOCAL)

    def other(request, **_):
        del request.headers["x-amz-checksum-crc32"]
        request.headers["x-amz-checksum-crc64nvme"] = "AAAAAAAAAAA="

    one.meta.events.register_first("before-send.s3", other)
    try:
        import awscrt  # noqa: F401

        assert RequestTemplates(one)("PutObject", "bucket").checksum == "crc64nvme"
    except ImportError:
        with pytest.raises(NoTemplate, match="does not support the checksum crc64nvme"):
            RequestTemplates(one)("PutObject", "bucket")


def test_how_the_server_is_trusted_and_waited_for(client, tmp_path, monkeypatch, no_network):
    certificates = Certificates(tmp_path)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)

    def endpoint(**params):
        return RequestTemplates(client(**params))("GetObject", "bucket").endpoint

    assert endpoint().ca_bundle == get_cert_path(True)
    assert endpoint(verify=False).ca_bundle is None
    assert endpoint(verify=certificates.bundle).ca_bundle == certificates.bundle
    assert endpoint(endpoint_url=LOCAL).ca_bundle is None
    monkeypatch.setenv("AWS_CA_BUNDLE", certificates.bundle)
    assert endpoint().ca_bundle == certificates.bundle
    waiting = endpoint(config=Config(connect_timeout=3, read_timeout=0.5))
    assert (waiting.connect_timeout, waiting.read_timeout) == (3.0, 0.5)
    for_ever = endpoint(config=Config(connect_timeout=None, read_timeout=None))
    assert for_ever.connect_timeout == for_ever.read_timeout >= 86_400


def test_fields_of_a_template(client, no_network):
    plain, secure = RequestTemplates(client(endpoint_url=LOCAL)), RequestTemplates(client())
    assert plain("GetObject", "b")[1:3] == ("127.0.0.1:9", "/b/")
    assert plain("HeadBucket", "b").path == plain("ListObjectsV2", "b").path == "/b"
    assert plain("PutObject", "b").checksum == secure("UploadPart", "bucket").checksum == "crc32"
    assert plain("PutObject", "b").sign_payload
    assert not secure("PutObject", "bucket").sign_payload
    assert secure("CompleteMultipartUpload", "bucket").sign_payload
    assert plain("GetObject", "b").verify
    assert plain("GetObject", "b").scope == Scope("eu-west-1", "s3")


def test_no_credentials(no_network):
    session = botocore.session.Session()
    session.register_component("credential_provider", type("None_", (), {"load_credentials": lambda _: None})())
    one = session.create_client("s3", region_name="eu-west-1")
    with pytest.raises(botocore.exceptions.NoCredentialsError):
        RequestTemplates(one)("GetObject", "bucket")
    one.close()


def test_other_threads_use_the_client_meanwhile(client):
    one_listing = response(b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>")
    with Scripted([[expect, respond(one_listing)]]) as server:
        one = client(endpoint_url=f"http://127.0.0.1:{server.port}")
        preparing, go_on = threading.Event(), threading.Event()

        def wait(**_):
            preparing.set()
            assert go_on.wait(LONG)

        one.meta.events.register("before-sign.s3.GetObject", wait)
        templates, made = RequestTemplates(one), []
        thread = threading.Thread(target=lambda: made.append(templates("GetObject", "bucket")))
        thread.start()
        assert preparing.wait(LONG)
        assert one.list_objects_v2(Bucket="bucket")["KeyCount"] == 0
        go_on.set()
        thread.join(LONG)
        assert made[0].path == "/bucket/"
        one.close()
    assert len(server.requests) == 1
