"""Tests of one request and its response: signed headers, errors as codes, and no secret in messages."""

import base64
import hashlib
import itertools
import threading
import traceback
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from wire.completed import Completed
from wire.conftest import CREDENTIALS, NOW
from wire.scripted import (
    LONG,
    OK,
    Scripted,
    close,
    close_orderly,
    error,
    expect,
    expect_or_end,
    respond,
    response,
    silence,
)

from metaflow_extensions.fasts3.wire import exchange as module
from metaflow_extensions.fasts3.wire.blocking import complete
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.exchange import Exchange
from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.sending import Payload
from metaflow_extensions.fasts3.wire.transfers import PutHeaders
from metaflow_extensions.fasts3.wire.waiting import InThread

REQUEST = ("GetObject", "bucket", "key")


def ask(exchange, *arguments, **named):
    return Completed(Completed(exchange).request(*(arguments or REQUEST), **named))


def failure_of(exchange, *arguments, **named):
    with pytest.raises(TransferError) as failed:
        ask(exchange, *arguments, **named)
    return failed.value.failure


# --- Requests.


def test_a_request(exchange_with):
    with Scripted([[expect, respond(OK), silence]]) as server:
        response_to = ask(
            exchange_with(server), "GetObject", "bucket", "a b/ü?", [("b", "2 +"), ("a", "")], {"x-y": "z"}
        )
        assert response_to.document() == b""
    (request,) = server.requests
    assert (request.method, request.target) == ("GET", "/bucket/a%20b/%C3%BC%3F?a=&b=2%20%2B")
    assert request.headers["host"] == f"{server.host}:{server.port}"
    assert request.headers["user-agent"] == "test"
    assert request.headers["x-y"] == "z"
    assert request.headers["x-amz-date"] == "20270115T080000Z"
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(b"").hexdigest()
    assert "content-length" not in request.headers
    assert request.headers["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20270115/eu-west-1/s3/aws4_request, "
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-y, Signature="
    )


@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload"])
def test_an_empty_body_has_a_length(exchange_with, operation):
    with Scripted([[expect, respond(OK), silence]]) as server:
        ask(exchange_with(server), operation, "bucket", "key").finish()
    assert server.requests[0].headers["content-length"] == "0"


@pytest.mark.parametrize(
    ("operation", "headers", "times"),
    [
        ("GetObject", {"if-match": '"e"'}, 2),
        ("GetObject", {}, 2),
        ("PutObject", {}, 2),
        ("PutObject", {"if-none-match": "*"}, 1),
        ("DeleteObject", {"if-match": '"e"'}, 1),
        ("CompleteMultipartUpload", {}, 1),
    ],
)
def test_only_requests_that_change_nothing_the_second_time_are_repeated(exchange_with, operation, headers, times):
    with Scripted([[expect, respond(OK), expect, close], [expect, respond(OK), silence]]) as server:
        exchange = exchange_with(server)
        ask(exchange).finish()
        if times == 1:
            assert failure_of(exchange, operation, "bucket", "key", headers=headers).code is Code.UNREACHABLE
        else:
            ask(exchange, operation, "bucket", "key", headers=headers).finish()
    assert len(server.requests) == 1 + times


def test_anonymous_requests_are_not_signed(exchange_with):
    with Scripted([[expect, respond(OK), silence]]) as server:
        ask(exchange_with(server, credentials=None, scope=None)).finish()
    assert not {"authorization", "x-amz-date", "x-amz-content-sha256"} & set(server.requests[0].headers)


def test_no_credentials(exchange_with):
    with Scripted([]) as server:
        failure = failure_of(exchange_with(server, credentials=None))
    assert failure.code is Code.NO_CREDENTIALS


def test_credentials_that_change_are_used_from_then_on(template_of, opened):
    current = [CREDENTIALS]
    with Scripted([[expect, respond(OK)] * 3]) as server:
        template = template_of(server)
        exchange = opened(Exchange(lambda *_: template, lambda: current[0], lambda: NOW))
        for credentials in (CREDENTIALS, CredentialSet("AKIAOTHER", "x", "token"), CREDENTIALS):
            current[0] = credentials
            ask(exchange).finish()
    names = [request.headers["authorization"].split("Credential=")[1].split("/")[0] for request in server.requests]
    assert names == ["AKIAEXAMPLE", "AKIAOTHER", "AKIAEXAMPLE"]
    assert [request.headers.get("x-amz-security-token") for request in server.requests] == [None, "token", None]


