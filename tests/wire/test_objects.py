"""Tests of objects: false headers, checksum mismatches, full disks."""

import base64
import hashlib
import os
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from functools import partial

import pytest
from wire.scripted import (
    LONG,
    OK,
    Scripted,
    close,
    drip,
    error,
    expect,
    expect_head,
    expect_or_end,
    reset,
    respond,
    respond_or_end,
    response,
    silence,
)

from metaflow_extensions.fasts3.wire import checksums
from metaflow_extensions.fasts3.wire import objects as module
from metaflow_extensions.fasts3.wire.bandwidth import Allowance, Bandwidth
from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.failures import UNUSABLE, Code, TransferError
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo, PutHeaders

DATA = bytes(range(256)) * 1000


def b64(data):
    return base64.b64encode(data).decode()


def crc32(data):
    return b64(zlib.crc32(data).to_bytes(4, "big"))


def failure_of(call, *arguments, **named):
    with pytest.raises(TransferError) as failed:
        call(*arguments, **named)
    return failed.value.failure


@pytest.fixture
def path(tmp_path):
    return tmp_path / "object"


@pytest.fixture
def get(transfers_with, path):
    """Ask a scripted server for an object."""

    def do(server, **named):
        return transfers_with(server, **named.pop("template", {})).get("bucket", "key", str(path), **named)

    return do


# --- Lengths.


def test_an_object(tls, get, path):
    with Scripted([[expect, respond(response(DATA, etag='"e"')), silence]], tls) as server:
        got = get(server)
    assert got == (ObjectInfo(len(DATA), '"e"', None, {}, None, None), 0, len(DATA), len(DATA), *[None] * 4)
    assert path.read_bytes() == DATA


def test_an_object_byte_by_byte(tls, get, path):
    with Scripted(
        [[expect, drip(response(DATA[:500], x_amz_checksum_crc32=crc32(DATA[:500]))), silence]], tls
    ) as server:
        get(server)
    assert path.read_bytes() == DATA[:500]


@pytest.mark.parametrize("pieces", [respond, drip], ids=["at once", "byte by byte"])
def test_an_object_in_steps(tls, get, path, pieces):
    with Scripted(
        [[expect, pieces(response(DATA[:5000], x_amz_checksum_crc32=crc32(DATA[:5000]))), silence]], tls
    ) as server:
        got = get(server, allowance=Allowance(Bandwidth(1e6)))
    assert (got.received, got.verified) == (5000, "crc32")
    assert path.read_bytes() == DATA[:5000]


def test_waiting_for_the_limit_is_not_waiting_for_the_server(tls, get, path):
    with Scripted([[expect, respond(response(DATA[:50_000])), silence]], tls) as server:
        get(server, template={"read_timeout": 1.0}, allowance=Allowance(Bandwidth(3e4)))
    assert path.read_bytes() == DATA[:50_000]


@pytest.mark.parametrize("end", [close, reset])
@pytest.mark.parametrize("sent", [0, 1, len(DATA) - 1])
def test_a_body_that_is_cut_short(tls, get, end, sent):
    head = response(content_length=len(DATA))
    with Scripted([[expect, respond(head + DATA[:sent]), end]], tls) as server:
        assert failure_of(get, server).code in (Code.BROKEN, Code.UNREACHABLE)


def test_a_body_that_stops(tls, get):
    with Scripted([[expect, respond(response(b"abc", content_length=10)), silence]], tls) as server:
        failure = failure_of(get, server, template={"read_timeout": 0.5})
    assert failure.code is Code.BROKEN
    assert "no response for 0.5 seconds" in failure.message


def test_bytes_after_the_content_length_are_not_part_of_the_object(tls, transfers_with, path):
    two = [expect, respond(response(b"two")), silence]
    with Scripted([[expect, respond(response(b"one, and more", content_length=3)), silence], two], tls) as server:
        transfers = transfers_with(server)
        transfers.get("bucket", "key", str(path))
        assert path.read_bytes() == b"one"
        transfers.get("bucket", "key", str(path))
        assert path.read_bytes() == b"two"


@pytest.mark.parametrize(
    "headers",
    [
        {"content_length": "5, 6"},
        {"content_length": "-5"},
        {"content_length": "5", "transfer_encoding": "chunked"},
        {"content_length": "5x"},
    ],
    ids=str,
)
def test_lengths_that_are_none(get, path, headers):
    path.write_bytes(b"before")
    with Scripted([[expect, respond(response(b"abcde", **headers)), close]]) as server:
        assert failure_of(get, server).code in UNUSABLE
    assert path.read_bytes() == b"before"


