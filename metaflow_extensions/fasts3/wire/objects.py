"""HEAD, GET, PUT and DELETE of objects."""

import threading
from typing import Optional

from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.checksums import Checksum, full_object_checksum, kept, start
from metaflow_extensions.fasts3.wire.conditions import condition_headers
from metaflow_extensions.fasts3.wire.connection_errors import ConnectionLost
from metaflow_extensions.fasts3.wire.dates import http_timestamp
from metaflow_extensions.fasts3.wire.exchange import Exchange, Response
from metaflow_extensions.fasts3.wire.failures import broken, malformed
from metaflow_extensions.fasts3.wire.http11 import Head, ProtocolError, content_length
from metaflow_extensions.fasts3.wire.not_s3 import check_object, stored_etag
from metaflow_extensions.fasts3.wire.ranges import length_in, most_of, span
from metaflow_extensions.fasts3.wire.request_heads import Query
from metaflow_extensions.fasts3.wire.sending import payload_of
from metaflow_extensions.fasts3.wire.sinks import Sink
from metaflow_extensions.fasts3.wire.transfers import (
    KEPT,
    METADATA,
    TAG_COUNT,
    UNKNOWN_LENGTH,
    Begun,
    GetResponse,
    ObjectInfo,
    PutHeaders,
)

SCRATCH = 2**20  # bytes; buffer for large bodies
EXPECT_ABOVE = 64 * 1024  # bytes; larger conditional uploads use "Expect: 100-continue"
CHECKSUM_MODE = "x-amz-checksum-mode"  # of requests: respond with the checksums of the object


class ObjectTransfers:
    """The methods of `Transfers` for single objects."""

    _exchange: Exchange

    async def head(
        self, bucket: str, key: str, version_id: Optional[str] = None, checksums: bool = False
    ) -> ObjectInfo:
        given = {CHECKSUM_MODE: "ENABLED"} if checksums else None
        with await self._exchange.request("HeadObject", bucket, key, version_query(version_id), given) as response:
            response.finish()
            headers = response.head.headers
            check_object(headers)
            return _info(response.head, _length(response.head))._replace(others=others_of(headers, checksums))

    async def get(
        self,
        bucket: str,
        key: str,
        path: Optional[str] = None,
        position: int = 0,
        byte_range: Optional[str] = None,
        if_match: Optional[str] = None,
        limit: Optional[int] = None,
        crc: bool = False,
        keep: bool = False,
        ways: int = 0,
        begun: Optional[Begun] = None,
        allowance: Optional[Allowance] = None,
        version_id: Optional[str] = None,
        into: Optional[memoryview] = None,
    ) -> GetResponse:
        template = self._exchange.template("GetObject", bucket)
        headers: dict[str, str] = {}
        if byte_range:
            headers["range"] = byte_range
        elif template.verify:
            headers[CHECKSUM_MODE] = "ENABLED"
        if if_match:
            headers["if-match"] = if_match
        query = version_query(version_id)
        with await self._exchange.request("GetObject", bucket, key, query, headers, template=template) as response:
            check_object(response.head.headers)
            if response.head.status == 204:
                raise malformed("the response has status 204, without a body")
            length = response.body.length or _length(response.head)
            first, total = span(response.head.headers.get("content-range"), byte_range, length)
            most = most_of(length, limit, path is None, ways if begun else 0)
            sums = _Checksums(
                None if byte_range else full_object_checksum(response.head.headers),
                crc,
                length is None or most in (None, length),
            )
            shared = False
            with Sink(path, position, keep, into) as sink:
                if begun and length is not None and most is not None and most < length:
                    shared = True
                    begun(GetResponse(_info(response.head, total), first, length, most, None, sums.whole_crc))
                count = await _copy(response, sink, most, sums, allowance, shared)
                if length is not None and count != most and not shared:
                    raise broken(f"the body ended after {count} bytes of {most}")
                ended = count == length if shared or response.has_length else await _has_ended(response, count, most)
                if count == length and not ended:
                    raise malformed("the body is longer than its Content-Range")
                verified = sums.compare() if ended or count == length else None
            if ended:
                response.finish()
            if length is None:
                total, length = (count, count) if ended else (None, UNKNOWN_LENGTH)
            info = _info(response.head, total)
            return GetResponse(info, first, length, count, sums.crc, sums.whole_crc, verified, sink.body)

    async def put(
        self,
        bucket: str,
        key: str,
        body: Optional[bytes] = None,
        path: Optional[str] = None,
        headers: PutHeaders = PutHeaders(),
        condition: Optional[str] = None,
        allowance: Optional[Allowance] = None,
    ) -> str:
        given = {**stored_headers(headers), **condition_headers(condition)}
        with payload_of(body, path, allowance=allowance) as payload:
            expect = condition is not None and payload.size > EXPECT_ABOVE
            with await self._exchange.request("PutObject", bucket, key, (), given, payload, expect) as response:
                await response.document()
                return stored_etag(response.head.headers)

    async def delete(
        self, bucket: str, key: str, version_id: Optional[str] = None, if_match: Optional[str] = None
    ) -> None:
        given = condition_headers(if_match)
        with await self._exchange.request("DeleteObject", bucket, key, version_query(version_id), given) as response:
            await response.document()


