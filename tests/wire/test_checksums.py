"""Tests of checksums: known values, combining, those in responses, and machines without `awscrt`."""

import base64
import hashlib
import sys
import zlib
from types import ModuleType

import pytest
from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.wire import checksums
from metaflow_extensions.fasts3.wire.checksums import (
    ALGORITHMS,
    Checksum,
    crc32_of_all,
    crc32_text,
    full_object_checksum,
    start,
)

EXAMPLES = examples(300)
CHECK = b"123456789"
NEED_AWSCRT = ["crc32c", "crc64nvme"]


def reflected_crc(polynomial, width):
    """A CRC as awscrt offers it: bytes and the CRC of what was before; bit by bit, from the reversed polynomial."""
    ones = (1 << 8 * width) - 1

    def crc(data, previous=0):
        assert isinstance(data, bytes)  # all that awscrt promises to take
        number = previous ^ ones
        for byte in data:
            number ^= byte
            for _ in range(8):
                number = number >> 1 ^ (polynomial if number & 1 else 0)
        return number ^ ones

    return crc


@pytest.fixture
def no_awscrt(monkeypatch):
    """Make imports of `awscrt` fail."""
    for name in list(sys.modules):
        if name.partition(".")[0] == "awscrt":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "awscrt", None)
    checksums._awscrt.cache_clear()
    yield
    checksums._awscrt.cache_clear()


@pytest.fixture
def awscrt(no_awscrt, monkeypatch):
    """Replace `awscrt`."""
    package, module = ModuleType("awscrt"), ModuleType("awscrt.checksums")
    module.crc32c = reflected_crc(0x82F63B78, 4)
    module.crc64nvme = reflected_crc(0x9A6C9329AC4BC9B5, 8)
    package.checksums = module
    monkeypatch.setitem(sys.modules, "awscrt", package)
    monkeypatch.setitem(sys.modules, "awscrt.checksums", module)
    return module


def base64_of(hexadecimal):
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


# The check values of the catalogue of CRCs (reveng.sourceforge.io), and those of FIPS 180's families.
KNOWN = {
    "crc32": base64_of("cbf43926"),
    "crc32c": base64_of("e3069283"),
    "crc64nvme": base64_of("ae8b14860a799888"),
    "sha1": base64_of("f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
    "sha256": base64_of("15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
}


def test_every_algorithm_has_a_known_value():
    assert set(KNOWN) == set(ALGORITHMS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_known_values(awscrt, algorithm, kind):
    for cut in range(len(CHECK) + 1):
        running = start(algorithm)
        running.update(kind(CHECK[:cut]))
        running.update(kind(CHECK[cut:]))
        assert running.value() == KNOWN[algorithm]


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("crc32", "AAAAAA=="),
        ("crc32c", "AAAAAA=="),
        ("crc64nvme", "AAAAAAAAAAA="),
        ("sha1", base64_of(hashlib.sha1(b"").hexdigest())),
        ("sha256", base64_of(hashlib.sha256(b"").hexdigest())),
    ],
)
def test_checksums_of_no_bytes(awscrt, algorithm, expected):
    assert start(algorithm).value() == expected


def test_a_value_may_be_read_in_between():
    running = start("sha256")
    running.update(CHECK[:4])
    assert running.value() == base64_of(hashlib.sha256(CHECK[:4]).hexdigest())
    running.update(CHECK[4:])
    assert running.value() == KNOWN["sha256"]


def test_two_do_not_share_anything(awscrt):
    for algorithm in ALGORITHMS:
        one, other = start(algorithm), start(algorithm)
        one.update(b"x")
        other.update(CHECK)
        assert other.value() == KNOWN[algorithm]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_algorithms_without_awscrt(no_awscrt, algorithm):
    assert (start(algorithm) is None) == (algorithm in NEED_AWSCRT)


def test_an_old_awscrt_that_lacks_one_of_them(awscrt):
    del awscrt.crc64nvme
    assert start("crc64nvme") is None
    assert start("crc32c") is not None


@pytest.mark.usefixtures("awscrt")
@pytest.mark.parametrize("algorithm", ["md5", "", "xxhash64"])
def test_an_unknown_algorithm(algorithm):
    assert start(algorithm) is None


def test_awscrt_is_imported_once(no_awscrt, monkeypatch):
    assert start("crc32c") is None
    imports = []
    monkeypatch.setattr("builtins.__import__", lambda *args, **_: imports.append(args))
    assert start("crc32c") is None
    monkeypatch.undo()
    assert imports == []


def test_with_the_awscrt_that_is_installed():
    pytest.importorskip("awscrt.checksums")
    checksums._awscrt.cache_clear()
    for algorithm in NEED_AWSCRT:
        running = start(algorithm)
        for piece in (CHECK[:2], memoryview(CHECK)[2:5], bytearray(CHECK[5:])):
            running.update(piece)
        assert running.value() == KNOWN[algorithm]


# --- Combining


@EXAMPLES
@given(pieces=st.lists(st.binary(max_size=300), max_size=8))
@example(pieces=[])
@example(pieces=[b""])
@example(pieces=[b"", b"a", b"", b"b", b""])
@example(pieces=[b"\0" * 70_000, b"\0" * 70_000, b"x"])
def test_the_crc_of_pieces_is_that_of_the_whole(pieces):
    expected = zlib.crc32(b"".join(pieces))
    assert crc32_of_all((zlib.crc32(piece), len(piece)) for piece in pieces) == expected


@EXAMPLES
@given(data=st.binary(max_size=2000), cuts=st.lists(st.integers(0, 2000), max_size=10))
def test_the_crc_of_any_cuts_is_that_of_the_whole(data, cuts):
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[first:last] for first, last in zip(edges, edges[1:])]
    assert crc32_of_all([(zlib.crc32(piece), len(piece)) for piece in pieces]) == zlib.crc32(data)


