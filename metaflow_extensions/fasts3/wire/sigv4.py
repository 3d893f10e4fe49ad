"""AWS Signature Version 4 for S3: who asks, and that nobody has changed what is asked.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. Pure: the time is an argument. For the
same request the signature is botocore's, byte by byte; the key, which changes once a day, is kept.
"""

import hmac
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple, Optional
from urllib.parse import quote

from metaflow_extensions.fasts3.wire.credentials import CredentialSet

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = sha256(b"").hexdigest()
# Proxies may change these, so botocore leaves them out: signed or not, S3 takes both. The hop-by-hop ones (RFC 9110
# section 7.6.1), and those of traces, in which each hop writes itself (W3C Trace Context).
NOT_SIGNED = frozenset(
    {"connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"}
    | {"accept-encoding", "transfer-encoding", "upgrade", "user-agent"}
    | {"baggage", "traceparent", "tracestate", "x-amzn-trace-id"}
)


class Scope(NamedTuple):
    """What a signature is good for, besides its day."""

    region: str
    service: str = "s3"


class Prepared(NamedTuple):
    """A signature but for the path and the query: the same for all requests with the same headers in one second."""

    tail: str  # of the canonical request, from the headers on
    to_sign: str  # the beginning of the string to sign
    mac: hmac.HMAC  # of the key, nothing fed: to copy one takes less than to make one
    told: str  # the Authorization header but for the signature

    def __repr__(self) -> str:
        return f"Prepared({self.told!r}, ...)"

    def authorization(self, method: str, path: str, query: str) -> str:
        """Sign a request.

        Parameters
        ----------
        method : str
        path : str
            As sent, percent-encoded; S3 signs it as it is, without normalising it.
        query : str
            As sent: encoded and in the order of `canonical_query`.

        Returns
        -------
        str
            The Authorization header.
        """
        digest = sha256(f"{method}\n{path}\n{query}\n{self.tail}".encode()).hexdigest()
        mac = self.mac.copy()
        mac.update((self.to_sign + digest).encode())
        return self.told + mac.hexdigest()


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
        self._kept = ("", b"")  # a day and its key; replaced as one, for threads at midnight

    def prepare(self, headers: "dict[str, str]", payload_hash: str, amz_date: str) -> Prepared:
        """Add what a signed request carries to its headers, and give all of a signature but path and query.

        Parameters
        ----------
        headers : dict of str to str
            Names in lower case; `host` among them. All are signed but `NOT_SIGNED`.
        payload_hash : str
            SHA-256 of the body in hex, or `UNSIGNED_PAYLOAD`.
        amz_date : str
            The time, as `20261122T150405Z`.
        """
        headers["x-amz-date"] = amz_date
        headers["x-amz-content-sha256"] = payload_hash
        if self.credentials.token:
            headers["x-amz-security-token"] = self.credentials.token
        names = sorted(name for name in headers if name not in NOT_SIGNED)
        signed_names = ";".join(names)
        lines = "\n".join([f"{name}:{' '.join(headers[name].split())}" for name in names])
        day = amz_date[:8]
        scope = f"{day}/{self._scope.region}/{self._scope.service}/aws4_request"
        credential = f"{self.credentials.access_key}/{scope}"
        return Prepared(
            tail=f"{lines}\n\n{signed_names}\n{payload_hash}",
            to_sign=f"{ALGORITHM}\n{amz_date}\n{scope}\n",
            mac=hmac.new(self._key_of(day), digestmod="sha256"),
            told=f"{ALGORITHM} Credential={credential}, SignedHeaders={signed_names}, Signature=",
        )

    def sign(
        self, method: str, path: str, query: str, headers: "dict[str, str]", payload_hash: str, amz_date: str
    ) -> None:
        """Add what makes a request signed to its headers; see `prepare` and `Prepared.authorization`."""
        prepared = self.prepare(headers, payload_hash, amz_date)
        headers["authorization"] = prepared.authorization(method, path, query)

    def _key_of(self, day: str) -> bytes:
        kept_day, key = self._kept
        if kept_day != day:
            key = b"AWS4" + self.credentials.secret_key.encode()
            for step in (day, self._scope.region, self._scope.service, "aws4_request"):
                key = hmac.digest(key, step.encode(), "sha256")
            self._kept = (day, key)
        return key


def encode_path(key: str) -> str:
    """A key as it stands in a URL's path."""
    return quote(key, safe="/~")


def canonical_query(parameters: "Iterable[tuple[str, Optional[str]]]") -> str:
    """Query parameters, encoded and sorted as they are signed and, here, also sent."""
    encoded = sorted((quote(name, safe="-_.~"), quote(value or "", safe="-_.~")) for name, value in parameters)
    return "&".join(f"{name}={value}" for name, value in encoded)
