"""Tests of signatures: compared with AWS's published ones, and with botocore's for generated requests."""

import hmac
import sys
import threading
from hashlib import sha256
from types import SimpleNamespace

import boto3
import pytest
from botocore.auth import SIGNED_HEADERS_BLACKLIST, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.sigv4 import (
    EMPTY_SHA256,
    NOT_SIGNED,
    UNSIGNED_PAYLOAD,
    Scope,
    Signer,
    canonical_query,
    encode_path,
)

MANY = examples(300)
SOME = examples(250)


def sign(signer, method, path, query, headers, payload_hash, amz_date):
    """Sign headers, in place."""
    prepared = signer.prepare(headers, payload_hash, amz_date)
    headers["authorization"] = prepared.authorization(method, path, query)


# --- Examples that AWS publishes: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html

PUBLISHED = CredentialSet("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
PUBLISHED_BODY = b"Welcome to Amazon S3."


@pytest.mark.parametrize(
    ("method", "key", "query", "headers", "body", "signed", "signature"),
    [
        pytest.param(
            "GET",
            "test.txt",
            [],
            {"range": "bytes=0-9"},
            b"",
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            id="GetObject",
        ),
        pytest.param(
            "PUT",
            "test$file.text",
            [],
            {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            PUBLISHED_BODY,
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            id="PutObject",
        ),
        pytest.param(
            "GET",
            "",
            [("lifecycle", None)],
            {},
            b"",
            "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            id="GetBucketLifecycle",
        ),
        pytest.param(
            "GET",
            "",
            [("prefix", "J"), ("max-keys", "2")],
            {},
            b"",
            "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            id="ListObjects",
        ),
    ],
)
def test_the_examples_of_aws(method, key, query, headers, body, signed, signature):
    headers = {"host": "examplebucket.s3.amazonaws.com", **headers}
    payload_hash = sha256(body).hexdigest()
    signer = Signer(PUBLISHED, Scope("us-east-1"))
    sign(signer, method, f"/{encode_path(key)}", canonical_query(query), headers, payload_hash, "20130524T000000Z")
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        f"SignedHeaders={signed}, Signature={signature}"
    )
    assert headers["x-amz-date"] == "20130524T000000Z"
    assert headers["x-amz-content-sha256"] == payload_hash


# --- Generated requests

UGLY = ["/", "//", ".", "..", "/../", "/./", "%", "%2F", "%zz", "+", " ", "  ", "~", "?", "#", "&", "=", ";", "\\", '"']
UGLY += [
    "\t",
    "\n",
    "\r",
    "\0",
    "\x7f",
    "\x85",
    "\xa0",
    "ß",
    "é",
    "日本",
    "🪣",
    "e\u0301",
    "\ufeff",
    "\uffff",
    "*",
    "'",
]
# Every character of UTF-8, which has no lone surrogates.
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ugly = st.lists(st.one_of(st.sampled_from(UGLY), text), max_size=6).map("".join)
token = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12).filter(lambda name: name != "-")
value = st.one_of(
    st.lists(st.sampled_from(["a", "B", " ", "  ", "\t", "  \t ", ",", '"', "x=y"]), max_size=8).map("".join),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
)
secret = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
credential_sets = st.builds(CredentialSet, st.just("AKIAEXAMPLE"), secret, st.one_of(st.none(), secret))
regions = st.sampled_from(["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1", "auto", "garage", ""])
# Older versions of botocore sign some more; S3 takes both.
LEFT_OUT = NOT_SIGNED & frozenset(SIGNED_HEADERS_BLACKLIST)
OURS = NOT_SIGNED | {"host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "authorization", "date"}
extra_headers = st.dictionaries(
    st.one_of(
        token.map(lambda name: f"x-amz-meta-{name}"),
        token.filter(lambda name: name not in OURS),
        st.sampled_from(sorted(LEFT_OUT)),
        st.sampled_from(["content-type", "range", "if-match", "if-none-match", "cache-control"]),
    ),
    value,
    max_size=6,
)


def botocore_s(request, credentials, region, sign_payload):
    """Have botocore sign a request; its headers, names in lower case."""
    request.context["client_config"] = Config(s3={"payload_signing_enabled": sign_payload})
    S3SigV4Auth(Credentials(*credentials), "s3", region).add_auth(request)
    return {name.lower(): text for name, text in request.headers.items()}


@MANY
@given(
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "POST"]),
    key=ugly,
    query=st.lists(st.tuples(ugly, st.one_of(st.none(), ugly)), max_size=4),
    headers=extra_headers,
    credentials=credential_sets,
    region=regions,
    body=st.binary(max_size=20),
    sign_payload=st.booleans(),
)
def test_signatures_are_botocore_s(method, key, query, headers, credentials, region, body, sign_payload):
    path, sent_query = f"/bucket/{encode_path(key)}", canonical_query(query)
    url = f"https://s3.example.com:8443{path}?{sent_query}"
    expected = botocore_s(AWSRequest(method, url, headers, body), credentials, region, sign_payload)

    headers = {"host": "s3.example.com:8443", **headers}
    payload_hash = sha256(body).hexdigest() if sign_payload else UNSIGNED_PAYLOAD
    signer = Signer(credentials, Scope(region))
    sign(signer, method, path, sent_query, headers, payload_hash, expected["x-amz-date"])
    assert headers == {"host": "s3.example.com:8443", **expected}