def test_the_order_of_pieces_matters():
    pieces = [(zlib.crc32(piece), len(piece)) for piece in (b"first", b"second")]
    assert crc32_of_all(pieces) != crc32_of_all(pieces[::-1])


def test_pieces_that_are_larger_than_memory():
    """The period of x modulo the polynomial, which is primitive, is 2^32 - 1: that many bytes change no CRC."""
    crc = zlib.crc32(b"first")
    one_more, as_much = crc32_of_all([(crc, 5), (0, 2**32)]), crc32_of_all([(crc, 5), (0, 1)])
    assert one_more == as_much != crc
    assert crc32_of_all([(crc, 5), (0, 2**32 - 1)]) == crc


@pytest.mark.parametrize(("number", "text"), [(0, "AAAAAA=="), (0xCBF43926, KNOWN["crc32"]), (1, "AAAAAQ==")])
def test_a_crc_as_s3_writes_it(number, text):
    assert crc32_text(number) == text


# --- Checksums in responses

CRC32, SHA1 = ("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-sha1", KNOWN["sha1"])
CRC32C = ("x-amz-checksum-crc32c", KNOWN["crc32c"])
CRC64 = ("x-amz-checksum-crc64nvme", KNOWN["crc64nvme"])
TOLD = [
    pytest.param([], None, id="none"),
    pytest.param([("etag", '"y"'), ("x-amz-checksum-md5", "y"), ("x-amz-checksum-crc3", "y")], None, id="none of S3's"),
    pytest.param([CRC32], Checksum("crc32", CRC32[1]), id="one"),
    pytest.param([CRC32, ("x-amz-checksum-type", "FULL_OBJECT")], Checksum("crc32", CRC32[1]), id="of the whole"),
    pytest.param([CRC32, ("x-amz-checksum-type", "COMPOSITE")], None, id="of the parts' checksums"),
    pytest.param([CRC32, ("x-amz-checksum-type", "")], None, id="of who knows what"),
    pytest.param(
        [("x-amz-checksum-crc32", "y/Q5Jg==-2")], None, id="of the parts' checksums, by a server without types"
    ),
    pytest.param([("x-amz-checksum-crc32", "y/Q5Jg==-2"), SHA1], Checksum("sha1", SHA1[1]), id="of parts and whole"),
    pytest.param([("x-amz-checksum-crc32", "")], None, id="empty"),
    pytest.param([SHA1, CRC32], Checksum("crc32", CRC32[1]), id="the cheapest of several"),
]


@pytest.mark.parametrize(("headers", "expected"), TOLD)
def test_the_checksum_of_a_response(no_awscrt, headers, expected):
    assert full_object_checksum(dict(headers)) == expected


@pytest.mark.parametrize(("headers", "expected"), TOLD)
def test_the_checksum_of_a_response_with_more_algorithms(awscrt, headers, expected):
    assert full_object_checksum(dict(headers)) == expected


@pytest.mark.parametrize("best", [CRC32C, CRC64])
def test_unsupported_checksums_do_not_hide_supported_ones(no_awscrt, best):
    assert full_object_checksum(dict([best, SHA1])) == Checksum("sha1", SHA1[1])
    assert full_object_checksum(dict([best])) is None


@pytest.mark.parametrize("best", [CRC32C, CRC64])
def test_checksums_of_awscrt_are_verified(awscrt, best):
    assert full_object_checksum(dict([best, SHA1])) == Checksum(best[0].rpartition("-")[2], best[1])


@pytest.mark.parametrize(
    ("algorithm", "kind", "expected"),
    [
        (None, None, {}),
        ("crc32", "FULL_OBJECT", {"algorithm": "CRC32", "type": "FULL_OBJECT"}),
        ("crc32", "COMPOSITE", {"algorithm": "CRC32"}),
        ("crc32c", None, {"algorithm": "CRC32C"}),
        ("crc64nvme", "FULL_OBJECT", {"algorithm": "CRC64NVME", "type": "FULL_OBJECT"}),
        ("sha256", "FULL_OBJECT", {"algorithm": "SHA256"}),
    ],
)
def test_checksums_of_copies_in_parts(algorithm, kind, expected):
    headers = {"etag": '"e"', **({f"x-amz-checksum-{algorithm}": "AAAA=="} if algorithm else {})}
    headers.update({"x-amz-checksum-type": kind} if kind else {})
    assert checksums.kept(headers) == {f"x-amz-checksum-{name}": value for name, value in expected.items()}