def test_each_second_has_its_own_date(template_of, opened):
    now = [NOW]
    with Scripted([[expect, respond(OK)] * 3]) as server:
        template = template_of(server)
        exchange = opened(Exchange(lambda *_: template, lambda: CREDENTIALS, lambda: now[0]))
        for moment in (NOW, NOW + 0.9, NOW + 1):
            now[0] = moment
            ask(exchange).finish()
    dates = [request.headers["x-amz-date"] for request in server.requests]
    assert dates == ["20270115T080000Z", "20270115T080000Z", "20270115T080001Z"]


# --- Headers of bodies.

DATA = bytes(range(256)) * 5000  # over one READ_STEP


@pytest.fixture(params=["bytes", "file"])
def payload(request, tmp_path):
    if request.param == "bytes":
        yield Payload(DATA)
    else:
        (tmp_path / "f").write_bytes(b"xx" + DATA + b"yy")
        with open(tmp_path / "f", "rb") as file:
            yield Payload(file=file.fileno(), position=2, length=len(DATA))


def b64(data):
    return base64.b64encode(data).decode()


SUMS = {
    None: None,
    "crc32": b64(zlib.crc32(DATA).to_bytes(4, "big")),
    "sha1": b64(hashlib.sha1(DATA).digest()),
    "sha256": b64(hashlib.sha256(DATA).digest()),
}


def test_a_body_that_takes_long_to_read_is_read_aside(exchange_with, payload, monkeypatch):
    """Or all others of a worker would wait for it, and their servers for them."""
    monkeypatch.setattr(module, "LONG", len(DATA) - 1)
    asides = []
    monkeypatch.setattr(module, "InThread", lambda function: asides.append(function) or InThread(function))
    with Scripted([[expect, respond(OK), silence]]) as server:
        exchange = exchange_with(server, checksum="crc32", sign_payload=True)
        ask(exchange, "PutObject", "bucket", "key", payload=payload).finish()
    assert len(asides) == 1
    (request,) = server.requests
    assert request.body == DATA
    assert request.headers["x-amz-checksum-crc32"] == SUMS["crc32"]
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("algorithm", SUMS)
@pytest.mark.parametrize("sign_payload", [True, False])
def test_checksums_and_hashes(tls, exchange_with, payload, algorithm, sign_payload):
    with Scripted([[expect, respond(OK), silence]], tls) as server:
        exchange = exchange_with(server, checksum=algorithm, sign_payload=sign_payload)
        ask(exchange, "PutObject", "bucket", "key", payload=payload).finish()
    (request,) = server.requests
    assert request.body == DATA
    expected = hashlib.sha256(DATA).hexdigest() if sign_payload else "UNSIGNED-PAYLOAD"
    assert request.headers["x-amz-content-sha256"] == expected
    sums = {name: value for name, value in request.headers.items() if name.startswith("x-amz-checksum-")}
    assert sums == ({f"x-amz-checksum-{algorithm}": SUMS[algorithm]} if algorithm else {})
    assert request.headers.get("x-amz-sdk-checksum-algorithm") == (algorithm and algorithm.upper())


def test_an_empty_body_has_a_checksum_too(exchange_with):
    with Scripted([[expect, respond(OK), silence]]) as server:
        ask(exchange_with(server, checksum="crc32"), "PutObject", "bucket", "key").finish()
    assert server.requests[0].headers["x-amz-checksum-crc32"] == "AAAAAA=="
    assert server.requests[0].headers["x-amz-content-sha256"] == hashlib.sha256(b"").hexdigest()


# --- Invalid requests.


@pytest.mark.parametrize("bad", ["a\r\nx-injected: 1", "a\n", "a\rb", "a\0b", "日本", "\ud800"], ids=ascii)
@pytest.mark.parametrize("where", ["content type", "metadata", "metadata's name", "encryption", "others"])
def test_a_header_that_would_not_stay_one_is_rejected(transfers_with, bad, where):
    headers = {
        "content type": PutHeaders(content_type=bad),
        "metadata": PutHeaders(metadata={"a": bad}),
        "metadata's name": PutHeaders(metadata={bad: "a"}),
        "encryption": PutHeaders(encryption=bad),
        "others": PutHeaders(others={"cache-control": bad}),
    }[where]
    with Scripted([]) as server:
        transfers = transfers_with(server)
        for call in (
            lambda: transfers.put("b", "k", b"x", headers=headers),
            lambda: transfers.create_upload("b", "k", headers),
        ):
            with pytest.raises(TransferError) as failed:
                call()
            assert failed.value.failure.code is Code.REJECTED
    assert server.accepted == 0


