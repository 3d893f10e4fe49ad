"""One request and its response: fills in the template, signs, sends, and translates errors to codes."""

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
from metaflow_extensions.fasts3.wire.not_s3 import check_body
from metaflow_extensions.fasts3.wire.operations import OPERATIONS, Explanation, Operation
from metaflow_extensions.fasts3.wire.request_heads import Query, RequestHeads, describe
from metaflow_extensions.fasts3.wire.s3_errors import explanation, failure_of, named
from metaflow_extensions.fasts3.wire.sending import NOTHING, Payload, send
from metaflow_extensions.fasts3.wire.template import Endpoint, RequestTemplate
from metaflow_extensions.fasts3.wire.unsized_body import UnsizedBody
from metaflow_extensions.fasts3.wire.waiting import InThread, wait_for

MAX_DOCUMENT = 16 * 2**20  # bytes; a listing of 1,000 keys of 1,024 escaped bytes each takes 4 MB
MAX_ERROR = 256 * 1024  # bytes
LONG = 64 * 2**20  # bytes of a body whose checksum would block the event loop for too long
ALLOWED_SKEW = 900.0  # seconds that S3 lets a signature's time differ


class Reply:
    """A response whose body has not been read. The caller must call `finish` or `drop`."""

    __slots__ = ("_connection", "_connections", "_operation", "_source", "body", "head")

    def __init__(
        self, operation: Operation, head: Head, body: Body, connection: Connection, connections: Connections
    ) -> None:
        self._operation = operation
        self.head = head
        self.body = body
        self._connection = connection
        self._connections = connections
        self._source = connection if self.has_length else UnsizedBody(connection, body.framing)

    @property
    def has_length(self) -> bool:
        """Whether the response states the length of its body."""
        return self.body.framing in (Framing.LENGTH, Framing.NONE)

    def broken(self, message: str) -> TransferError:
        """Return the error for a response that was damaged in transit."""
        return self.naming(Failure(Code.BROKEN, message))

    def malformed(self, message: str) -> TransferError:
        """Return the error for a response that is complete and invalid."""
        return self.naming(Failure(Code.MALFORMED, message))

    def naming(self, failure: Failure) -> TransferError:
        """Return a failure as an error, with the response's status and request id."""
        return TransferError(named(failure, self.head.status, self.head.headers))

    @contextmanager
    def naming_failures(self) -> Iterator[None]:
        """Add the response's status and request id to failures raised inside."""
        try:
            yield
        except TransferError as error:
            raise self.naming(error.failure) from error

    async def read_some(self, limit: int, scratch: memoryview) -> "bytes | memoryview":
        """Read bytes of the body; none at the end of a body without length. See `Connection.read_some`."""
        try:
            return await self._source.read_some(limit, scratch)
        except ConnectionLost as error:
            raise self.broken(str(error)) from error
        except ProtocolError as error:
            raise self.malformed(str(error)) from error

    async def document(self) -> bytes:
        """Read the whole body of a successful response; raise TransferError, NOT_S3, if it is a web page."""
        document = await self.read_all(MAX_DOCUMENT)
        with self.naming_failures():
            check_body(document, self.head.headers, is_xml=self._operation.roots is not None)
        return document

    async def read_all(self, limit: int) -> bytes:
        """Read the whole body and return the connection to the pool."""
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
        """Return the connection to the pool after the body was read to its end."""
        if self._connection.replies == 1:
            self._connections.remember_tls(self._connection)
        keep = self.head.keep_alive and self.body.framing is not Framing.CLOSE
        if keep and not self._connection.has_leftover:
            self._connections.give_back(self._connection)
        else:
            self._connection.close()

    def drop(self) -> None:
        """Close the connection without reading the rest of the body."""
        self._connection.close()


class Exchange:
    """Sends requests. Threads share it.

    Parameters
    ----------
    template : callable
        Returns the `RequestTemplate` of an operation and a bucket.
    credentials : callable
        Returns the credentials to sign with now, or None.
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
        self.only_md5: set[str] = set()  # buckets whose server accepts no other checksum of DeleteObjects
        self._heads = RequestHeads(credentials, clock)
        self._connections: dict[Endpoint, Connections] = {}
        self._denied: set[str] = set()  # buckets with a missing permission: later HEADs skip the explaining GET
        self._lock = threading.Lock()

    async def ask(
        self,
        operation: str,
        bucket: str,
        key: str = "",
        query: Query = (),
        headers: "Optional[dict[str, str]]" = None,
        payload: Payload = NOTHING,
        expect: bool = False,
        template: Optional[RequestTemplate] = None,
    ) -> Reply:
        """Send one request and read the head of its response.

        Parameters
        ----------
        operation : str
            Name of the operation, one of `OPERATIONS`.
        query : iterable of pairs
        headers : dict of str to str, optional
            In addition to the template's; names in lower case.
        payload : Payload
        expect : bool
            Let the server check the head before the body is sent (RFC 9110 section 10.1.1).
        template : RequestTemplate, optional
            Replaces the operation's.

        Returns
        -------
        Reply
            With a status of 2xx.

        Raises
        ------
        TransferError
        """
        row = OPERATIONS[operation]
        template = template or self.template(operation, bucket)
        body_headers = None
        if payload.size > LONG:
            body_headers = await wait_for(InThread(partial(describe, payload, template)))
        signer = self._heads.signer(template)
        head = self._heads.write(row, bucket, key, template, signer, query, headers, payload, expect, body_headers)
        connections = self._connections_of(template.endpoint)
        reply = Reply(row, *await send(connections, row.http_method, head, payload, expect), connections)
        if reply.head.status >= 300:
            try:
                document = await reply.read_all(MAX_ERROR)
            except TransferError as error:
                if not isinstance(error.__cause__, DocumentTooLong):
                    raise
                document = b""  # a proxy's page, far larger than S3's errors; the status is enough
            failure = failure_of(reply.head.status, reply.head.headers, document)
            failure = self._in_time(template.endpoint, failure, reply.head)
            if failure.code is Code.EXPIRED and signer:
                failure = failure._replace(signed_as=signer.credentials.generation)
            elif failure.code is not Code.SKEWED:
                failure = await self._explained(failure, row.explained_by, bucket, key, query)
            raise TransferError(failure)
        return reply

    async def _explained(self, failure: Failure, by: Explanation, bucket: str, key: str, query: Query) -> Failure:
        """Return the failure of a HEAD with S3's code, from a GET."""
        if failure.status not in by.statuses or (failure.status == 403 and bucket in self._denied):
            return failure
        try:
            reply = await self.ask(by.operation, bucket, key, (*query, *by.query), by.headers)
        except TransferError as error:
            if error.failure.s3_code == "AccessDenied":
                self._denied.add(bucket)
            return explanation(failure, error.failure)
        reply.drop()
        return failure

    def _in_time(self, endpoint: Endpoint, failure: Failure, head: Head) -> Failure:
        """Adjust our clock to the server's if it refuses the signature's time; a HEAD's 403 states no reason."""
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
        """Close idle connections and return their number."""
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
