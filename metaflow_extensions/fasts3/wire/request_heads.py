"""Heads of requests: templates, filled in and signed, with headers that describe the body."""

import time
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.wire import checksums
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.http11 import header_lines
from metaflow_extensions.fasts3.wire.operations import Operation
from metaflow_extensions.fasts3.wire.sending import Payload
from metaflow_extensions.fasts3.wire.sigv4 import (
    EMPTY_SHA256,
    UNSIGNED_PAYLOAD,
    Prepared,
    Scope,
    Signer,
    canonical_query,
    encode_path,
)
from metaflow_extensions.fasts3.wire.template import Endpoint, RequestTemplate

Query = Iterable["tuple[str, Optional[str]]"]
KEPT = 64  # stamps; each range has its own, and memory must stay bounded


class _Stamp(NamedTuple):
    """What requests share, within one second, that differ only in key, query and body.

    For requests with a body, `headers` and `prepared.tail` are format strings for the result of `describe`.
    """

    made_of: "tuple[RequestTemplate, Optional[Signer], str]"
    prepared: Optional[Prepared]  # None: unsigned
    headers: str  # all lines except Authorization

    def __repr__(self) -> str:  # headers may contain a session token
        return f"_Stamp({self.made_of[0].host!r}, ...)"


class RequestHeads:
    """Writes the heads of requests. Threads share it.

    Parameters
    ----------
    credentials : callable
        Returns the credentials to sign with now, or None.
    clock : callable
        `time.time`; another in tests.
    """

    def __init__(self, credentials: Callable[[], Optional[CredentialSet]], clock: Callable[[], float]) -> None:
        self._credentials = credentials
        self._clock = clock
        self._signers: dict[tuple[CredentialSet, Scope], Signer] = {}
        self._stamps: dict[tuple[object, ...], _Stamp] = {}
        self._ahead: dict[
            Endpoint, float
        ] = {}  # seconds that servers' clocks are ahead of ours, if they refused a signature for that
        self._second = (0, "")

    def write(
        self,
        operation: Operation,
        bucket: str,
        key: str,
        template: RequestTemplate,
        signer: Optional[Signer],
        query: Query,
        headers: "dict[str, str]",
        body_headers: "Optional[dict[str, str]]",
    ) -> bytes:
        """Write the head of one request; see `Exchange.request`.

        Parameters
        ----------
        signer : Signer or None
            The result of `signer` for the template.
        body_headers : dict of str to str or None
            The result of `describe`; None without a body.

        Raises
        ------
        TransferError
            REJECTED if a header can't be sent.
        """
        has_body = body_headers is not None
        name = (operation.name, bucket, has_body, *headers.items())
        made_of = (template, signer, self._amz_date(template.endpoint))
        try:
            stamp = self._stamps.get(name)
            if stamp is None or stamp.made_of != made_of:
                if len(self._stamps) >= KEPT:
                    self._stamps = {}
                stamp = self._stamps[name] = _make_stamp(made_of, headers, has_body)
            lines, prepared = stamp.headers, stamp.prepared
            if has_body:
                lines %= body_headers
            path, target_query = template.path + encode_path(key), canonical_query(query) if query else ""
            if prepared:
                tail = prepared.tail % body_headers if has_body else None
                signed = prepared.authorization(operation.http_method, path, target_query, tail)
                lines += f"authorization: {signed}\r\n"
            target = f"{path}?{target_query}" if target_query else path
            return f"{operation.http_method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
        except ValueError as error:  # includes UnicodeEncodeError: a character that headers or URLs can't hold
            raise TransferError(Failure(Code.REJECTED, f"the request can't be sent: {error}")) from None

    def signer(self, template: RequestTemplate) -> Optional[Signer]:
        """Return the signer of a request; None if it is not signed.

        Raises
        ------
        TransferError
            NO_CREDENTIALS; EXPIRED.
        """
        if template.scope is None:
            return None
        credentials = self._credentials()
        if credentials is None:
            raise TransferError(Failure(Code.NO_CREDENTIALS, "Unable to locate credentials"))
        if credentials.expires is not None:
            credentials.check(self._now(template.endpoint))
        name = (credentials, template.scope)
        signer = self._signers.get(name)
        if signer is None:
            if len(self._signers) >= KEPT:
                self._signers = {}
            signer = self._signers[name] = Signer(*name)
        return signer

    def set_clock(self, endpoint: Endpoint, now: float) -> float:
        """Sign for the time of one server's clock from now on.

        Parameters
        ----------
        endpoint : Endpoint
        now : float
            Unix time of the server's clock.

        Returns
        -------
        float
            Seconds that it is ahead of ours.
        """
        self._ahead[endpoint] = now - self._clock()
        return self._ahead[endpoint]

    def ahead(self, endpoint: Endpoint) -> float:
        """Return the seconds that requests are signed ahead of our clock."""
        return self._ahead.get(endpoint, 0.0) if self._ahead else 0.0

    def _now(self, endpoint: Endpoint) -> float:
        return self._clock() + self.ahead(endpoint)

    def _amz_date(self, endpoint: Endpoint) -> str:
        now = int(self._now(endpoint))
        second, text = self._second
        if second != now:
            text = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
            self._second = (now, text)
        return text


