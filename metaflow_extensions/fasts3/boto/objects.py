"""HEAD, GET, PUT and DELETE of objects, and HEAD of buckets, on boto3."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Callable, Optional, TypeVar

from botocore import xform_name
from botocore.exceptions import ClientError

from metaflow_extensions.fasts3.boto.bodies import checksum_argument, copy, source
from metaflow_extensions.fasts3.boto.calls import Call, headers_in, translated, unix_time
from metaflow_extensions.fasts3.boto.errors import failure_of
from metaflow_extensions.fasts3.boto.request_arguments import condition_argument, stored_arguments, version_argument
from metaflow_extensions.fasts3.wire import deletion
from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.checksums import Checksum, full_object_checksum
from metaflow_extensions.fasts3.wire.failures import TransferError, broken, malformed
from metaflow_extensions.fasts3.wire.not_s3 import check_bucket, check_object, stored_etag
from metaflow_extensions.fasts3.wire.objects import others_of
from metaflow_extensions.fasts3.wire.operations import OPERATIONS
from metaflow_extensions.fasts3.wire.ranges import length_in, most_of, span
from metaflow_extensions.fasts3.wire.redirects import region_in
from metaflow_extensions.fasts3.wire.s3_errors import explanation, failure_of_bucket
from metaflow_extensions.fasts3.wire.sinks import Sink
from metaflow_extensions.fasts3.wire.transfers import (
    UNKNOWN_LENGTH,
    Begun,
    GetResponse,
    ObjectInfo,
    PutHeaders,
)

T = TypeVar("T")


class ObjectTransfers:
    """The methods of `Transfers` for objects, and `head_bucket`."""

    _client: Any
    _sends_checksums: bool
    _only_md5: set[str]

    def head(self, bucket: str, key: str, version_id: Optional[str] = None, checksums: bool = False) -> ObjectInfo:
        def read(call: Call) -> ObjectInfo:
            call.check(check_object)
            others = others_of(headers_in(call.response), checksums)
            return _info(call.response, _length(call.response))._replace(others=others)

        given = {**version_argument(version_id), **({"ChecksumMode": "ENABLED"} if checksums else {})}
        return self._head("HeadObject", read, Bucket=bucket, Key=key, **given)

    def head_bucket(self, bucket: str, key: str = "") -> None:
        try:
            self._head("HeadBucket", lambda call: call.check(check_bucket), Bucket=bucket)
        except TransferError as error:
            raise TransferError(failure_of_bucket(error.failure)) from error

    def _head(self, operation: str, read: "Callable[[Call], T]", **target: str) -> T:
        """Send a HEAD; if it fails, a GET: its error has the reason, and boto3 may learn the region from it."""
        by = OPERATIONS[operation].explained_by

        def ask() -> T:
            with translated() as call:
                call.response = getattr(self._client, xform_name(operation))(**target)
                return read(call)

        try:
            return ask()
        except TransferError as error:
            if error.failure.status not in by.statuses:
                raise
            refusal = error.failure
        try:
            with translated():
                response = getattr(self._client, xform_name(by.operation))(**target, **by.arguments)
                if "Body" in response:
                    response["Body"].close()
        except TransferError as error:
            raise TransferError(explanation(refusal, error.failure)) from error
        if refusal.status == 403:  # not due to another region: the refusal is final, as on the wire
            raise TransferError(refusal)
        return ask()

    def region_of(self, bucket: str) -> str:
        """Ask S3 for the region of a bucket; "" if no response names it. Needs no permission for the bucket."""
        try:
            with translated():
                response = self._client.head_bucket(Bucket=bucket)
        except TransferError as error:
            response = getattr(error.__cause__, "response", {})
        return region_in(headers_in(response))

    def get(
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
        # Without `ways` and `begun`: the response ends at the limit.
        conditions = {"Range": byte_range, "IfMatch": if_match}
        given = {name: value for name, value in conditions.items() if value} | version_argument(version_id)
        with translated() as call:
            response = call.response = self._client.get_object(Bucket=bucket, Key=key, **given)
            call.check(check_object)
            length = _length(response)
            first, total = span(response.get("ContentRange"), byte_range, length)
            most = most_of(length, limit, path is None)
            # `with` on botocore's body returns the stream below it, which verifies nothing. That is right for a range
            # only, with which some servers send the checksum of the whole object.
            with (
                response["Body"] if byte_range else closing(response["Body"]) as body,
                Sink(path, position, keep, into) as sink,
            ):
                received, number = copy(body, sink, most, allowance)
                # At the end of the body, botocore verifies the length and, if there is one, the checksum.
                ended = length in (None, received) and not body.read(1)
            if length is not None and received != most:
                raise broken(f"received {received} bytes instead of {most}")
            if length is None:
                total, length = (received, received) if ended else (None, UNKNOWN_LENGTH)
            checksum = None if byte_range else self._checksum_in(response)
            by_crc32 = checksum is not None and checksum.algorithm == "crc32"
            return GetResponse(
                _info(response, total),
                first,
                length,
                received,
                number if crc or by_crc32 else None,
                checksum.value if checksum and by_crc32 else None,
                checksum.algorithm if checksum and ended else None,
                sink.body,
            )

    def _checksum_in(self, response: Any) -> Optional[Checksum]:
        """The checksum that botocore verifies at the end of a whole object; for ranges, the plan verifies it."""
        setting = getattr(self._client.meta.config, "response_checksum_validation", "")
        return full_object_checksum(headers_in(response)) if setting == "when_supported" else None

    def put(
        self,
        bucket: str,
        key: str,
        body: Optional[bytes] = None,
        path: Optional[str] = None,
        headers: PutHeaders = PutHeaders(),
        condition: Optional[str] = None,
        allowance: Optional[Allowance] = None,
    ) -> str:
        with source(body, path) as stream, translated(allowance) as call:
            checksum = checksum_argument(stream) if self._sends_checksums else {}
            given = {**stored_arguments(headers), **condition_argument(condition), **checksum}
            call.stored_headers = headers.others or {}
            response = call.response = self._client.put_object(Bucket=bucket, Key=key, Body=stream, **given)
            call.check(stored_etag)
            return str(response.get("ETag") or "")

    def get_tags(self, bucket: str, key: str, version_id: Optional[str] = None) -> dict[str, str]:
        with translated() as call:
            given = version_argument(version_id)
            response = call.response = self._client.get_object_tagging(Bucket=bucket, Key=key, **given)
            return {row["Key"]: row["Value"] for row in response.get("TagSet", ())}

    def delete(self, bucket: str, key: str, version_id: Optional[str] = None, if_match: Optional[str] = None) -> None:
        with translated():
            condition = {**version_argument(version_id), **condition_argument(if_match)}
            self._client.delete_object(Bucket=bucket, Key=key, **condition)

    def delete_objects(
        self, bucket: str, key: str = "", keys: Sequence[str] = (), etags: Sequence[str] = ()
    ) -> dict[str, str]:
        with translated() as call:
            deletion.check(keys)
            conditions = [{"ETag": etag} if etag else {} for etag in etags or ("",) * len(keys)]
            wanted = [{"Key": one, **condition} for one, condition in zip(keys, conditions)]
            response = call.response = self._delete_objects(call, bucket, wanted)
            rows = response.get("Errors", ())
            refusals = [(row.get("Key") or "", row.get("Code") or "", row.get("Message") or "") for row in rows]
            return deletion.checked(refusals, keys)

    def _delete_objects(self, call: Call, bucket: str, objects: list[dict[str, str]]) -> Any:
        wanted = {"Objects": objects, "Quiet": True}
        call.md5 = bucket in self._only_md5
        try:
            return self._client.delete_objects(Bucket=bucket, Delete=wanted)
        except ClientError as error:
            if call.md5 or not deletion.may_want_md5(failure_of(error)):
                raise
        call.md5 = True
        response = self._client.delete_objects(Bucket=bucket, Delete=wanted)
        self._only_md5.add(bucket)
        return response


def _length(response: dict[str, Any]) -> Optional[int]:
    """The size of the body; None if the server does not send it, e.g. because it decompresses the object."""
    length = response.get("ContentLength")
    if length is None:
        return length_in(response.get("ContentRange"))
    if length < 0:
        raise malformed(f"Content-Length is {length}")
    return int(length)


def _info(response: dict[str, Any], size: Optional[int]) -> ObjectInfo:
    return ObjectInfo(
        size=size,
        etag=response.get("ETag", ""),
        content_type=response.get("ContentType"),
        # Header names are case-insensitive (RFC 9110 section 5.1), and some servers do not send lower case.
        metadata={name.lower(): value for name, value in response.get("Metadata", {}).items()},
        last_modified=unix_time(response.get("LastModified")),
        encryption=response.get("ServerSideEncryption"),
        version_id=response.get("VersionId"),
    )