def test_a_key_that_is_no_text_is_rejected(transfers_with):
    with Scripted([]) as server, pytest.raises(TransferError) as failed:
        transfers_with(server).head("b", "\ud800")
    assert failed.value.failure.code is Code.REJECTED


# --- Responses.


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("NoSuchKey", "404 Not Found", Code.NOT_FOUND),
        ("NoSuchBucket", "404 Not Found", Code.NO_BUCKET),
        ("AccessDenied", "403 Forbidden", Code.ACCESS_DENIED),
        ("InvalidRange", "416 Range Not Satisfiable", Code.INVALID_RANGE),
        ("SlowDown", "503 Slow Down", Code.BUSY),
        ("Whatever", "400 Bad Request", Code.REJECTED),
        ("PermanentRedirect", "301 Moved Permanently", Code.REJECTED),
    ],
)
def test_errors(tls, exchange_with, code, status, expected):
    with Scripted([[expect, respond(error(code, status)), expect, respond(OK), silence]], tls) as server:
        exchange = exchange_with(server)
        failure = failure_of(exchange)
        assert failure[:5] == (expected, "It is so.", code, int(status[:3]), "REQUEST")
        ask(exchange).finish()  # on the same connection


def test_an_error_without_a_document(exchange_with):
    head = response(status="404 Not Found", content_length=300, x_amz_request_id="R")
    with Scripted([[expect, respond(head), expect, respond(OK), silence]]) as server:
        exchange = exchange_with(server)
        failure = failure_of(exchange, "HeadObject", "bucket", "key")
        assert failure[:5] == (Code.NOT_FOUND, "Not Found", "404", 404, "R")
        ask(exchange).finish()


@pytest.mark.parametrize(
    "framing",
    [{"content_length": None}, {"content_length": None, "transfer_encoding": "chunked"}],
    ids=["end", "chunked"],
)
def test_errors_in_all_framings(exchange_with, framing):
    document = b"<Error><Code>SlowDown</Code></Error>"
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(document), document) if "transfer_encoding" in framing else document
    with Scripted([[expect, respond(response(body, "503 Slow Down", **framing)), close]]) as server:
        assert failure_of(exchange_with(server)).s3_code == "SlowDown"


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-2"])
def test_a_head_that_names_another_region_needs_no_explanation(exchange_with, region):
    """S3 names the region in every response: if it is the region of the request, a 400 has another reason."""
    refused = [expect, respond(response(status="400 Bad Request", content_length=None, x_amz_bucket_region=region))]
    explained = [expect, respond(error("ExpiredToken", "400 Bad Request"))] if region == "eu-west-1" else []
    with Scripted([[*refused, *explained, silence]]) as server:
        failure = failure_of(exchange_with(server), "HeadObject", "bucket", "key")
    assert (failure.s3_code, failure.region) == (("ExpiredToken", "") if explained else ("400", region))


def test_a_head_that_was_signed_before_the_credentials_were_renewed_is_repeated(exchange_with):
    refused = respond(response(status="400 Bad Request", content_length=None))
    with Scripted([[expect, refused, expect, respond(response(b"x", "206 Partial Content")), silence]]) as server:
        exchange = exchange_with(server)
        sets = itertools.chain(
            [CREDENTIALS._replace(generation=1)], itertools.repeat(CREDENTIALS._replace(generation=2))
        )
        exchange._heads._credentials = lambda: next(sets)
        failure = failure_of(exchange, "HeadObject", "bucket", "key")
    assert (failure.code, failure.signed_as) == (Code.EXPIRED, 1)


def test_an_error_that_is_cut_short_is_broken(exchange_with):
    with Scripted([[expect, respond(error("NoSuchKey", "404 Not Found")[:-5]), close]]) as server:
        failure = failure_of(exchange_with(server))
    assert (failure.code, failure.status) == (Code.BROKEN, 404)


def test_the_status_of_an_endless_error_page_counts(exchange_with, monkeypatch):
    monkeypatch.setattr(module, "MAX_ERROR", 1000)
    with Scripted([[expect, respond(response(b"x" * 1001, "403 No")), silence]]) as server:
        failure = failure_of(exchange_with(server))
    assert (failure.code, failure.status) == (Code.ACCESS_DENIED, 403)


