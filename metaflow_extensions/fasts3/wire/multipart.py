"""Multipart uploads: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html."""

from collections.abc import Sequence
from html import escape
from typing import Optional

from metaflow_extensions.fasts3.wire import checksums
from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.conditions import condition_headers
from metaflow_extensions.fasts3.wire.exchange import Exchange
from metaflow_extensions.fasts3.wire.failures import Code, TransferError, broken, malformed
from metaflow_extensions.fasts3.wire.not_s3 import stored_etag
from metaflow_extensions.fasts3.wire.objects import stored_headers
from metaflow_extensions.fasts3.wire.s3_errors import late_failure_of
from metaflow_extensions.fasts3.wire.sending import Payload, payload_of
from metaflow_extensions.fasts3.wire.transfers import PutHeaders
from metaflow_extensions.fasts3.wire.xml_documents import NAMESPACE, texts


class MultipartTransfers:
    """The methods of `Transfers` for multipart uploads."""

    _exchange: Exchange

    async def create_upload(
        self, bucket: str, key: str, headers: PutHeaders = PutHeaders(), checksums: bool = True
    ) -> str:
        given = stored_headers(headers)
        algorithm = self._exchange.template("UploadPart", bucket).checksum
        if algorithm and checksums:
            given["x-amz-checksum-algorithm"] = algorithm.upper()
        with await self._exchange.request("CreateMultipartUpload", bucket, key, [("uploads", "")], given) as response:
            upload_id = texts(await response.document())[1].get("UploadId")
            if not upload_id:
                raise malformed("the response to CreateMultipartUpload has no UploadId")
            return upload_id

    async def upload_part(
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
    ) -> "dict[str, str]":
        query = [("partNumber", str(number)), ("uploadId", upload_id)]
        with (
            payload_of(body, path, position, length, version, allowance) as payload,
            await self._exchange.request("UploadPart", bucket, key, query, payload=payload) as response,
        ):
            await response.document()
            part = {"ETag": stored_etag(response.head.headers)}
        algorithm = self._exchange.template("UploadPart", bucket).checksum
        value = algorithm and response.head.headers.get(f"{checksums.HEADER}{algorithm}")
        if algorithm and value:
            part[f"Checksum{algorithm.upper()}"] = value
        return part

    async def complete_upload(
        self, bucket: str, key: str, upload_id: str, parts: "list[dict[str, str]]", condition: Optional[str] = None
    ) -> str:
        headers = condition_headers(condition)  # no content-type: Swift would store it as the object's
        query, payload = [("uploadId", upload_id)], Payload(_document(parts))
        with await self._exchange.request("CompleteMultipartUpload", bucket, key, query, headers, payload) as response:
            document = await response.document()
            root, fields = texts(document)
            # S3 sends 200 before it knows the result (API reference of CompleteMultipartUpload: "you must check the
            # body").
            if root == "Error":
                raise TransferError(late_failure_of(response.head.status, response.head.headers, document))
            if not root:
                raise broken("the response to CompleteMultipartUpload is cut short")
            return fields.get("ETag", "")

    async def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        try:
            with await self._exchange.request(
                "AbortMultipartUpload", bucket, key, [("uploadId", upload_id)]
            ) as response:
                await response.document()
        except TransferError as error:
            if error.failure.code is not Code.NO_UPLOAD:
                raise


def _document(parts: "list[dict[str, str]]") -> bytes:
    rows = [
        f"<Part>{''.join(f'<{name}>{escape(value, quote=False)}</{name}>' for name, value in part.items())}"
        f"<PartNumber>{number}</PartNumber></Part>"
        for number, part in enumerate(parts, 1)
    ]
    return f'<CompleteMultipartUpload xmlns="{NAMESPACE}">{"".join(rows)}</CompleteMultipartUpload>'.encode()
