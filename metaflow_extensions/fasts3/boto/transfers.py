"""The transfers on boto3: for everything that our own HTTP client does not support, and as a reference for tests.

One method is one request. The client does not retry; `workers/performer.py` decides about retries.
"""

import zlib
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Callable, Optional, TypeVar, Union
from urllib.parse import quote

from botocore import xform_name
from botocore.exceptions import ClientError

from metaflow_extensions.fasts3.boto.bodies import CHUNK, copy, source
from metaflow_extensions.fasts3.boto.calls import Call, translated
from metaflow_extensions.fasts3.boto.errors import failure_of
from metaflow_extensions.fasts3.boto.events import hook_into
from metaflow_extensions.fasts3.wire import deletion, open_uploads, versions
from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.checksums import Checksum, crc32_text, full_object_checksum
from metaflow_extensions.fasts3.wire.conditions import ABSENT, condition_headers
from metaflow_extensions.fasts3.wire.copies import kept_encryption, no_copy, part_of
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError, broken, malformed
from metaflow_extensions.fasts3.wire.listing import checked, marker_of, parse_page, token_after
from metaflow_extensions.fasts3.wire.not_s3 import check_bucket, check_object, stored_etag
from metaflow_extensions.fasts3.wire.operations import OPERATIONS
from metaflow_extensions.fasts3.wire.ranges import length_in, most_of, span
from metaflow_extensions.fasts3.wire.redirects import region_in
from metaflow_extensions.fasts3.wire.s3_errors import explanation
from metaflow_extensions.fasts3.wire.sinks import Sink
from metaflow_extensions.fasts3.wire.transfers import (
    KEPT,
    TAG_COUNT,
    UNKNOWN_LENGTH,
    Begun,
    DetailedObject,
    GetResponse,
    ListedObject,
    ObjectInfo,
    ObjectVersion,
    OpenUpload,
    Page,
    PutHeaders,
    UploadsPage,
    VersionsPage,
)

T = TypeVar("T")