def test_an_empty_object(tls, get, path):
    path.write_bytes(b"before")
    with Scripted([[expect, respond(response(x_amz_checksum_crc32="AAAAAA==")), silence]], tls) as server:
        assert get(server, crc=True)[1:7] == (0, 0, 0, 0, "AAAAAA==", "crc32")
    assert path.read_bytes() == b""


def test_no_content_is_no_object(get):
    with Scripted([[expect, respond(response(status="204 No Content", content_length=None)), silence]]) as server:
        assert failure_of(get, server).code in UNUSABLE


def test_a_head_without_a_length(transfers_with):
    with Scripted([[expect, respond(response(content_length=None)), silence]]) as server:
        assert transfers_with(server).head("bucket", "key").size is None


def test_a_head_has_the_size_and_no_body(transfers_with):
    with Scripted(
        [[expect, respond(response(content_length=5)), expect, respond(response(content_length=6)), silence]]
    ) as server:
        transfers = transfers_with(server)
        assert transfers.head("bucket", "key").size == 5
        assert transfers.head("bucket", "key").size == 6


# --- Ranges.


def part(header, body=b"abcde", status="206 Partial Content", **headers):
    return response(body, status, content_range=header, **headers)


def test_a_range(tls, get, path):
    path.write_bytes(b"0123456789")
    with Scripted([[expect, respond(part("bytes 10-14/100")), silence]], tls) as server:
        got = get(server, byte_range="bytes=10-14", position=2)
    assert (got.info.size, got.first, got.length, got.received) == (100, 10, 5, 5)
    assert path.read_bytes() == b"01abcde789"
    assert server.requests[0].headers["range"] == "bytes=10-14"
    assert "x-amz-checksum-mode" not in server.requests[0].headers


@pytest.mark.parametrize("pieces", [respond, drip], ids=["at once", "byte by byte"])
def test_a_range_is_received_into_memory_of_the_caller(tls, transfers_with, pieces):
    memory = bytearray(b"." * 1200)
    with Scripted([[expect, pieces(part("bytes 10-1009/2000", DATA[:1000])), silence]], tls) as server:
        got = transfers_with(server).get("bucket", "key", byte_range="bytes=10-1009", into=memoryview(memory)[100:1100])
    assert (got.info.size, got.first, got.length, got.received, got.body) == (2000, 10, 1000, 1000, None)
    assert memory == b"." * 100 + DATA[:1000] + b"." * 100


def test_a_chunked_range_is_received_into_memory_of_the_caller(transfers_with):
    chunked = part(
        "bytes 0-7/9", b"3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n", content_length=None, transfer_encoding="chunked"
    )
    memory = bytearray(8)
    with Scripted([[expect, respond(chunked), silence]]) as server:
        transfers_with(server).get("bucket", "key", byte_range="bytes=0-7", into=memoryview(memory))
    assert memory == b"abcdefgh"


def test_a_connection_with_bytes_after_a_chunked_range_is_not_used_again(transfers_with):
    """The end of the chunks is read byte by byte, from a buffer that has the bytes after it, too."""
    chunked = part("bytes 0-2/9", b"3\r\nabc\r\n0\r\n\r\n", content_length=None, transfer_encoding="chunked")
    with Scripted([[expect, respond(chunked + b"HTTP/1.1 200"), silence], [expect, respond(OK), silence]]) as server:
        transfers = transfers_with(server)
        assert transfers.get("bucket", "key", byte_range="bytes=0-2").body == b"abc"
        transfers.head("bucket", "key")
    assert server.accepted == 2


def test_a_chunked_range_that_is_too_long_is_an_error(tls, transfers_with):
    chunked = part("bytes 0-2/9", b"5\r\nabcXX\r\n0\r\n\r\n", content_length=None, transfer_encoding="chunked")
    with Scripted([[expect, respond(chunked), silence]], tls) as server:
        failure = failure_of(transfers_with(server).get, "bucket", "key", byte_range="bytes=0-2")
    assert failure.code is Code.MALFORMED


