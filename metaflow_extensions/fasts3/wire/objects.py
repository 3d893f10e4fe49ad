"""HEAD, GET, PUT and DELETE of objects."""

import threading
from functools import partial
from typing import Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.checksums import Checksum, full_object_checksum, start
from metaflow_extensions.fasts3.wire.conditions import condition_headers
from metaflow_extensions.fasts3.wire.dates import http_timestamp
from metaflow_extensions.fasts3.wire.exchange import Exchange, Reply
from metaflow_extensions.fasts3.wire.failures import TransferError
from metaflow_extensions.fasts3.wire.http11 import ProtocolError, content_length
from metaflow_extensions.fasts3.wire.local_files import open_to_read
from metaflow_extensions.fasts3.wire.not_s3 import check_object, stored_etag
from metaflow_extensions.fasts3.wire.ranges import length_in, most_of, span
from metaflow_extensions.fasts3.wire.request_heads import Query
from metaflow_extensions.fasts3.wire.sending import Payload
from metaflow_extensions.fasts3.wire.sinks import Sink, sink_for
from metaflow_extensions.fasts3.wire.transfers import (
    KEPT,
    TAG_COUNT,
    UNKNOWN_LENGTH,
    Begun,
    GetReply,
    ObjectInfo,
    PutHeaders,
)

SCRATCH = 2**20  # bytes; buffer for large bodies
EXPECT_ABOVE = 64 * 1024  # bytes; larger conditional uploads use "Expect: 100-continue"
_METADATA = "x-amz-meta-"
_OTHERS = (*KEPT, TAG_COUNT)