class Boto3Transfers:
    """`wire.transfers.Transfers` on a boto3 client. One instance serves many threads."""

    def __init__(self, client: Any) -> None:
        self._client = client
        hook_into(client)
        self._only_md5: set[str] = set()  # buckets whose server accepts no other checksum for DeleteObjects
        # A stub of a client may have no configuration.
        setting = getattr(client.meta.config, "request_checksum_calculation", "when_required")
        self._checksum = {"ChecksumAlgorithm": "CRC32"} if setting == "when_supported" else {}

    def head(self, bucket: str, key: str, version_id: Optional[str] = None) -> ObjectInfo:
        def read(call: Call) -> ObjectInfo:
            call.check(check_object)
            return _info(call.response, _length(call.response))._replace(others=_others(call.response))

        return self._head("HeadObject", read, Bucket=bucket, Key=key, **_version(version_id))

    def head_bucket(self, bucket: str, key: str = "") -> None:
        try:
            self._head("HeadBucket", lambda call: call.check(check_bucket), Bucket=bucket)
        except TransferError as error:
            if error.failure.code is Code.NOT_FOUND:  # a HEAD response has no body with a code such as NoSuchBucket
                failure = error.failure._replace(code=Code.NO_BUCKET, s3_code="NoSuchBucket")
                raise TransferError(failure) from error
            raise

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
                reply = self._client.head_bucket(Bucket=bucket)
        except TransferError as error:
            reply = getattr(error.__cause__, "response", {})
        return region_in(reply.get("ResponseMetadata", {}).get("HTTPHeaders", {}))

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
    ) -> GetResponse:
        # Without `ways` and `begun`: the response ends at the limit.
        conditions = {"Range": byte_range, "IfMatch": if_match}
        given = {name: value for name, value in conditions.items() if value} | _version(version_id)
        with translated() as call:
            response = call.response = self._client.get_object(Bucket=bucket, Key=key, **given)
            call.check(check_object)
            length = _length(response)
            first, total = span(response.get("ContentRange"), byte_range, length)
            most = most_of(length, limit, path is None)
            # `with` on botocore's body returns the stream below it, which verifies nothing. That is right for a range
            # only, with which some servers send the checksum of the whole object.
            with response["Body"] if byte_range else closing(response["Body"]) as body, Sink(path, position, keep) as sink:
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
        return full_object_checksum(response["ResponseMetadata"]["HTTPHeaders"]) if setting == "when_supported" else None

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
            given = {**_put_arguments(headers), **_condition(condition), **self._checksum_of(stream)}
            call.stored_headers = headers.others or {}
            response = call.response = self._client.put_object(Bucket=bucket, Key=key, Body=stream, **given)
            call.check(stored_etag)
            return str(response.get("ETag") or "")

    def _checksum_of(self, stream: Any) -> "dict[str, str]":
        """The checksum of a body as an argument, which boto3 sends as a header.

        Over TLS, boto3 would send its own checksum after the body (aws-chunked), which Ceph 16, for example, rejects
        with 411.
        """
        if not self._checksum:
            return {}
        crc = 0
        for data in iter(lambda: stream.read(CHUNK), b""):
            crc = zlib.crc32(data, crc)
        stream.seek(0)
        return {"ChecksumCRC32": crc32_text(crc)}

    def list_page(
        self,
        bucket: str,
        key: str,
        delimiter: str = "",
        token: Optional[str] = None,
        limit: int = 1000,
        after: str = "",
        details: bool = False,
    ) -> Page:
        arguments = {"Bucket": bucket, "Prefix": key, "Delimiter": delimiter, "MaxKeys": limit}
        marker = marker_of(token) if token else None
        with translated() as call:
            if marker is not None:
                response = call.response = self._client.list_objects(**arguments, Marker=marker)
            else:
                continued = {"ContinuationToken": token} if token else {"StartAfter": after} if after else {}
                response = call.response = self._client.list_objects_v2(**arguments, **continued)
            rows = response.get("Contents", ())
            objects: list[Union[ListedObject, DetailedObject]]
            if details:
                objects = [
                    DetailedObject(row["Key"], row["Size"], *_details(row), row.get("StorageClass", "")) for row in rows
                ]
            else:
                objects = [ListedObject(row["Key"], row["Size"]) for row in rows]
            prefixes = [row["Prefix"] for row in response.get("CommonPrefixes", ())]
            more = response.get("NextContinuationToken") or "" if response.get("IsTruncated") else None
            if more == "" and marker is not None:
                more = token_after(response.get("NextMarker", ""), objects, prefixes)
            elif more == "":  # boto3 omits the fields of version 1
                more = parse_page(call.document).next_token
            return checked(Page(objects, prefixes, more), key, token)

    def copy(
        self,
        bucket: str,
        key: str,
        source: Sequence[Optional[str]],
        headers: PutHeaders = PutHeaders(),
        replace: bool = False,
        if_match: Optional[str] = None,
        condition: Optional[str] = None,
    ) -> str:
        stored = headers if replace else kept_encryption(headers)
        given = {**_put_arguments(stored), **({"MetadataDirective": "REPLACE"} if replace else {})}
        given.update(_source(source, if_match))
        with translated() as call:
            # As headers: boto3 1.36 does not know conditions of CopyObject.
            call.stored_headers = {**(stored.others or {}), **condition_headers(condition)}
            response = call.response = self._client.copy_object(Bucket=bucket, Key=key, **given)
            return _copied(response.get("CopyObjectResult"), "CopyObject")["ETag"]

    def copy_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        source: Sequence[Optional[str]],
        byte_range: str,
        if_match: Optional[str] = None,
    ) -> dict[str, str]:
        given = {"UploadId": upload_id, "PartNumber": number, "CopySourceRange": byte_range}
        with translated() as call:
            response = call.response = self._client.upload_part_copy(
                Bucket=bucket, Key=key, **given, **_source(source, if_match)
            )
            return part_of(_copied(response.get("CopyPartResult"), "UploadPartCopy"))

    def delete(self, bucket: str, key: str, version_id: Optional[str] = None, if_match: Optional[str] = None) -> None:
        with translated():
            self._client.delete_object(Bucket=bucket, Key=key, **_version(version_id), **_condition(if_match))

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

    def create_upload(self, bucket: str, key: str, headers: PutHeaders = PutHeaders(), checksums: bool = True) -> str:
        with translated() as call:
            given = {**_put_arguments(headers), **(self._checksum if checksums else {})}
            call.stored_headers = headers.others or {}
            response = call.response = self._client.create_multipart_upload(Bucket=bucket, Key=key, **given)
            if not response.get("UploadId"):
                raise malformed("the response to CreateMultipartUpload has no UploadId")
            return str(response["UploadId"])

    def upload_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        body: Optional[bytes] = None,
        path: Optional[str] = None,
        position: int = 0,
        length: int = 0,
        version: Optional[Sequence[int]] = None,
        allowance: Optional[Allowance] = None,
    ) -> dict[str, str]:
        with source(body, path, position, length, version) as stream, translated(allowance) as call:
            given = {"UploadId": upload_id, "PartNumber": number, **self._checksum_of(stream)}
            response = call.response = self._client.upload_part(Bucket=bucket, Key=key, Body=stream, **given)
            call.check(stored_etag)
            names = ["ETag"] + (["ChecksumCRC32"] if self._checksum else [])
            return {name: response[name] for name in names if name in response}

    def complete_upload(
        self, bucket: str, key: str, upload_id: str, parts: list[dict[str, str]], condition: Optional[str] = None
    ) -> str:
        numbered = [dict(part, PartNumber=number) for number, part in enumerate(parts, 1)]
        wanted = {"MultipartUpload": {"Parts": numbered}, **_condition(condition)}
        with translated():
            response = self._client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, **wanted)
            return str(response.get("ETag") or "")

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        try:
            with translated():
                self._client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        except TransferError as error:
            if error.failure.code is not Code.NO_UPLOAD:
                raise

    def list_uploads(self, bucket: str, key: str, after: Optional[Sequence[str]] = None) -> UploadsPage:
        continued = {name: value for name, value in zip(("KeyMarker", "UploadIdMarker"), after or ()) if value}
        arguments = {"Prefix": key, "MaxUploads": open_uploads.MOST_UPLOADS, **continued}
        with translated() as call:
            response = call.response = self._client.list_multipart_uploads(Bucket=bucket, **arguments)
            rows = response.get("Uploads", ())
            page = UploadsPage(
                [OpenUpload(row["Key"], row["UploadId"], _timestamp(row.get("Initiated"))) for row in rows],
                [response.get("NextKeyMarker", ""), response.get("NextUploadIdMarker", "")]
                if response.get("IsTruncated")
                else None,
                open_uploads.time_of_response(response["ResponseMetadata"]["HTTPHeaders"].get("date", "")),
            )
            return open_uploads.checked(page, key, after)

    def list_versions(self, bucket: str, key: str, after: Optional[Sequence[str]] = None) -> VersionsPage:
        continued = {name: value for name, value in zip(("KeyMarker", "VersionIdMarker"), after or ()) if value}
        with translated() as call:
            response = call.response = self._client.list_object_versions(Bucket=bucket, Prefix=key, **continued)
            rows = [(row, row["Size"]) for row in response.get("Versions", ())]
            rows += [(row, None) for row in response.get("DeleteMarkers", ())]
            found = [
                ObjectVersion(row["Key"], row["VersionId"], bool(row.get("IsLatest")), size, *_details(row))
                for row, size in rows
            ]
            markers = [response.get("NextKeyMarker", ""), response.get("NextVersionIdMarker", "")]
            page = VersionsPage(versions.in_order(found), markers if response.get("IsTruncated") else None)
            return versions.checked(page, key, after)


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
        last_modified=_timestamp(response.get("LastModified")),
        encryption=response.get("ServerSideEncryption"),
        version_id=response.get("VersionId"),
    )