def test_a_document_over_the_limit_ends_the_connection(exchange_with):
    script = [expect, respond(response(b"x" * 1001)), silence]
    with Scripted([script, [expect, respond(OK), silence]]) as server:
        exchange = exchange_with(server)
        with pytest.raises(TransferError) as failed, complete(exchange.request(*REQUEST)) as long:
            complete(long.read_all(1000))
        assert failed.value.failure.code is Code.MALFORMED
        ask(exchange).finish()
    assert server.accepted == 2


def test_bytes_after_a_response_are_not_the_next_response(tls, exchange_with):
    """An attacker who can make a server send surplus bytes must not choose the response to the next request."""
    injected = response(b"somebody else's")
    with Scripted(
        [[expect, respond(response(b"mine") + injected), silence], [expect, respond(response(b"next")), silence]], tls
    ) as server:
        exchange = exchange_with(server)
        assert ask(exchange).document() == b"mine"
        assert ask(exchange).document() == b"next"
    assert server.accepted == 2


def take(response, count):
    scratch, got = memoryview(bytearray(2**20)), bytearray()
    while len(got) < count:
        got += response.read_some(count - len(got), scratch)
    return got


@pytest.mark.parametrize("size", [1, 5, 3 * 2**20])
def test_bytes_in_the_packet_of_the_last_byte_are_not_the_next_response(tls, exchange_with, size):
    """A body is read to its end only, so later bytes in the same packet are still unread."""
    body, injected, taken = b"x" * size, response(b"somebody else's"), threading.Event()
    first = [expect, respond(response(body)[:-1]), lambda _: taken.wait(LONG), respond(body[-1:] + injected), silence]
    with Scripted([first, [expect, respond(response(b"next")), silence]], tls) as server:
        exchange = exchange_with(server)
        open_response = ask(exchange)
        got = take(open_response, size - 1)
        taken.set()
        got += take(open_response, 1)
        open_response.finish()
        assert got == body
        assert ask(exchange).document() == b"next"
    assert server.accepted == 2


def test_the_body_of_a_head_s_response_is_not_the_next_response(exchange_with):
    with Scripted([[expect, respond(response(OK)), silence], [expect, respond(response(b"next")), silence]]) as server:
        exchange = exchange_with(server)
        ask(exchange, "HeadObject", "bucket", "key").finish()
        assert ask(exchange).document() == b"next"


@pytest.mark.parametrize("last", [{"connection": "close"}, {"content_length": None}], ids=["by a header", "by its end"])
def test_a_connection_that_is_not_kept(tls, exchange_with, last):
    with Scripted(
        [[expect, respond(response(b"one", **last)), close_orderly], [expect, respond(response(b"two")), silence]], tls
    ) as server:
        exchange = exchange_with(server)
        assert ask(exchange).document() == b"one"
        assert ask(exchange).document() == b"two"


def test_an_end_of_the_connection_alone_is_not_the_end_of_a_tls_response(certificates, exchange_with):
    """Anybody on the way could have caused it (RFC 9112 section 9.8)."""
    with Scripted([[expect, respond(response(b"one", content_length=None)), close]], certificates.server()) as server:
        asked = ask(exchange_with(server))
        with pytest.raises(TransferError) as failed, asked.inner:
            asked.document()
    assert failed.value.failure.code is Code.BROKEN


def test_a_response_that_was_dropped(exchange_with):
    with Scripted(
        [[expect, respond(response(b"one")), silence], [expect, respond(response(b"two")), silence]]
    ) as server:
        exchange = exchange_with(server)
        with ask(exchange).inner:
            pass
        assert ask(exchange).document() == b"two"


def test_tls_sessions_are_used_again(certificates, exchange_with):
    with Scripted([[expect, respond(response(connection="close"))]] * 3, certificates.server()) as server:
        exchange = exchange_with(server)
        for _ in range(3):
            ask(exchange).finish()
    assert server.reused == [False, True, True]


def test_threads_share_one_exchange(tls, exchange_with):
    both = threading.Barrier(4, timeout=LONG)
    script = [
        expect,
        lambda _: both.wait(),
        lambda peer: respond(response(peer.request.target.encode()))(peer),
        silence,
    ]
    got = {}
    with Scripted([script] * 4, tls) as server:
        exchange = exchange_with(server)

        def one(number):
            got[number] = ask(exchange, "GetObject", "bucket", str(number)).document()

        threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert len(exchange._connections) == 1
    assert got == {number: b"/bucket/%d" % number for number in range(4)}


# --- Trust and secrets.


