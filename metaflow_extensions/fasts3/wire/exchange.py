"""One request and its reply: the template filled in, signed and sent, errors as codes."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Callable, Optional

from metaflow_extensions.fasts3.wire.connection import Connection
from metaflow_extensions.fasts3.wire.connection_errors import ConnectionLost, DocumentTooLong
from metaflow_extensions.fasts3.wire.connections import Connections
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.dates import http_timestamp
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.http11 import Body, Framing, Head, ProtocolError
from metaflow_extensions.fasts3.wire.local_files import NO_DESCRIPTORS, local_failure
from metaflow_extensions.fasts3.wire.request_heads import Query, RequestHeads, describe
from metaflow_extensions.fasts3.wire.s3_errors import UNEXPLAINED, explanation, failure_of, named
from metaflow_extensions.fasts3.wire.sending import NOTHING, Payload, send
from metaflow_extensions.fasts3.wire.template import Endpoint, RequestTemplate
from metaflow_extensions.fasts3.wire.unsized_body import UnsizedBody
from metaflow_extensions.fasts3.wire.waiting import InThread, wait_for

MAX_DOCUMENT = 16 * 2**20  # bytes; a listing of 1,000 keys of 1,024 escaped bytes each takes 4 MB
MAX_ERROR = 256 * 1024  # bytes
LONG = 64 * 2**20  # bytes of a body whose checksum takes so long that all others would wait for it
# HEADs, and the GET that is refused for the same reason: its operation, query and headers.
EXPLAINED_BY: "dict[str, tuple[str, Query, dict[str, str]]]" = {
    "HeadObject": ("GetObject", (), {"range": "bytes=0-0"}),
    "HeadBucket": ("ListObjectsV2", (("list-type", "2"), ("max-keys", "1")), {}),
}
ALLOWED_SKEW = 900.0  # seconds by which S3 lets a signature's time be wrong


class Reply:
    """A reply whose body has not been read. Whoever has one calls `finish` or `drop`."""

    __slots__ = ("_connection", "_connections", "_source", "body", "head")

    def __init__(self, head: Head, body: Body, connection: Connection, connections: Connections) -> None:
        self.head = head
        self.body = body
        self._connection = connection
        self._connections = connections
        self._source = connection if self.has_length else UnsizedBody(connection, body.framing)

    @property
    def has_length(self) -> bool:
        """Whether the head has the length of the body."""
        return self.body.framing in (Framing.LENGTH, Framing.NONE)

    def broken(self, message: str) -> TransferError:
        """The error that says that this response was damaged on its way."""
        return self.naming(Failure(Code.BROKEN, message))

    def malformed(self, message: str) -> TransferError:
        """The error that says that this response is complete and wrong."""
        return self.naming(Failure(Code.MALFORMED, message))

    def naming(self, failure: Failure) -> TransferError:
        """The error that a failure is, with what tells which reply it was."""
        return TransferError(named(failure, self.head.status, self.head.headers))

    @contextmanager
    def naming_failures(self) -> Iterator[None]:
        """Have the failures raised inside say which response they are about."""
        try:
            yield
        except TransferError as error:
            raise self.naming(error.failure) from error

    async def read_some(self, limit: int, scratch: memoryview) -> "bytes | memoryview":
        """Bytes of the body, none at the end of one without a length; see `Connection.read_some`."""
        try:
            return await self._source.read_some(limit, scratch)
        except ConnectionLost as error:
            raise self.broken(str(error)) from error
        except ProtocolError as error:
            raise self.malformed(str(error)) from error

    async def document(self, limit: int = MAX_DOCUMENT) -> bytes:
        """The whole body; the connection is given back."""
        try:
            data = await self._connection.read_document(self.body, limit)
        except ConnectionLost as error:
            self.drop()
            raise self.broken(str(error)) from error
        except ProtocolError as error:
            self.drop()
            raise self.malformed(str(error)) from error
        except BaseException:
            self.drop()
            raise
        self.finish()
        return data

    def finish(self) -> None:
        """The body was read to its end: the connection is free."""
        if self._connection.replies == 1:
            self._connections.remember_tls(self._connection)
        keep = self.head.keep_alive and self.body.framing is not Framing.CLOSE
        if keep and not self._connection.has_leftover:
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
        self.only_md5: set[str] = set()  # buckets whose server takes no other checksum of DeleteObjects
        self._heads = RequestHeads(credentials, clock)
        self._connections: dict[Endpoint, Connections] = {}
        self._denied: set[str] = set()  # buckets whose 403 is a missing permission: thousands of HEADs need not ask
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
        template: Optional[RequestTemplate] = None,
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
        template : RequestTemplate, optional
            In place of that of the operation.

        Returns
        -------
        Reply
            With a status of 2xx.

        Raises
        ------
        TransferError
        """
        template = template or self.template(operation, bucket)
        body_headers = None
        if payload.size > LONG:
            body_headers = await wait_for(InThread(partial(describe, payload, template)))
        signer = self._heads.signer(template)
        head = self._heads.write(
            operation, method, bucket, key, template, signer, query, headers, payload, expect, body_headers
        )
        connections = self._connections_of(template.endpoint)
        reply = Reply(*await send(connections, method, head, payload, expect), connections)
        if reply.head.status >= 300:
            try:
                document = await reply.document(MAX_ERROR)
            except TransferError as error:
                if not isinstance(error.__cause__, DocumentTooLong):
                    raise
                document = b""  # a page of somebody between, far larger than S3's errors: the status says enough
            failure = failure_of(reply.head.status, reply.head.headers, document)
            failure = self._in_time(template.endpoint, failure, reply.head)
            if failure.code is Code.EXPIRED and signer:
                failure = failure._replace(signed_as=signer.credentials.generation)
            elif method == "HEAD" and failure.code is not Code.SKEWED:
                failure = await self._explained(operation, bucket, key, failure)
            raise TransferError(failure)
        return reply

    async def _explained(self, operation: str, bucket: str, key: str, failure: Failure) -> Failure:
        """The refusal of a HEAD, with S3's code: its reply has no body that could tell it, that of a GET has."""
        if failure.status not in UNEXPLAINED.get(operation, ()) or (failure.status == 403 and bucket in self._denied):
            return failure
        asked, query, headers = EXPLAINED_BY[operation]
        try:
            reply = await self.ask(asked, "GET", bucket, key, query, headers)
        except TransferError as error:
            if error.failure.s3_code == "AccessDenied":
                self._denied.add(bucket)
            return explanation(failure, error.failure)
        reply.drop()
        return failure

    def _in_time(self, endpoint: Endpoint, failure: Failure, head: Head) -> Failure:
        """Set our clock by the server's where it refuses a signature for its time; a HEAD's 403 does not say why."""
        bare = failure.status == 403 and failure.s3_code == "403"
        if failure.code is Code.SKEWED or bare:
            try:
                wrong_by = self._heads.set_clock(endpoint, http_timestamp(head.headers["date"]))
            except (KeyError, ValueError):
                return failure
            if bare and wrong_by > ALLOWED_SKEW:
                return failure._replace(code=Code.SKEWED)
        return failure

    def close(self) -> int:
        """Close the connections that nobody uses; how many there were."""
        return sum(connections.close() for connections in list(self._connections.values()))

    def _connections_of(self, endpoint: Endpoint) -> Connections:
        known = self._connections.get(endpoint)
        if known is None:
            with self._lock:
                known = self._connections.get(endpoint)
                if known is None:
                    try:
                        known = self._connections[endpoint] = Connections(endpoint)
                    except (OSError, ssl.SSLError) as error:
                        if error.errno in NO_DESCRIPTORS:
                            raise TransferError(local_failure(error)) from error
                        message = f"the certificates in {endpoint.ca_bundle} can't be read: {error}"
                        raise TransferError(Failure(Code.UNTRUSTED, message)) from error
        return known
