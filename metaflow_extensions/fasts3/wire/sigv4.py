"""AWS Signature Version 4 for S3.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. Pure: the time is an argument. With ASCII
headers, the signature equals botocore's, byte for byte. The signing key, which changes daily, is cached.
"""

import hmac
import re
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, Optional
from urllib.parse import quote

from metaflow_extensions.fasts3.wire.credentials import CredentialSet

if TYPE_CHECKING:
    from hashlib import _Hash as Hash  # no public type

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = sha256(b"").hexdigest()
_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*\Z")  # keys that need no encoding
# Proxies may change these, so botocore does not sign them; S3 accepts both. Hop-by-hop headers (RFC 9110
# section 7.6.1), and headers of traces, to which each hop adds itself (W3C Trace Context).
NOT_SIGNED = frozenset(
    {"connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"}
    | {"accept-encoding", "transfer-encoding", "upgrade", "user-agent"}
    | {"baggage", "traceparent", "tracestate", "x-amzn-trace-id"}
)


class Scope(NamedTuple):
    """What a signature is valid for, besides its day."""

    region: str
    service: str = "s3"


class Prepared(NamedTuple):
    """All of a signature except path and query: the same for all requests with the same headers within one second."""

    tail: str  # of the canonical request, starting with the headers
    to_sign: str  # start of the string to sign
    inner: "Hash"  # of the HMAC (RFC 2104 section 4), before the data: copies are faster than Python's HMAC
    outer: "Hash"  # of the HMAC, before the inner digest
    header: str  # the Authorization header without the signature

    def __repr__(self) -> str:
        return f"Prepared({self.header!r}, ...)"

    def authorization(self, method: str, path: str, query: str, tail: Optional[str] = None) -> str:
        """Sign a request.

        Parameters
        ----------
        method : str
        path : str
            Percent-encoded, as sent; S3 signs it without normalization.
        query : str
            Encoded, as sent, in the order of `canonical_query`.
        tail : str, optional
            Replaces the prepared one.

        Returns
        -------
        str
            The Authorization header.
        """
        # Latin-1, as headers are sent and were received: another client may have stored an object with UTF-8 in them.
        digest = sha256(f"{method}\n{path}\n{query}\n{tail or self.tail}".encode("latin-1")).hexdigest()
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update((self.to_sign + digest).encode())
        outer.update(inner.digest())
        return self.header + outer.hexdigest()


class Signer:
    """Signs the requests of one set of credentials and one scope. Threads may share it.

    Parameters
    ----------
    credentials : CredentialSet
    scope : Scope
    """

    def __init__(self, credentials: CredentialSet, scope: Scope) -> None:
        self.credentials = credentials
        self._scope = scope
        self._kept = ("", b"")  # a day and its key; replaced as one, because threads share it

    def prepare(self, headers: "dict[str, str]", payload_hash: str, amz_date: str) -> Prepared:
        """Add the headers of a signed request, and return all of its signature except path and query.

        Parameters
        ----------
        headers : dict of str to str
            Names in lower case, `host` included. All except `NOT_SIGNED` are signed.
        payload_hash : str
            SHA-256 of the body in hex, or `UNSIGNED_PAYLOAD`.
        amz_date : str
            The time, for example `20261122T150405Z`.
        """
        headers["x-amz-date"] = amz_date
        headers["x-amz-content-sha256"] = payload_hash
        if self.credentials.token:
            headers["x-amz-security-token"] = self.credentials.token
        names = sorted(name for name in headers if name not in NOT_SIGNED)
        signed_names = ";".join(names)
        # As bytes: str.split takes some bytes of UTF-8 as white space.
        values = (b" ".join(headers[name].encode("latin-1").split()).decode("latin-1") for name in names)
        lines = "\n".join([f"{name}:{value}" for name, value in zip(names, values)])
        day = amz_date[:8]
        scope = f"{day}/{self._scope.region}/{self._scope.service}/aws4_request"
        credential = f"{self.credentials.access_key}/{scope}"
        return Prepared(
            tail=f"{lines}\n\n{signed_names}\n{payload_hash}",
            to_sign=f"{ALGORITHM}\n{amz_date}\n{scope}\n",
            inner=_start_of_hmac(self._key_of(day), 0x36),
            outer=_start_of_hmac(self._key_of(day), 0x5C),
            header=f"{ALGORITHM} Credential={credential}, SignedHeaders={signed_names}, Signature=",
        )

    def _key_of(self, day: str) -> bytes:
        kept_day, key = self._kept
        if kept_day != day:
            key = b"AWS4" + self.credentials.secret_key.encode()
            for step in (day, self._scope.region, self._scope.service, "aws4_request"):
                key = hmac.digest(key, step.encode(), "sha256")
            self._kept = (day, key)
        return key


def _start_of_hmac(key: bytes, pad: int) -> "Hash":
    """Start one of the two hashes of an HMAC; the key has 32 bytes, a block 64."""
    return sha256(bytes(byte ^ pad for byte in key.ljust(64, b"\0")))


def encode_path(key: str) -> str:
    """Encode a key for a URL's path."""
    return key if _PLAIN.match(key) else quote(key, safe="/~")


def canonical_query(parameters: "Iterable[tuple[str, Optional[str]]]") -> str:
    """Encode and sort query parameters as they are signed and sent."""
    encoded = sorted((quote(name, safe="-_.~"), quote(value or "", safe="-_.~")) for name, value in parameters)
    return "&".join(f"{name}={value}" for name, value in encoded)