def _make_stamp(
    made_of: "tuple[RequestTemplate, Optional[Signer], str]", headers: "dict[str, str]", has_body: bool
) -> _Stamp:
    template, signer, amz_date = made_of
    # As boto3 does: else a server may compress stored plain data. GCS changes it in transit, so it is not signed.
    all_headers = {"host": template.host, "accept-encoding": "identity", **template.headers, **headers}
    still_open: dict[str, str] = {}
    payload_hash = EMPTY_SHA256 if template.sign_payload else UNSIGNED_PAYLOAD
    if has_body:
        still_open["content-length"] = _OPEN["length"]
        if template.checksum:
            all_headers["x-amz-sdk-checksum-algorithm"] = template.checksum.upper()
            still_open[f"{checksums.HEADER}{template.checksum}"] = _OPEN["checksum"]
        if signer:
            still_open["x-amz-content-sha256"] = payload_hash = _OPEN["hash"]
        all_headers.update(still_open)
    prepared = signer.prepare(all_headers, payload_hash, amz_date) if signer else None
    known = {name: value for name, value in all_headers.items() if name not in still_open}
    lines = header_lines(known)
    if has_body:
        lines += "".join(f"{name}: {mark}\r\n" for name, mark in still_open.items())
        return _Stamp(made_of, prepared and prepared._replace(tail=_form(prepared.tail)), _form(lines))
    return _Stamp(made_of, prepared, lines)


# Placeholders for what is unknown until there is a body. Headers can't contain a NUL.
_OPEN = {name: f"\0{name}\0" for name in ("length", "checksum", "hash")}


def _form(text: str) -> str:
    """Return a text as a format string for the operator %."""
    text = text.replace("%", "%%")
    for name, mark in _OPEN.items():
        text = text.replace(mark, f"%({name})s")
    return text


def describe(payload: Payload, template: RequestTemplate) -> "dict[str, str]":
    """Return what headers state of a body, by the names of `_OPEN`; reads the body once."""
    digest = sha256() if template.sign_payload and template.scope and payload.size else None
    checksum = checksums.start(template.checksum) if template.checksum else None
    running: list[Any] = [one for one in (digest, checksum) if one]
    for data in payload.pieces() if running else ():
        for one in running:
            one.update(data)
    payload_hash = EMPTY_SHA256 if template.sign_payload else UNSIGNED_PAYLOAD
    return {
        "length": str(payload.size),
        "checksum": checksum.value() if checksum else "",
        "hash": digest.hexdigest() if digest else payload_hash,
    }
