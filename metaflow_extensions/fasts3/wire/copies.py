"""CopyObject and UploadPartCopy: S3 copies bytes from one object to another, and the client transfers none.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
"""

from collections.abc import Sequence
from typing import NamedTuple, Optional
from urllib.parse import quote

from metaflow_extensions.fasts3.wire.conditions import condition_headers
from metaflow_extensions.fasts3.wire.exchange import Exchange
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError, broken, malformed
from metaflow_extensions.fasts3.wire.objects import stored_headers
from metaflow_extensions.fasts3.wire.request_heads import Query
from metaflow_extensions.fasts3.wire.s3_errors import late_failure_of
from metaflow_extensions.fasts3.wire.sigv4 import encode_path
from metaflow_extensions.fasts3.wire.transfers import KMS_KEY, PutHeaders
from metaflow_extensions.fasts3.wire.xml_documents import texts


class Source(NamedTuple):
    """An object to copy."""

    bucket: str  # or the ARN of an access point
    key: str
    version_id: Optional[str] = None  # None: the current version

    @property
    def remains(self) -> bool:
        """Whether it still exists when its object has been replaced.

        The version `null`, of a bucket without versioning, does not:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/AddingObjectstoVersionSuspendedBuckets.html.
        """
        return self.version_id not in (None, "null")


class CopyTransfers:
    """The methods of `Transfers` that copy."""

    _exchange: Exchange

    async def copy(
        self,
        bucket: str,
        key: str,
        source: Sequence[Optional[str]],
        headers: PutHeaders = PutHeaders(),
        replace: bool = False,
        if_match: Optional[str] = None,
        condition: Optional[str] = None,
    ) -> str:
        given = source_headers(source, if_match)
        if replace:
            given.update(stored_headers(headers), **{"x-amz-metadata-directive": "REPLACE"})
        else:
            given.update(stored_headers(kept_encryption(headers)))
        given.update(condition_headers(condition))
        return (await self._copied("CopyObject", bucket, key, (), given))["ETag"]

    async def copy_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        source: Sequence[Optional[str]],
        byte_range: str,
        if_match: Optional[str] = None,
    ) -> "dict[str, str]":
        query = [("partNumber", str(number)), ("uploadId", upload_id)]
        given = {**source_headers(source, if_match), "x-amz-copy-source-range": byte_range}
        return part_of(await self._copied("UploadPartCopy", bucket, key, query, given))

    async def _copied(
        self, operation: str, bucket: str, key: str, query: Query, headers: "dict[str, str]"
    ) -> "dict[str, str]":
        """Send the request and return the fields of its result.

        S3 sends 200 before it has copied, white space while it copies, and then the result or an error (API reference
        of CopyObject: "a 200 OK response can contain either a success or an error").
        """
        with await self._exchange.request(operation, bucket, key, query, headers) as response:
            document = await response.document()
            if not document and response.head.headers.get("etag"):
                raise TransferError(no_copy(operation))
            root, fields = texts(document)
            if root == "Error":
                raise TransferError(late_failure_of(response.head.status, response.head.headers, document))
            if not root:
                raise broken(f"the response to {operation} is cut short")
            if not fields.get("ETag"):
                raise malformed(f"the response to {operation} has no ETag")
            return fields


def no_copy(operation: str) -> Failure:
    """Return the failure of a server that ignores the source: it has stored the empty body of the request."""
    return Failure(Code.NOT_IMPLEMENTED, f"the server does not support {operation}: it has not copied anything")


def source_headers(source: Sequence[Optional[str]], if_match: Optional[str]) -> "dict[str, str]":
    """Return the headers that name an object to copy, and the ETag that it must have."""
    named = {"x-amz-copy-source": encoded(Source(*source))}  # type: ignore[arg-type]  # a list, after a pipe
    return {**named, "x-amz-copy-source-if-match": if_match} if if_match else named


def encoded(source: Source) -> str:
    """Return an object to copy as S3 expects it in a header: percent-encoded, because a key may have `?`, `+` and `%`.

    An access point's object has "/object/" between ARN and key (API reference of CopyObject, x-amz-copy-source).
    """
    place = f"{source.bucket}/object" if source.bucket.startswith("arn:") else source.bucket
    path = encode_path(f"{place}/{source.key}")
    return path if source.version_id is None else f"{path}?versionId={quote(source.version_id, safe='')}"


def kept_encryption(headers: PutHeaders) -> PutHeaders:
    """Return only the encryption of headers: S3 keeps everything else of the source, but not how it is encrypted."""
    key_id = (headers.others or {}).get(KMS_KEY)
    return PutHeaders(encryption=headers.encryption, others={KMS_KEY: key_id} if key_id else None)


def part_of(fields: "dict[str, str]") -> "dict[str, str]":
    """Return what CompleteMultipartUpload needs of the result of UploadPartCopy: ETag and checksums."""
    return {
        name: value
        for name, value in fields.items()
        if name == "ETag" or (name.startswith("Checksum") and name != "ChecksumType")
    }