def test_an_untrusted_certificate(certificates, exchange_with):
    with Scripted([[expect]], certificates.server("other.example")) as server:
        failure = failure_of(exchange_with(server))
    assert failure.code is Code.UNTRUSTED
    assert "mismatch" in failure.message


def test_a_bundle_that_can_t_be_read(template_of, opened, tmp_path):
    with Scripted([]) as server:
        template = template_of(server)
        endpoint = template.endpoint._replace(tls=True, ca_bundle=str(tmp_path / "none.pem"))
        template = template._replace(endpoint=endpoint)
        failure = failure_of(opened(Exchange(lambda *_: template, lambda: CREDENTIALS)))
    assert failure.code is Code.UNTRUSTED
    assert "none.pem" in failure.message


@pytest.mark.parametrize(
    "script",
    [
        [expect, close],
        [expect, respond(b"nonsense\r\n\r\n")],
        [expect, respond(error("SignatureDoesNotMatch", "403 No"))],
    ],
    ids=["lost", "broken", "refused"],
)
def test_secrets_never_appear(exchange_with, script):
    secret = CredentialSet("AKIAEXAMPLE", "hush-hush", "token-token")
    with Scripted([script]) as server:
        exchange = exchange_with(server, credentials=secret)
        with pytest.raises(TransferError) as failed:
            ask(exchange)
        text = "".join(traceback.format_exception(None, failed.value, failed.value.__traceback__))
        error_now = failed.value
        while error_now is not None:
            text += repr(error_now) + repr(vars(error_now))
            error_now = error_now.__cause__ or error_now.__context__
        text += repr(exchange) + repr(vars(exchange)) + repr(exchange._heads) + repr(exchange._heads._signers)
        text += repr(secret)
    assert "hush" not in text
    assert "token-token" not in text
    assert all(b"hush" not in request.head for request in server.requests)


# --- The server's time.

LATER = "Fri, 15 Jan 2027 09:30:00 GMT"  # an hour and a half ahead of ours
SKEWED = b"<Error><Code>RequestTimeTooSkewed</Code><Message>Set your clock.</Message></Error>"
DENIED = b"<Error><Code>AccessDenied</Code><Message>No.</Message></Error>"


@pytest.mark.parametrize(
    ("operation", "refusal"),
    [
        ("GetObject", response(SKEWED, "403 Forbidden", date=LATER)),
        ("HeadObject", response(status="403 Forbidden", date=LATER)),  # which has no body to say why
    ],
)
def test_after_a_refusal_requests_are_signed_for_the_server_s_time(exchange_with, operation, refusal):
    with Scripted([[expect, respond(refusal), expect, respond(OK), silence]]) as server:
        exchange = exchange_with(server)
        assert failure_of(exchange, operation, "bucket", "key").code is Code.SKEWED
        ask(exchange, operation, "bucket", "key").finish()
    assert [request.headers["x-amz-date"] for request in server.requests] == ["20270115T080000Z", "20270115T093000Z"]


def test_all_heads_in_progress_are_repeated_for_the_server_s_time(exchange_with):
    """The response to one of them adjusts the clock before the others' arrive."""
    refusal, both = response(status="403 Forbidden", date=LATER), threading.Barrier(2, timeout=LONG)
    script = [expect, lambda _: both.wait(), respond(refusal), expect_or_end, respond(OK), silence]
    with Scripted([script] * 2) as server, ThreadPoolExecutor(2) as threads:
        exchange = exchange_with(server)
        failures = threads.map(lambda key: failure_of(exchange, "HeadObject", "bucket", key), ["a", "b"])
        assert [failure.code for failure in failures] == [Code.SKEWED] * 2


@pytest.mark.parametrize("date", ["Fri, 15 Jan 2027 08:00:01 GMT", "yesterday", None])
def test_another_refusal_is_none_of_the_clock_s(exchange_with, date):
    given = {"date": date} if date else {}
    refusal, why = response(status="403 Forbidden", **given), response(DENIED, "403 Forbidden", **given)
    with Scripted([[expect, respond(refusal), expect, respond(why), silence]]) as server:
        assert failure_of(exchange_with(server), "HeadObject", "bucket", "key").code is Code.ACCESS_DENIED


def test_retry_after(exchange_with):
    with Scripted([[expect, respond(response(status="503 Slow Down", retry_after=7)), silence]]) as server:
        failure = failure_of(exchange_with(server))
    assert (failure.code, failure.retry_after) == (Code.BUSY, 7.0)
