"""The heads of requests: templates filled in and signed, with what is told of the body."""

import time
from collections.abc import Iterable
from hashlib import sha256
from typing import Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.wire import checksums
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.http11 import request_head
from metaflow_extensions.fasts3.wire.sending import NOTHING, Payload
from metaflow_extensions.fasts3.wire.sigv4 import (
    EMPTY_SHA256,
    UNSIGNED_PAYLOAD,
    Prepared,
    Scope,
    Signer,
    canonical_query,
    encode_path,
)
from metaflow_extensions.fasts3.wire.template import RequestTemplate

Query = Iterable["tuple[str, Optional[str]]"]
KEPT = 64  # stamps; ranges, each of its own, must not fill the memory


class _Stamp(NamedTuple):
    """What all requests share that differ in their key only, within one second."""

    made_of: "tuple[RequestTemplate, Optional[Signer], str]"
    prepared: Optional[Prepared]  # None: not signed
    headers: str  # all lines but the Authorization

    def __repr__(self) -> str:  # a session token is among the headers
        return f"_Stamp({self.made_of[0].host!r}, ...)"


class RequestHeads:
    """Writes heads. Threads share it.

    Parameters
    ----------
    credentials : callable
        Gives the set to sign with now, or None.
    clock : callable
        `time.time`; another in tests.
    """

    def __init__(self, credentials: Callable[[], Optional[CredentialSet]], clock: Callable[[], float]) -> None:
        self._credentials = credentials
        self._clock = clock
        self._signers: dict[tuple[CredentialSet, Scope], Signer] = {}
        self._stamps: dict[tuple[object, ...], _Stamp] = {}
        self._second = (0, "")

    def write(
        self,
        operation: str,
        method: str,
        bucket: str,
        key: str,
        template: RequestTemplate,
        query: Query,
        headers: "Optional[dict[str, str]]",
        payload: Payload,
        expect: bool,
    ) -> bytes:
        """Write the head of one request; see `Exchange.ask`.

        Raises
        ------
        TransferError
            NO_CREDENTIALS; REJECTED where a header can't be sent.
        """
        signer = self._signer(template)
        try:
            path = template.path + encode_path(key)
            if payload is NOTHING and not query and method in ("GET", "HEAD"):
                return self._stamped((operation, bucket), method, path, template, headers or {}, signer)
            target_query = canonical_query(query)
            all_headers = {"host": template.host, **template.headers, **(headers or {})}
            if payload.size or method in ("PUT", "POST"):
                all_headers["content-length"] = str(payload.size)
            if expect:
                all_headers["expect"] = "100-continue"
            payload_hash = _describe(payload, template, all_headers)
            if signer:
                signer.sign(method, path, target_query, all_headers, payload_hash, self._amz_date())
            return request_head(method, f"{path}?{target_query}" if target_query else path, all_headers)
        except ValueError as error:  # also UnicodeEncodeError: what no header, or no URL, can hold
            raise TransferError(Failure(Code.REJECTED, f"the request can't be sent: {error}")) from None

    def _stamped(
        self,
        kind: "tuple[str, str]",
        method: str,
        path: str,
        template: RequestTemplate,
        headers: "dict[str, str]",
        signer: Optional[Signer],
    ) -> bytes:
        """Write a head of which only the path and the signature are new."""
        name = (*kind, *headers.items())
        made_of = (template, signer, self._amz_date())
        stamp = self._stamps.get(name)
        if stamp is None or stamp.made_of != made_of:
            if len(self._stamps) >= KEPT:
                self._stamps = {}
            stamp = self._stamps[name] = _stamp(made_of, headers)
        if stamp.prepared is None:
            return f"{method} {path} HTTP/1.1\r\n{stamp.headers}\r\n".encode("latin-1")
        signed = stamp.prepared.authorization(method, path, "")
        return f"{method} {path} HTTP/1.1\r\n{stamp.headers}authorization: {signed}\r\n\r\n".encode("latin-1")

    def _signer(self, template: RequestTemplate) -> Optional[Signer]:
        if template.scope is None:
            return None
        credentials = self._credentials()
        if credentials is None:
            raise TransferError(Failure(Code.NO_CREDENTIALS, "Unable to locate credentials"))
        name = (credentials, template.scope)
        signer = self._signers.get(name)
        if signer is None:
            if len(self._signers) >= KEPT:
                self._signers = {}
            signer = self._signers[name] = Signer(*name)
        return signer

    def _amz_date(self) -> str:
        now = int(self._clock())
        second, text = self._second
        if second != now:
            text = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
            self._second = (now, text)
        return text


def _stamp(made_of: "tuple[RequestTemplate, Optional[Signer], str]", headers: "dict[str, str]") -> _Stamp:
    template, signer, amz_date = made_of
    all_headers = {"host": template.host, **template.headers, **headers}
    payload_hash = EMPTY_SHA256 if template.sign_payload else UNSIGNED_PAYLOAD
    prepared = signer.prepare(all_headers, payload_hash, amz_date) if signer else None
    lines = request_head("GET", "/", all_headers).decode("latin-1")
    return _Stamp(made_of, prepared, lines[lines.index("\n") + 1 : -2])


def _describe(payload: Payload, template: RequestTemplate, headers: "dict[str, str]") -> str:
    """Give what is signed of a body, and add its checksum to the headers; it is read once for both."""
    digest = sha256() if template.sign_payload and template.scope and payload.size else None
    running = checksums.start(template.checksum) if template.checksum else None
    if digest and running:

        def take(data: "bytes | bytearray | memoryview") -> None:
            digest.update(data)
            running.update(data)

        payload.feed(take)
    elif digest or running:
        payload.feed((digest or running).update)  # type: ignore[union-attr]
    if running:
        headers["x-amz-sdk-checksum-algorithm"] = str(template.checksum).upper()
        headers[f"x-amz-checksum-{template.checksum}"] = running.value()
    if not template.sign_payload:
        return UNSIGNED_PAYLOAD
    return digest.hexdigest() if digest else EMPTY_SHA256