@pytest.mark.parametrize("algorithm", ["crc32", "sha256"])
def test_the_checksum_of_a_chunked_object_is_compared_if_it_may_be_longer(tls, transfers_with, algorithm):
    checksums = {"crc32": crc32(b"hello"), "sha256": base64.b64encode(hashlib.sha256(b"hello").digest()).decode()}
    for body, is_right in ((b"hello", True), (b"jello", False)):
        chunked = response(
            b"5\r\n%s\r\n0\r\n\r\n" % body,
            content_length=None,
            transfer_encoding="chunked",
            x_amz_checksum_type="FULL_OBJECT",
            **{f"x_amz_checksum_{algorithm}": checksums[algorithm]},
        )
        with Scripted([[expect, respond(chunked), silence]], tls) as server:
            get = partial(transfers_with(server).get, "bucket", "key", limit=100)
            if is_right:
                assert get().verified == algorithm
            else:
                assert failure_of(get).code is Code.BROKEN


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes 10-13/100", Code.MALFORMED),
        ("bytes 10-15/100", Code.MALFORMED),
        ("bytes 10-14/3", Code.MALFORMED),
        ("bytes 10-14/*", Code.MALFORMED),
        ("bytes */100", Code.MALFORMED),
        ("lines 10-14/100", Code.MALFORMED),
        ("nonsense", Code.MALFORMED),
        ("bytes 11-15/100", Code.REJECTED),
        ("bytes 0-4/100", Code.REJECTED),
    ],
)
def test_a_wrong_content_range(get, path, header, expected):
    path.write_bytes(b"before")
    with Scripted([[expect, respond(part(header)), silence]]) as server:
        assert failure_of(get, server, byte_range="bytes=10-14", position=3).code is expected
    assert path.read_bytes() == b"before"


def test_a_range_that_was_ignored(get, path):
    path.write_bytes(b"before")
    with Scripted([[expect, respond(response(DATA)), silence]]) as server:
        assert failure_of(get, server, byte_range="bytes=10-14", position=3).code is Code.REJECTED
    assert path.read_bytes() == b"before"


def test_an_unrequested_range_is_not_the_object(get, path):
    path.write_bytes(b"before")
    with Scripted([[expect, respond(part("bytes 0-4/100")), silence]]) as server:
        assert failure_of(get, server).code is Code.MALFORMED
    assert path.read_bytes() == b"before"


def test_a_whole_checksum_of_a_range_is_ignored(get, path):
    """Some servers send the whole object's."""
    with Scripted([[expect, respond(part("bytes 0-4/100", x_amz_checksum_crc32="AAAAAA==")), silence]]) as server:
        got = get(server, byte_range="bytes=0-4", crc=True)
    assert (got.crc, got.whole_crc) == (zlib.crc32(b"abcde"), None)


def test_an_object_that_has_changed(get):
    with Scripted([[expect, respond(error("PreconditionFailed", "412 Precondition Failed")), silence]]) as server:
        assert failure_of(get, server, if_match='"e"').code is Code.PRECONDITION
    assert server.requests[0].headers["if-match"] == '"e"'


# --- Limits and checksums.


WORTH_A_REQUEST = len(DATA) * 2 // 3  # the largest limit: what is beyond half as much again is another request's


@pytest.mark.parametrize("limit", [0, 1, 1000, WORTH_A_REQUEST])
def test_a_limit(tls, get, path, limit):
    sums = {"x_amz_checksum_crc32": crc32(DATA)}
    with Scripted([[expect, respond_or_end(response(DATA, **sums)), silence]], tls) as server:
        got = get(server, limit=limit)
    assert got[1:7] == (0, len(DATA), limit, zlib.crc32(DATA[:limit]), crc32(DATA), None)
    assert path.read_bytes() == DATA[:limit]


def test_the_rest_of_a_limited_object_is_not_the_next_response(transfers_with, path):
    two = [expect, respond(response(b"two")), silence]
    with Scripted([[expect, respond_or_end(response(DATA)), silence], two]) as server:
        transfers = transfers_with(server)
        transfers.get("bucket", "key", str(path), limit=10)
        transfers.get("bucket", "key", str(path))
    assert path.read_bytes() == b"two"


@pytest.mark.parametrize("limit", [WORTH_A_REQUEST + 1, len(DATA), len(DATA) + 1])
def test_a_limit_that_limits_nothing(get, path, limit):
    with Scripted([[expect, respond(response(DATA)), silence]]) as server:
        assert get(server, limit=limit)[2:4] == (len(DATA), len(DATA))
    assert path.read_bytes() == DATA