def _others(response: dict[str, Any]) -> dict[str, str]:
    """The other stored headers of an object."""
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return {name: headers[name] for name in (*KEPT, TAG_COUNT) if name in headers}


def _source(source: Sequence[Optional[str]], if_match: Optional[str]) -> dict[str, Any]:
    """An object to copy (`copies.Source`), and the ETag that it must have, as boto3's arguments."""
    bucket, key, version_id = source
    # boto3 encodes bucket and key, but no version id.
    named = {"CopySource": {"Bucket": bucket, "Key": key, **_version(version_id and quote(version_id, safe=""))}}
    return {**named, "CopySourceIfMatch": if_match} if if_match else named


def _copied(fields: Optional[dict[str, Any]], operation: str) -> dict[str, str]:
    if not fields:
        raise TransferError(no_copy(operation))
    if not fields.get("ETag"):
        raise TransferError(Failure(Code.MALFORMED, f"the response to {operation} has no ETag"))
    return fields


def _version(version_id: Optional[str]) -> dict[str, str]:
    return {} if version_id is None else {"VersionId": version_id}


def _details(row: dict[str, Any]) -> tuple[str, Optional[float]]:
    """The properties of an object in a row of a listing, besides its size."""
    modified = row.get("LastModified")
    return row.get("ETag", ""), None if modified is None else modified.timestamp()


def _timestamp(time: Any) -> Optional[int]:
    return None if time is None else int(time.timestamp())


def _put_arguments(headers: PutHeaders) -> dict[str, Any]:
    named = {
        "ContentType": headers.content_type,
        "Metadata": headers.metadata,
        "ServerSideEncryption": headers.encryption,
    }
    return {name: value for name, value in named.items() if value}


def _condition(condition: Optional[str]) -> dict[str, str]:
    """A condition (`wire.conditions`) as boto3's argument."""
    if condition is None:
        return {}
    return {"IfNoneMatch": "*"} if condition == ABSENT else {"IfMatch": condition}
