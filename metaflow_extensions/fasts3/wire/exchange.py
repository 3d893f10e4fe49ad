"""One request and its response: fills in the template, signs, sends, and translates errors to codes."""

import threading
import time
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
from metaflow_extensions.fasts3.wire.sigv4 import Signer
from metaflow_extensions.fasts3.wire.template import Endpoint, RequestTemplate
from metaflow_extensions.fasts3.wire.unsized_body import UnsizedBody
from metaflow_extensions.fasts3.wire.waiting import InThread, wait_for

MAX_DOCUMENT = 16 * 2**20  # bytes; a listing of 1,000 keys of 1,024 escaped bytes each takes 4 MB
MAX_ERROR = 256 * 1024  # bytes
LONG = 64 * 2**20  # bytes of a body whose checksum would block the event loop for too long
ALLOWED_SKEW = 900.0  # seconds that S3 lets a signature's time differ
# With these headers, the first execution of an upload or a deletion decides the result of the second.
_CONDITIONS = frozenset({"if-match", "if-none-match"})


class Response:
    """A response whose body has not been read; a context manager.

    Inside, errors of the connection become failures, and all failures of responses get its status and request id. At
    its end, the connection is closed unless `finish` was called: the rest of the body must not be read as the next
    response.

    Attributes
    ----------
    head : Head
    body : Body
    has_length : bool
        The response states the length of its body.
    read_some : callable
        Reads bytes of the body; none at the end of a body without length. See `Connection.read_some`.
    """

    __slots__ = ("_connection", "_connections", "_finished", "_operation", "body", "has_length", "head", "read_some")

    def __init__(
        self, operation: Operation, head: Head, body: Body, connection: Connection, connections: Connections
    ) -> None:
        self.head = head
        self.body = body
        self.has_length = body.framing in (Framing.LENGTH, Framing.NONE)
        self.read_some = (connection if self.has_length else UnsizedBody(connection, body.framing)).read_some
        self._operation = operation
        self._connection = connection
        self._connections = connections
        self._finished = False

    def __enter__(self) -> "Response":
        return self

    def __exit__(self, _: object, error: Optional[BaseException], __: object) -> None:
        if not self._finished:
            self._connection.close()
        if isinstance(error, ConnectionLost):
            failure = Failure(Code.BROKEN, str(error), moved=self._connection.has_moved)
        elif isinstance(error, ProtocolError):
            failure = Failure(Code.MALFORMED, str(error))
        elif isinstance(error, TransferError):
            failure = error.failure
        else:
            return
        raise TransferError(named(failure, self.head.status, self.head.headers)) from error

    async def document(self) -> bytes:
        """Read the whole body of a successful response; raise TransferError, NOT_S3, if it is a web page."""
        document = await self.read_all(MAX_DOCUMENT)
        check_body(document, self.head.headers, is_xml=self._operation.roots is not None)
        return document

    async def read_all(self, limit: int) -> bytes:
        """Read the whole body; see `Connection.read_document`."""
        document = await self._connection.read_document(self.body, limit)
        self.finish()
        return document

    def finish(self) -> None:
        """Return the connection to the pool after the body was read to its end."""
        self._finished = True
        if self._connection.responses == 1:
            self._connections.remember_tls(self._connection)
        keep = self.head.keep_alive and self.body.framing is not Framing.CLOSE
        if keep and not self._connection.has_leftover:
            self._connections.give_back(self._connection)
        else:
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

    async def request(
        self,
        operation: str,
        bucket: str,
        key: str = "",
        query: Query = (),
        headers: "Optional[dict[str, str]]" = None,
        payload: Payload = NOTHING,
        expect: bool = False,
        template: Optional[RequestTemplate] = None,
    ) -> Response:
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
        Response
            With a status of 2xx.

        Raises
        ------
        TransferError
        """
        row = OPERATIONS[operation]
        template = template or self.template(operation, bucket)
        headers = headers or {}
        if expect:
            headers = {**headers, "expect": "100-continue"}
        body_headers = None
        if payload is not NOTHING or row.http_method in ("PUT", "POST"):
            describing = partial(describe, payload, template)
            body_headers = await wait_for(InThread(describing)) if payload.size > LONG else describing()
        signer = self._heads.signer(template)
        ahead = self._heads.ahead(template.endpoint)
        head = self._heads.write(row, bucket, key, template, signer, query, headers, body_headers)
        connections = self._connections.get(template.endpoint) or self._connect_to(template.endpoint)
        repeatable = row.http_method == "GET" or (row.http_method != "POST" and _CONDITIONS.isdisjoint(headers))
        sent = await send(connections, row.http_method, head, payload, expect, repeatable)
        response = Response(row, *sent, connections)
        if response.head.status < 300:
            return response
        with response:
            try:
                document = await response.read_all(MAX_ERROR)
            except DocumentTooLong:
                document = b""  # a proxy's page, far larger than S3's errors; the status is enough
        failure = failure_of(response.head.status, response.head.headers, document)
        failure = self._in_time(template.endpoint, ahead, failure, response.head)
        if failure.code is Code.EXPIRED and signer:
            failure = failure._replace(signed_as=signer.credentials.generation)
        elif failure.code is not Code.SKEWED and failure.region in ("", template.scope and template.scope.region):
            failure = await self._explained(failure, row.explained_by, bucket, key, query, signer)
        raise TransferError(failure)

    async def _explained(
        self, failure: Failure, by: Explanation, bucket: str, key: str, query: Query, signer: Optional[Signer]
    ) -> Failure:
        """Return the failure of a HEAD with S3's code, from a GET."""
        if failure.status not in by.statuses or (failure.status == 403 and bucket in self._denied):
            return failure
        try:
            with await self.request(by.operation, bucket, key, (*query, *by.query), by.headers):
                now = signer and self._heads.signer(self.template(by.operation, bucket))
                if signer and now and now.credentials.generation != signer.credentials.generation:
                    # The credentials were renewed after the HEAD was signed, for another request.
                    return failure._replace(code=Code.EXPIRED, signed_as=signer.credentials.generation)
                return failure
        except TransferError as error:
            if error.failure.s3_code == "AccessDenied":
                self._denied.add(bucket)
            return explanation(failure, error.failure)

    def _in_time(self, endpoint: Endpoint, ahead: float, failure: Failure, head: Head) -> Failure:
        """Adjust our clock to the server's if it refuses the signature's time; a HEAD's 403 states no reason.

        `ahead` is what the request was signed with: another one may have adjusted the clock since.
        """
        bare = failure.status == 403 and failure.s3_code == "403"
        if failure.code is Code.SKEWED or bare:
            now = http_timestamp(head.headers.get("date", ""))
            if now is not None and abs(self._heads.set_clock(endpoint, now) - ahead) > ALLOWED_SKEW and bare:
                return failure._replace(code=Code.SKEWED)
        return failure

    def close(self) -> int:
        """Close idle connections and return their number."""
        return sum(connections.close() for connections in list(self._connections.values()))

    def _connect_to(self, endpoint: Endpoint) -> Connections:
        with self._lock:
            if endpoint not in self._connections:
                try:
                    self._connections[endpoint] = Connections(endpoint)
                except OSError as error:  # includes ssl.SSLError
                    if error.errno in NO_DESCRIPTORS:
                        raise TransferError(local_failure(error)) from error
                    message = f"the certificates in {endpoint.ca_bundle} can't be read: {error}"
                    raise TransferError(Failure(Code.UNTRUSTED, message)) from error
            return self._connections[endpoint]