def test_a_share_is_reported_before_its_bytes_arrive(tls, get, path):
    reported, head = threading.Event(), len(response(DATA)) - len(DATA)
    body = [
        lambda _: reported.wait(LONG) or pytest.fail("no interim outcome"),
        respond_or_end(response(DATA)[head:]),
        silence,
    ]
    beginnings = []

    def begun(beginning):
        beginnings.append((*beginning[1:5], path.read_bytes()))
        reported.set()

    with Scripted([[expect, respond(response(DATA)[:head]), *body]], tls) as server:
        got = get(server, limit=1000, ways=100, begun=begun)
    assert beginnings == [(0, len(DATA), 2000, None, b"")]
    assert got[1:4] == (0, len(DATA), 2000)
    assert path.read_bytes() == DATA[:2000]


def test_bytes_of_a_broken_share_count(tls, get, path):
    sums = {"x_amz_checksum_crc32": crc32(DATA)}
    head = len(response(DATA, **sums)) - len(DATA)
    with Scripted([[expect, respond(response(DATA, **sums)[: head + 1500]), close]], tls) as server:
        got = get(server, limit=1000, ways=100, begun=lambda _: None)
    assert got[1:7] == (0, len(DATA), 1500, zlib.crc32(DATA[:1500]), crc32(DATA), None)
    assert path.read_bytes() == DATA[:1500]


def test_a_response_without_interim_outcome_ends_at_its_limit(get):
    with Scripted([[expect, respond(response(DATA)), silence]]) as server:
        assert get(server, limit=1000, ways=100)[2:4] == (len(DATA), 1000)


def test_a_single_response_sends_no_interim_outcome(get, path):
    with Scripted([[expect, respond(response(DATA)), silence]]) as server:
        assert (
            get(server, limit=len(DATA) - 1, ways=2, begun=lambda _: pytest.fail("an interim outcome"))[2:4]
            == (len(DATA),) * 2
        )


def test_a_file_that_others_write_to_is_not_emptied(get, path):
    path.write_bytes(b"0123456789")
    with Scripted([[expect, respond(response(b"abc", content_range="bytes 0-2/10")), silence]]) as server:
        get(server, byte_range="bytes=0-2", keep=True)
    assert path.read_bytes() == b"abc3456789"


SUMS = {
    "crc32": crc32,
    "sha1": lambda data: b64(hashlib.sha1(data).digest()),
    "sha256": lambda data: b64(hashlib.sha256(data).digest()),
}


@pytest.mark.parametrize("algorithm", SUMS)
def test_checksums_that_are_right_and_wrong(tls, transfers_with, path, algorithm):
    right, wrong = SUMS[algorithm](DATA), SUMS[algorithm](b"other")
    header = f"x_amz_checksum_{algorithm}"
    script = [
        expect,
        respond(response(DATA, **{header: right})),
        expect,
        respond(response(DATA, **{header: wrong})),
        silence,
    ]
    with Scripted([script], tls) as server:
        transfers = transfers_with(server)
        assert transfers.get("bucket", "key", str(path)).verified == algorithm
        failure = failure_of(transfers.get, "bucket", "key", str(path))
    assert failure.code is Code.BROKEN
    assert f"{algorithm.upper()} checksum mismatch" in failure.message
    assert right in failure.message
    assert wrong in failure.message
    assert server.requests[0].headers["x-amz-checksum-mode"] == "ENABLED"


@pytest.mark.parametrize("algorithm", ["crc32c", "crc64nvme"])
def test_checksums_that_awscrt_computes(get, path, algorithm, monkeypatch):
    """A replacement computes them if awscrt is not installed."""

    class Other(checksums._Crc):
        pass

    real = checksums.start
    other = {algorithm: lambda: Other(lambda data, before: (before + sum(data)) % 2**32, 4)}
    monkeypatch.setattr(module, "start", lambda name: other[name]() if name in other else real(name))
    value = b64((sum(DATA) % 2**32).to_bytes(4, "big"))
    checksum = checksums.Checksum(algorithm, value)
    monkeypatch.setattr(module, "full_object_checksum", lambda _: checksum)
    with Scripted([[expect, respond(response(DATA)), silence]]) as server:
        got = get(server, crc=True)
    assert got.crc == zlib.crc32(DATA)  # whatever else was compared
    assert got.whole_crc is None


