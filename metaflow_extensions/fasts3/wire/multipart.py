"""Multipart uploads: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html."""

from collections.abc import Sequence
from html import escape
from typing import Optional

from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.conditions import condition_headers
from metaflow_extensions.fasts3.wire.exchange import Exchange
from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.local_files import open_to_read
from metaflow_extensions.fasts3.wire.not_s3 import stored_etag
from metaflow_extensions.fasts3.wire.objects import stored_headers
from metaflow_extensions.fasts3.wire.s3_errors import late_failure_of
from metaflow_extensions.fasts3.wire.sending import Payload
from metaflow_extensions.fasts3.wire.transfers import PutHeaders
from metaflow_extensions.fasts3.wire.xml_documents import NAMESPACE, texts


class MultipartTransfers:
    """The methods of `Transfers` for multipart uploads.

    Parameters
    ----------
    exchange : Exchange
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def create_upload(
        self, bucket: str, key: str, headers: PutHeaders = PutHeaders(), checksums: bool = True
    ) -> str:
        given = stored_headers(headers)
        algorithm = self._exchange.template("UploadPart", bucket).checksum
        if algorithm and checksums:
            given["x-amz-checksum-algorithm"] = algorithm.upper()
        query = [("uploads", "")]
        reply = await self._exchange.ask("CreateMultipartUpload", bucket, key, query, given)
        upload_id = texts(await reply.document())[1].get("UploadId")
        if not upload_id:
            raise reply.malformed("the response to CreateMultipartUpload has no UploadId")
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
        if path is None:
            payload = Payload(body or b"", allowance=allowance)
            return await self._upload_part(bucket, key, upload_id, number, payload)
        with open_to_read(path, position, length, version) as (file, _):
            payload = Payload(file=file, position=position, length=length, allowance=allowance)
            return await self._upload_part(bucket, key, upload_id, number, payload)

    async def _upload_part(
        self, bucket: str, key: str, upload_id: str, number: int, payload: Payload
    ) -> "dict[str, str]":
        query = [("partNumber", str(number)), ("uploadId", upload_id)]
        reply = await self._exchange.ask("UploadPart", bucket, key, query, payload=payload)
        await reply.document()
        with reply.naming_failures():
            part = {"ETag": stored_etag(reply.head.headers)}
        algorithm = self._exchange.template("UploadPart", bucket).checksum
        value = algorithm and reply.head.headers.get(f"x-amz-checksum-{algorithm}")
        if algorithm and value:
            part[f"Checksum{algorithm.upper()}"] = value
        return part

    async def complete_upload(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        parts: "list[dict[str, str]]",
        condition: Optional[str] = None,
    ) -> str:
        headers = {"content-type": "application/xml", **condition_headers(condition)}
        reply = await self._exchange.ask(
            "CompleteMultipartUpload", bucket, key, [("uploadId", upload_id)], headers, Payload(_document(parts))
        )
        document = await reply.document()
        root, fields = texts(document)
        # S3 sends 200 before it knows the result (API reference of CompleteMultipartUpload: "you must check the body").
        if root == "Error":
            raise TransferError(late_failure_of(reply.head.status, reply.head.headers, document))
        if not root:
            raise reply.broken("the response to CompleteMultipartUpload is cut short")
        return fields.get("ETag", "")

    async def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        try:
            query = [("uploadId", upload_id)]
            reply = await self._exchange.ask("AbortMultipartUpload", bucket, key, query)
            await reply.document()
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