async def _has_ended(response: Response, count: int, most: Optional[int]) -> bool:
    """Whether a body without a length ends after `count` bytes, of which `most` were to be read."""
    return count != most or not await response.read_some(1, _scratch())


def others_of(headers: "dict[str, str]", checksums: bool) -> "dict[str, str]":
    """Return `ObjectInfo.others` from the headers of a response to HeadObject."""
    others = {name: headers[name] for name in (*KEPT, TAG_COUNT) if name in headers}
    return {**others, **kept(headers)} if checksums else others


def stored_headers(headers: PutHeaders) -> "dict[str, str]":
    """Return the headers that are stored with an object."""
    given = {METADATA + name: value for name, value in (headers.metadata or {}).items()}
    if headers.content_type:
        given["content-type"] = headers.content_type
    if headers.encryption:
        given["x-amz-server-side-encryption"] = headers.encryption
    return {**given, **(headers.others or {})}


def version_query(version_id: Optional[str]) -> Query:
    """Return the query that names a version."""
    return () if version_id is None else (("versionId", version_id),)


class _Checksums:
    """The checksums of a body that is received: its CRC-32, and the one that S3 has of the whole object.

    Parameters
    ----------
    expected : Checksum or None
        S3's.
    crc : bool
        Compute the CRC-32 even if S3 has another checksum.
    is_whole : bool
        The whole object may be read.
    """

    def __init__(self, expected: Optional[Checksum], crc: bool, is_whole: bool) -> None:
        is_crc32 = expected is not None and expected.algorithm == "crc32"
        self._expected = expected
        self._crc = start("crc32") if crc or is_crc32 else None
        self._compared = self._crc if is_crc32 else start(expected.algorithm) if expected and is_whole else None
        self._running = {one for one in (self._crc, self._compared) if one}
        self.whole_crc = expected.value if expected and is_crc32 else None

    @property
    def crc(self) -> Optional[int]:
        """The CRC-32 so far, if it is computed."""
        return getattr(self._crc, "number", None)

    def update(self, data: "bytes | memoryview") -> None:
        for one in self._running:
            one.update(data)

    def compare(self) -> Optional[str]:
        """Return the algorithm of S3's checksum; None without one.

        Raises
        ------
        TransferError
            BROKEN: the whole object was received, and its checksum is another one.
        """
        if not self._compared or not self._expected:
            return None
        algorithm, expected = self._expected
        received = self._compared.value()
        if received != expected:
            raise broken(f"{algorithm.upper()} checksum mismatch: expected {expected}, received {received}")
        return algorithm


async def _copy(
    response: Response, sink: Sink, most: Optional[int], sums: _Checksums, allowance: Optional[Allowance], shared: bool
) -> int:
    """Write at most `most` bytes of the body to the sink, all if that is None, and return their number.

    With `shared`, a broken connection is no failure: other requests get the rest, and also the missing bytes.
    """
    count = allowed = 0
    scratch = _scratch()
    while count != most:
        missing = SCRATCH if most is None else most - count
        if allowance and not allowed:
            allowed = await allowance.some(missing)
        try:
            view = await response.read_some(allowed if allowance else missing, sink.room(scratch))
        except (ConnectionLost, ProtocolError):
            if not shared:
                raise
            break
        if not view:
            break
        sink.write(view)
        sums.update(view)
        allowed -= len(view)
        count += len(view)
    return count


_local = threading.local()


def _scratch() -> memoryview:
    """Return this thread's buffer for large bodies."""
    known: Optional[memoryview] = getattr(_local, "scratch", None)
    if known is None:
        known = _local.scratch = memoryview(bytearray(SCRATCH))
    return known


def _length(head: Head) -> Optional[int]:
    """Return the body's length; None if unknown, for example if the server decompresses the object."""
    length = content_length(head)
    return length_in(head.headers.get("content-range")) if length is None else length


def _info(head: Head, size: Optional[int]) -> ObjectInfo:
    headers = head.headers
    return ObjectInfo(
        size,
        headers.get("etag", ""),
        headers.get("content-type"),
        {name[len(METADATA) :]: headers[name] for name in headers if name.startswith(METADATA)},
        http_timestamp(headers.get("last-modified", "")),
        headers.get("x-amz-server-side-encryption"),
        headers.get("x-amz-version-id"),
    )