def test_a_checksum_of_parts_is_ignored_for_the_whole(get, path):
    headers = {"x_amz_checksum_crc32": "AAAAAA==-3", "x_amz_checksum_type": "COMPOSITE"}
    with Scripted([[expect, respond(response(DATA, **headers)), silence]]) as server:
        assert get(server)[4:7] == (None, None, None)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("algorithm", SUMS)
def test_the_requested_crc(get, algorithm):
    with Scripted(
        [[expect, respond(response(DATA, **{f"x_amz_checksum_{algorithm}": SUMS[algorithm](DATA)})), silence]]
    ) as server:
        got = get(server, crc=True)
    assert got.crc == zlib.crc32(DATA)
    assert got.whole_crc == (crc32(DATA) if algorithm == "crc32" else None)


def test_a_client_that_verifies_nothing(get):
    with Scripted([[expect, respond(response(DATA)), silence]]) as server:
        get(server, template={"verify": False})
    assert "x-amz-checksum-mode" not in server.requests[0].headers


# --- Headers of objects.


@pytest.fixture
def elsewhere(monkeypatch):
    """A machine whose clock shows another time than Greenwich's."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "date", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_dates_in_all_three_forms(transfers_with, elsewhere, date):
    """Including both obsolete forms; all are in UTC (RFC 9110 section 5.6.7)."""
    with Scripted([[expect, respond(response(last_modified=date)), silence]]) as server:
        assert transfers_with(server).head("bucket", "key").last_modified == 784111777


@pytest.mark.parametrize(
    "date", ["", "nonsense", "Sun, 06 Xxx 1994 08:49:37 GMT", "Sun, 06 Nov 0000 08:49:37 GMT", "1" * 99]
)
def test_dates_that_are_none(transfers_with, date):
    with Scripted([[expect, respond(response(last_modified=date)), silence]]) as server:
        assert transfers_with(server).head("bucket", "key").last_modified is None


def test_headers_have_no_case(transfers_with):
    head = (
        b'HTTP/1.1 200 OK\r\nCONTENT-LENGTH: 5\r\nETag: "e"\r\nX-Amz-Meta-CamelCase: Value\r\nx-amz-meta-two: 2\r\n'
        b"Content-TYPE: text/x\r\nX-Amz-Server-Side-Encryption: AES256\r\n\r\n"
    )
    with Scripted([[expect, respond(head), silence]]) as server:
        info = transfers_with(server).head("bucket", "key")
    assert info == ObjectInfo(5, '"e"', "text/x", {"camelcase": "Value", "two": "2"}, None, "AES256")


# --- The local disk.


def test_a_disk_that_is_full(tls, transfers_with):
    with Scripted([[expect, respond_or_end(response(DATA)), silence]], tls) as server:
        failure = failure_of(transfers_with(server).get, "bucket", "key", "/dev/full")
    assert failure.code is Code.DISK_FULL


def test_a_disk_that_becomes_full(tmp_path):
    """In a separate process, whose files may not exceed a few bytes."""
    program = """
        import os, resource, signal, sys
        from metaflow_extensions.fasts3.wire.failures import TransferError
        from metaflow_extensions.fasts3.wire.local_files import open_to_write, write_all
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        file = open_to_write(sys.argv[1], 0)
        try:
            write_all(file, memoryview(bytes(5000)), 0)
        except TransferError as error:
            print(error.failure.code.value, os.path.getsize(sys.argv[1]))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "f")]
    stdout = subprocess.run(command, check=True, capture_output=True, text=True, timeout=LONG).stdout
    assert stdout.split() == ["disk-full", "1000"]


def test_the_connection_of_a_download_that_could_not_be_written_is_not_used_again(transfers_with, path):
    two = [expect, respond(response(b"two")), silence]
    with Scripted([[expect, respond_or_end(response(DATA)), silence], two]) as server:
        transfers = transfers_with(server)
        assert failure_of(transfers.get, "bucket", "key", str(path / "no" / "such")).code is Code.LOCAL_FILE
        transfers.get("bucket", "key", str(path))
    assert path.read_bytes() == b"two"


def test_no_descriptor_is_left_open(get, path):
    before = len(os.listdir("/proc/self/fd"))
    with Scripted([[expect, respond(response(DATA, content_length=len(DATA) + 1)), close]]) as server:
        failure_of(get, server)
    assert len(os.listdir("/proc/self/fd")) <= before


