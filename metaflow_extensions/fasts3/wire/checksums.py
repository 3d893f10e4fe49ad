"""Checksums that S3 stores with objects and this client can compute.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html. Python has CRC32, SHA-1 and
SHA-256; `awscrt`, if installed, adds CRC32C and CRC64NVME.
"""

import base64
import hashlib
import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Callable, NamedTuple, Optional, Protocol

HEADER = "x-amz-checksum-"  # followed by the algorithm
_ALGORITHM, _TYPE = f"{HEADER}algorithm", f"{HEADER}type"
# What a response may carry, the cheapest to compute first.
ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha256", "sha1")
_HEADERS = tuple((algorithm, HEADER + algorithm) for algorithm in ALGORITHMS)


class Running(Protocol):
    """A checksum that is being computed."""

    def update(self, data: Any) -> None:
        """Add bytes."""

    def value(self) -> str:
        """Return the checksum so far, in base64."""


class _Crc:
    def __init__(self, function: "Callable[[Any, int], int]", width: int) -> None:
        self._function = function
        self._width = width  # bytes
        self.number = 0

    def update(self, data: Any) -> None:
        self.number = self._function(data, self.number)

    def value(self) -> str:
        return _base64(self.number.to_bytes(self._width, "big"))


class _Hash:
    def __init__(self, name: str) -> None:
        self._hash = hashlib.new(name, usedforsecurity=False)

    def update(self, data: Any) -> None:
        self._hash.update(data)

    def value(self) -> str:
        return _base64(self._hash.digest())


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


@lru_cache(maxsize=8)  # Python searches for a missing module at every import, which takes as long as half a request
def _awscrt(name: str) -> "Optional[Callable[[Any, int], int]]":
    try:
        from awscrt import checksums
    except ImportError:
        return None
    function: Optional[Callable[[Any, int], int]] = getattr(checksums, name, None)
    return function and (lambda data, before: function(bytes(data), before))


def start(algorithm: str) -> Optional[Running]:
    """Start a checksum; None if this machine can't compute it.

    Parameters
    ----------
    algorithm : str
        One of `ALGORITHMS`.
    """
    if algorithm == "crc32":
        return _Crc(zlib.crc32, 4)
    if algorithm in ("sha1", "sha256"):
        return _Hash(algorithm)
    function = _awscrt(algorithm)
    return function and _Crc(function, 8 if algorithm == "crc64nvme" else 4)


def kept(headers: "dict[str, str]") -> "dict[str, str]":
    """Return the headers with which CreateMultipartUpload computes checksums as those of an object are.

    Parameters
    ----------
    headers : dict of str to str
        Of a response about the object.
    """
    algorithm = next((algorithm for algorithm, header in _HEADERS if header in headers), None)
    if algorithm is None:
        return {}
    # Multipart uploads have composite SHAs only.
    whole = algorithm.startswith("crc") and headers.get(_TYPE) == "FULL_OBJECT"
    return {_ALGORITHM: algorithm.upper(), **({_TYPE: "FULL_OBJECT"} if whole else {})}


class Checksum(NamedTuple):
    """A checksum of the whole object, from a response."""

    algorithm: str
    value: str  # base64


def full_object_checksum(headers: "dict[str, str]") -> Optional[Checksum]:
    """Return the response's checksum of the whole object that is cheapest to compute.

    COMPOSITE checksums (of a multipart upload's part checksums, with a suffix `-` and the number of parts) are ignored:
    they can't be compared without the part sizes.
    """
    if headers.get(_TYPE, "FULL_OBJECT") != "FULL_OBJECT":
        return None
    for algorithm, header in _HEADERS:
        value = headers.get(header)
        if value and "-" not in value and start(algorithm):
            return Checksum(algorithm, value)
    return None


def crc32_text(number: int) -> str:
    """Format a CRC-32 as S3 does."""
    return _base64(number.to_bytes(4, "big"))


def crc32_of_all(pieces: "Iterable[tuple[int, int]]") -> int:
    """Combine the CRC-32s of consecutive pieces, each (CRC-32, length in bytes), into one.

    Appending n zero bytes to a message multiplies its CRC, a polynomial over GF(2), by x^(8n) modulo the CRC's own
    polynomial; then the next piece's CRC is added, without carry. (zlib's crc32_combine, which Python does not offer.)
    """
    total = 0
    for crc, length in pieces:
        total = _times(_power_of_x(8 * length), total) ^ crc
    return total


_POLYNOMIAL = 0xEDB88320  # reflected: the highest bit is the coefficient of x^0 (RFC 1952 section 8)


def _times(a: int, b: int) -> int:
    product = 0
    for shift in range(31, -1, -1):
        if a >> shift & 1:
            product ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


@lru_cache(maxsize=256)  # all pieces but the last have the same length
def _power_of_x(exponent: int) -> int:
    power, square = 1 << 31, 1 << 30  # x^0 and x^1
    while exponent:
        if exponent & 1:
            power = _times(square, power)
        square = _times(square, square)
        exponent >>= 1
    return power