class ObjectTransfers:
    """The methods of `Transfers` for single objects.

    Parameters
    ----------
    exchange : Exchange
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._local = threading.local()

    async def head(self, bucket: str, key: str, version_id: Optional[str] = None) -> ObjectInfo:
        reply = await self._exchange.ask("HeadObject", bucket, key, _version(version_id))
        reply.finish()
        headers = reply.head.headers
        with reply.naming_failures():
            check_object(headers)
        others = {name: headers[name] for name in _OTHERS if name in headers}
        return _info(reply, _length(reply))._replace(others=others)

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
    ) -> GetReply:
        headers: dict[str, str] = {}
        if byte_range:
            headers["range"] = byte_range
        elif self._exchange.template("GetObject", bucket).verify:
            headers["x-amz-checksum-mode"] = "ENABLED"
        if if_match:
            headers["if-match"] = if_match
        reply = await self._exchange.ask("GetObject", bucket, key, _version(version_id), headers)
        try:
            check_object(reply.head.headers)
            if reply.head.status == 204:
                raise reply.malformed("the response has status 204, without a body")
            length = reply.body.length or _length(reply)
            first, total = span(reply.head.headers.get("content-range"), byte_range, length)
            expected = None if byte_range else full_object_checksum(reply.head.headers)
            most = most_of(length, limit, path is None, ways)
            whole = expected.value if expected and expected.algorithm == "crc32" else None
            sink = sink_for(path, position, keep)
            begin = None
            if begun and length is not None and most is not None and most < length:
                begin = partial(begun, GetReply(_info(reply, total), first, length, most, None, whole))
            got = await self._receive(reply, sink, most, length, expected, crc, begin, allowance)
        except TransferError as error:
            reply.drop()
            raise reply.naming(error.failure) from error
        except BaseException:
            reply.drop()
            raise
        if got.ended:
            reply.finish()
        else:
            reply.drop()
        if length is None:
            total, length = (got.size, got.size) if got.ended else (None, UNKNOWN_LENGTH)
        return GetReply(_info(reply, total), first, length, got.size, got.crc, whole, got.verified, got.body)

    async def _receive(
        self,
        reply: Reply,
        sink: Sink,
        most: Optional[int],
        length: Optional[int],
        expected: Optional[Checksum],
        crc: bool,
        begin: Optional[Callable[[], None]],
        allowance: Optional[Allowance],
    ) -> "_Received":
        """Write at most `most` bytes of the body to the sink; all if that is None.

        With `begin`, which is called first, other requests get the rest of the object. A broken connection is then no
        failure: they also get the missing bytes.
        """
        shared = begin is not None
        by_crc32 = expected is not None and expected.algorithm == "crc32"
        counting = start("crc32") if crc or by_crc32 else None
        comparing = counting if by_crc32 else start(expected.algorithm) if expected and most in (None, length) else None
        running = {one for one in (counting, comparing) if one}
        count = 0
        try:
            if begin:
                begin()
            allowed = 0
            scratch = self._scratch() if most != 0 else memoryview(b"")
            while count != most:
                missing = SCRATCH if most is None else most - count
                if allowance and not allowed:
                    allowed = await allowance.some(missing)
                view = await _some(reply, allowed if allowance else missing, scratch, shared)
                if not view:
                    break
                sink.write(view)
                allowed -= len(view)
                for one in running:
                    one.update(view)
                count += len(view)
            if length is not None and count != most and not shared:
                raise reply.broken(f"the body ended after {count} bytes of {most}")
            ended = not shared and await self._has_ended(reply, count, most, length)
        except BaseException:
            sink.abandon()
            raise
        body = sink.finish()
        if not ended and count != length:
            comparing = None
        if comparing and expected and comparing.value() != expected.value:
            received = comparing.value()
            name = expected.algorithm.upper()
            raise reply.broken(f"{name} checksum mismatch: expected {expected.value}, received {received}")
        return _Received(
            count,
            ended,
            getattr(counting, "number", None),
            expected.algorithm if comparing and expected else None,
            body,
        )

    async def _has_ended(self, reply: Reply, count: int, most: Optional[int], length: Optional[int]) -> bool:
        """Whether the body was read to its end, so that the connection can be reused."""
        if count != most:
            return True
        if reply.has_length:
            return count == length
        return not await reply.read_some(1, self._scratch())

    def _scratch(self) -> memoryview:
        known: Optional[memoryview] = getattr(self._local, "scratch", None)
        if known is None:
            known = self._local.scratch = memoryview(bytearray(SCRATCH))
        return known

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
        if path is not None:
            with open_to_read(path) as (file, size):
                payload = Payload(file=file, length=size, allowance=allowance)
                return await self._put(bucket, key, payload, headers, condition)
        return await self._put(bucket, key, Payload(body or b"", allowance=allowance), headers, condition)

    async def _put(self, bucket: str, key: str, payload: Payload, headers: PutHeaders, condition: Optional[str]) -> str:
        given = {**stored_headers(headers), **condition_headers(condition)}
        expect = condition is not None and payload.size > EXPECT_ABOVE
        reply = await self._exchange.ask("PutObject", bucket, key, headers=given, payload=payload, expect=expect)
        await reply.document()
        with reply.naming_failures():
            return stored_etag(reply.head.headers)

    async def delete(self, bucket: str, key: str, version_id: Optional[str] = None) -> None:
        reply = await self._exchange.ask("DeleteObject", bucket, key, _version(version_id))
        await reply.document()


def stored_headers(headers: PutHeaders) -> "dict[str, str]":
    """Return the headers that are stored with an object."""
    given = {_METADATA + name: value for name, value in (headers.metadata or {}).items()}
    if headers.content_type:
        given["content-type"] = headers.content_type
    if headers.encryption:
        given["x-amz-server-side-encryption"] = headers.encryption
    return {**given, **(headers.others or {})}


def _version(version_id: Optional[str]) -> Query:
    return () if version_id is None else (("versionId", version_id),)


class _Received(NamedTuple):
    """The result of reading a body."""

    size: int  # bytes
    ended: bool  # nothing more follows
    crc: Optional[int]  # CRC-32 of them, if computed
    verified: Optional[str]  # the algorithm of the compared checksum
    body: Optional[bytes]  # if they were not written to a file


async def _some(reply: Reply, limit: int, scratch: memoryview, shared: bool) -> "bytes | memoryview":
    """Read bytes of a body; none if its connection broke and other requests get the rest."""
    try:
        return await reply.read_some(limit, scratch)
    except TransferError:
        if shared:
            return b""
        raise


def _length(reply: Reply) -> Optional[int]:
    """Return the body's length; None if unknown, for example if the server decompresses the object."""
    try:
        length = content_length(reply.head)
    except ProtocolError as error:
        raise reply.malformed(str(error)) from error
    if length is None:
        length = length_in(reply.head.headers.get("content-range"))
    return length


def _info(reply: Reply, size: Optional[int]) -> ObjectInfo:
    headers = reply.head.headers
    try:
        last_modified: Optional[int] = http_timestamp(headers["last-modified"])
    except (KeyError, ValueError):  # a missing or invalid date is no reason to fail
        last_modified = None
    return ObjectInfo(
        size,
        headers.get("etag", ""),
        headers.get("content-type"),
        {name[len(_METADATA) :]: headers[name] for name in headers if name.startswith(_METADATA)},
        last_modified,
        headers.get("x-amz-server-side-encryption"),
        headers.get("x-amz-version-id"),
    )