# --- Uploads.


@pytest.mark.parametrize("way", ["bytes", "file"])
@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_an_upload(tls, transfers_with, path, way, size):
    path.write_bytes(DATA[:size])
    given = {"body": DATA[:size]} if way == "bytes" else {"path": str(path)}
    with Scripted([[expect, respond(response(etag='"e"')), silence]], tls) as server:
        stored = PutHeaders("text/x", {"one": "1"}, "AES256", {"cache-control": "no-store"})
        transfers = transfers_with(server, checksum="crc32", sign_payload=not tls)
        assert transfers.put("bucket", "key", headers=stored, **given) == '"e"'
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("PUT", "/bucket/key", DATA[:size])
    expected = {
        "content-length": str(size),
        "content-type": "text/x",
        "x-amz-meta-one": "1",
        "x-amz-server-side-encryption": "AES256",
        "cache-control": "no-store",
        "x-amz-checksum-crc32": crc32(DATA[:size]),
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD" if tls else hashlib.sha256(DATA[:size]).hexdigest(),
    }
    assert {name: request.headers[name] for name in expected} == expected
    assert "if-none-match" not in request.headers
    assert "expect" not in request.headers


@pytest.mark.parametrize(
    ("size", "expects"), [(10, False), (module.EXPECT_ABOVE, False), (module.EXPECT_ABOVE + 1, True)]
)
@pytest.mark.parametrize(
    ("condition", "header"), [(ABSENT, ("if-none-match", "*")), ('"etag"', ("if-match", '"etag"'))]
)
def test_a_large_conditional_upload_expects_100_continue(transfers_with, size, expects, condition, header):
    refusal = respond(error("PreconditionFailed", "412 Precondition Failed"))
    with Scripted([[expect_head if expects else expect, refusal, silence]]) as server:
        put = transfers_with(server).put
        assert failure_of(put, "bucket", "key", DATA[:size], condition=condition).code is Code.PRECONDITION
    sent = {name: server.requests[0].headers.get(name) for name in ("if-match", "if-none-match")}
    assert sent == {"if-match": None, "if-none-match": None, **dict([header])}
    assert ("expect" in server.requests[0].headers) is expects


def test_a_refusal_while_the_body_is_sent_is_s3_s_own(tls, transfers_with):
    """S3 responds, closes the connection and stops reading; a network error would be retried for minutes."""
    refusal = respond(error("EntityTooLarge", "400 Bad Request"))
    with Scripted([[expect_head, refusal, close]], tls) as server:
        failure = failure_of(transfers_with(server).put, "bucket", "key", DATA * 60)
    assert failure[:4] == (Code.REJECTED, "It is so.", "EntityTooLarge", 400)


class Shrinking:
    """Truncates a file during its upload: after the head of the request, or before."""

    def __init__(self, path):
        self.path = path

    def __call__(self, _):
        os.truncate(self.path, 10)


@pytest.mark.parametrize("sign_payload", [True, False])
def test_a_file_that_shrinks_while_it_is_uploaded(tls, transfers_with, path, sign_payload):
    path.write_bytes(DATA * 60)  # more than is sent before the server reads
    with Scripted([[expect_head, Shrinking(path), silence]], tls) as server:
        transfers = transfers_with(server, sign_payload=sign_payload)
        failure = failure_of(transfers.put, "bucket", "key", path=str(path))
    assert failure.code is Code.CHANGED
    assert "shorter" in failure.message


@pytest.mark.parametrize("name", ["no/such/file", "."], ids=["missing", "directory"])
def test_a_file_that_can_t_be_read(tls, transfers_with, tmp_path, name):
    with Scripted([[expect_or_end]] if name == "." else [], tls) as server:
        transfers = transfers_with(server, sign_payload=False)
        failure = failure_of(transfers.put, "bucket", "key", path=str(tmp_path / name))
    assert failure.code is (Code.LOCAL_FILE if name == "." else Code.NO_FILE)


def test_delete(transfers_with):
    with Scripted(
        [[expect, respond(response(status="204 No Content", content_length=None)), expect, respond(OK)]]
    ) as server:
        transfers = transfers_with(server)
        transfers.delete("bucket", "key")
        transfers.delete("bucket", "key")
    assert [request.method for request in server.requests] == ["DELETE", "DELETE"]
    assert "content-length" not in server.requests[0].headers