def test_the_bytes_of_headers_are_signed_as_they_are_sent():
    """A copy with other headers repeats those of its source; S3 signs their bytes, botocore the UTF-8 of them."""
    headers = {"host": "h", "content-disposition": " filename=\xc3\xa0.txt "}  # "à" in UTF-8, as it is received
    signer = Signer(CredentialSet("AKIAEXAMPLE", "hush"), Scope("eu-west-1"))
    prepared = signer.prepare(headers, UNSIGNED_PAYLOAD, "20270115T080000Z")
    assert prepared.tail.startswith("content-disposition:filename=\xc3\xa0.txt\nhost:h\n")
    request = b"GET\n/key\n\n" + prepared.tail.encode("latin-1")
    to_sign = f"{prepared.to_sign}{sha256(request).hexdigest()}".encode()
    signature = hmac.digest(signer._key_of("20270115"), to_sign, "sha256").hex()
    assert prepared.authorization("GET", "/key", "") == prepared.header + signature


def test_a_header_that_proxies_change_is_not_signed():
    assert frozenset(SIGNED_HEADERS_BLACKLIST) <= NOT_SIGNED


@pytest.fixture(scope="module")
def prepared():
    """Return a function that prepares and signs a request with boto3, and returns it unsent."""
    caught = []

    def catch(request, **_):
        caught.append(request)
        return SimpleNamespace(status_code=500, headers={}, content=b"", raw=None)

    client = boto3.client(
        "s3",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="hush",
        region_name="eu-west-1",
        endpoint_url="http://s3.example.com",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    client.meta.events.register("before-send.s3", catch)

    def prepare(method, **arguments):
        with pytest.raises(client.exceptions.ClientError):
            getattr(client, method)(Bucket="bucket", **arguments)
        return caught.pop()

    yield prepare
    client.close()


def target_of(request):
    path, _, query = request.url[len("http://s3.example.com") :].partition("?")
    return path, query


@SOME
@given(key=ugly.filter(bool))
def test_a_key_is_encoded_in_the_path_as_by_boto3(prepared, key):
    assert f"/bucket/{encode_path(key)}" == target_of(prepared("head_object", Key=key))[0]


@SOME
@given(prefix=ugly, token=ugly)
def test_queries_and_signatures_equal_those_of_boto3(prepared, prefix, token):
    request = prepared("list_objects_v2", Prefix=prefix, ContinuationToken=token, MaxKeys=7)
    path, sent = target_of(request)
    query = canonical_query(
        [
            ("list-type", "2"),
            ("prefix", prefix),
            ("max-keys", "7"),
            ("encoding-type", "url"),
            ("continuation-token", token),
        ]
    )
    assert query == "&".join(sorted(sent.split("&")))
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
    }
    expected = headers.pop("authorization")
    for name in ("amz-sdk-invocation-id", "amz-sdk-request"):  # put in when it was signed
        del headers[name]
    headers["host"] = "s3.example.com"
    signer = Signer(CredentialSet("AKIAEXAMPLE", "hush"), Scope("eu-west-1"))
    sign(signer, "GET", path, query, headers, EMPTY_SHA256, headers["x-amz-date"])
    assert headers["authorization"] == expected


@SOME
@given(query=st.lists(st.tuples(ugly, ugly), max_size=6))
def test_the_canonical_query_is_botocore_s(query):
    request = AWSRequest("GET", "https://s3.example.com/", params=query)
    assert canonical_query(query) == S3SigV4Auth(None, "s3", "r").canonical_query_string(request)


def test_parameters_are_sorted_as_they_are_encoded():
    # "é" begins with "%C3", before every letter, and "ab" comes after "a" although "ab=" would come before "a=".
    assert canonical_query([("z", "1"), ("é", None), ("ab", ""), ("a", "2"), ("a", "1")]) == "%C3%A9=&a=1&a=2&ab=&z=1"


# --- The key that is kept

DAYS = ["20240228", "20240229", "20240301"]


def signature_on(signer, day):
    headers = {"host": "h"}
    sign(signer, "GET", "/b/k", "", headers, EMPTY_SHA256, f"{day}T000000Z")
    return headers["authorization"]


def new_signer():
    return Signer(CredentialSet("AKIAEXAMPLE", "hush"), Scope("eu-west-1"))


def test_each_day_has_its_key():
    kept = new_signer()
    assert [signature_on(kept, day) for day in DAYS + DAYS] == [signature_on(new_signer(), day) for day in DAYS + DAYS]


def test_the_key_of_a_day_is_made_once(monkeypatch):
    signer = new_signer()
    first = signature_on(signer, DAYS[0])
    # With another secret, which a Signer never gets, another key would come out.
    signer.credentials = signer.credentials._replace(secret_key="other")
    assert signature_on(signer, DAYS[0]) == first
    assert signature_on(signer, DAYS[1]) != signature_on(new_signer(), DAYS[1])


def test_threads_at_midnight_sign_with_the_key_of_their_day():
    signer = new_signer()
    expected = {day: signature_on(new_signer(), day) for day in DAYS}
    wrong = []
    start = threading.Barrier(4)

    def work(turn):
        start.wait()
        for step in range(500):
            day = DAYS[(step + turn) % 3]
            if signature_on(signer, day) != expected[day]:
                wrong.append(day)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that they meet in the middle of things
    try:
        threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


def test_a_request_can_be_signed_again():
    headers = {"host": "h", "range": "bytes=0-1"}
    again = dict(headers)
    signer = new_signer()
    sign(signer, "GET", "/", "", headers, EMPTY_SHA256, "20240228T000000Z")
    sign(signer, "GET", "/", "", again, EMPTY_SHA256, "20240229T120000Z")
    headers.pop("authorization")
    sign(signer, "GET", "/", "", headers, EMPTY_SHA256, "20240229T120000Z")
    assert headers == again


def test_a_secret_is_not_shown():
    shown = repr([new_signer(), CredentialSet("AKIAEXAMPLE", "hush", "token-hush")])
    assert "hush" not in shown
