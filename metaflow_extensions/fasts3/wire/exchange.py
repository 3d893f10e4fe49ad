"""One request and its reply: the template filled in, signed and sent, errors told as codes."""

import ssl
import threading
import time
from collections.abc import Iterable
from hashlib import sha256
from typing import Callable, Optional

from metaflow_extensions.fasts3.wire import checksums
from metaflow_extensions.fasts3.wire.connection import Connection, ConnectionLost
from metaflow_extensions.fasts3.wire.connections import Connections
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.http11 import Body, Framing, Head, ProtocolError, request_head
from metaflow_extensions.fasts3.wire.s3_errors import failure_of
from metaflow_extensions.fasts3.wire.sending import NOTHING, Payload, send
from metaflow_extensions.fasts3.wire.sigv4 import (
    EMPTY_SHA256,
    UNSIGNED_PAYLOAD,
    Scope,
    Signer,
    canonical_query,
    encode_path,
)
from metaflow_extensions.fasts3.wire.template import Endpoint, RequestTemplate

MAX_DOCUMENT = 16 * 2**20  # bytes; a listing of 1,000 keys of 1,024 escaped bytes each takes 4 MB
MAX_ERROR = 256 * 1024  # bytes

Query = Iterable["tuple[str, Optional[str]]"]


class Reply:
    """A reply whose body has not been read. Whoever has one calls `finish` or `drop`."""

    __slots__ = ("_connection", "_connections", "body", "head")

    def __init__(self, head: Head, body: Body, connection: Connection, connections: Connections) -> None:
        self.head = head
        self.body = body
        self._connection = connection
        self._connections = connections

    async def read_some(self, limit: int, scratch: memoryview) -> memoryview:
        """Bytes of a body of known length; see `Connection.read_some`."""
        try:
            return await self._connection.read_some(limit, scratch)
        except ConnectionLost as error:
            raise TransferError(Failure(Code.BROKEN, str(error))) from error

    async def document(self, limit: int = MAX_DOCUMENT) -> bytes:
        """The whole body; the connection is given back."""
        try:
            data = await self._connection.read_document(self.body, limit)
        except (ConnectionLost, ProtocolError) as error:
            self.drop()
            raise TransferError(Failure(Code.BROKEN, str(error), status=self.head.status)) from error
        except BaseException:
            self.drop()
            raise
        self.finish()
        return data

    def finish(self) -> None:
        """The body was read to its end: the connection is free."""
        if self._connection.replies == 1:
            self._connections.remember_tls(self._connection)
        if self.head.keep_alive and self.body.framing is not Framing.CLOSE:
            self._connections.give_back(self._connection)
        else:
            self._connection.close()

    def drop(self) -> None:
        """The rest of the body is not wanted."""
        self._connection.close()


class Exchange:
    """Sends requests. Threads share it.

    Parameters
    ----------
    template : callable
        Gives the `RequestTemplate` of an operation and a bucket.
    credentials : callable
        Gives the set to sign with now, or None.
    clock : callable
        `time.time`; another in tests.
    """

    def __init__(
        self,
        template: Callable[[str, str], RequestTemplate],
        credentials: Callable[[], Optional[CredentialSet]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.template = template
        self._credentials = credentials
        self._clock = clock
        self._connections: dict[Endpoint, Connections] = {}
        self._signers: dict[tuple[CredentialSet, Scope], Signer] = {}
        self._second = (0, "")
        self._lock = threading.Lock()

    async def ask(
        self,
        operation: str,
        method: str,
        bucket: str,
        key: str = "",
        query: Query = (),
        headers: "Optional[dict[str, str]]" = None,
        payload: Payload = NOTHING,
        expect: bool = False,
    ) -> Reply:
        """Send one request and read the head of its reply.

        Parameters
        ----------
        operation : str
            S3's name for it, of which there is a template.
        query : iterable of pairs
        headers : dict of str to str, optional
            Besides those of the template; names in lower case.
        payload : Payload
        expect : bool
            Have the server look at the head before it is sent the body (RFC 9110 section 10.1.1).

        Returns
        -------
        Reply
            With a status of 2xx.

        Raises
        ------
        TransferError
        """
        template = self.template(operation, bucket)
        path = template.path + encode_path(key)
        target_query = canonical_query(query)
        all_headers = {"host": template.host, **template.headers, **(headers or {})}
        if payload.size or method in ("PUT", "POST"):
            all_headers["content-length"] = str(payload.size)
        if expect:
            all_headers["expect"] = "100-continue"
        payload_hash = _describe(payload, template, all_headers)
        self._sign(template, method, path, target_query, all_headers, payload_hash)
        try:
            head = request_head(method, f"{path}?{target_query}" if target_query else path, all_headers)
        except (ValueError, UnicodeEncodeError) as error:
            raise TransferError(Failure(Code.REJECTED, f"the request can't be sent: {error}")) from None
        connections = self._connections_of(template.endpoint)
        reply = Reply(*await send(connections, method, head, payload, expect), connections)
        if reply.head.status >= 300:
            document = await reply.document(MAX_ERROR)
            raise TransferError(failure_of(reply.head.status, reply.head.headers, document))
        return reply

    def close(self) -> None:
        """Close the connections that nobody uses."""
        for connections in list(self._connections.values()):
            connections.close()

    def _connections_of(self, endpoint: Endpoint) -> Connections:
        known = self._connections.get(endpoint)
        if known is None:
            with self._lock:
                known = self._connections.get(endpoint)
                if known is None:
                    try:
                        known = self._connections[endpoint] = Connections(endpoint)
                    except (OSError, ssl.SSLError) as error:
                        told = f"the certificates in {endpoint.ca_bundle} can't be read: {error}"
                        raise TransferError(Failure(Code.UNTRUSTED, told)) from error
        return known

    def _sign(
        self,
        template: RequestTemplate,
        method: str,
        path: str,
        query: str,
        headers: "dict[str, str]",
        payload_hash: str,
    ) -> None:
        if template.scope is None:
            return
        credentials = self._credentials()
        if credentials is None:
            raise TransferError(Failure(Code.NO_CREDENTIALS, "Unable to locate credentials"))
        name = (credentials, template.scope)
        signer = self._signers.get(name)
        if signer is None:
            signer = Signer(*name)
            self._signers = {name: signer}  # no other: the old set's would never be asked again
        signer.sign(method, path, query, headers, payload_hash, self._amz_date())

    def _amz_date(self) -> str:
        now = int(self._clock())
        second, text = self._second
        if second != now:
            text = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
            self._second = (now, text)
        return text


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
