"""Multipart uploads on boto3."""

from collections.abc import Sequence
from typing import Any, Optional

from metaflow_extensions.fasts3.boto.bodies import checksum_argument, source
from metaflow_extensions.fasts3.boto.calls import translated
from metaflow_extensions.fasts3.boto.request_arguments import condition_argument, stored_arguments
from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.failures import Code, TransferError, malformed
from metaflow_extensions.fasts3.wire.not_s3 import stored_etag
from metaflow_extensions.fasts3.wire.transfers import PutHeaders


class MultipartTransfers:
    """The methods of `Transfers` for multipart uploads."""

    _client: Any
    _sends_checksums: bool

    def create_upload(self, bucket: str, key: str, headers: PutHeaders = PutHeaders(), checksums: bool = True) -> str:
        with translated() as call:
            checksum = {"ChecksumAlgorithm": "CRC32"} if checksums and self._sends_checksums else {}
            given = {**stored_arguments(headers), **checksum}
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
            checksum = checksum_argument(stream) if self._sends_checksums else {}
            given = {"UploadId": upload_id, "PartNumber": number, **checksum}
            response = call.response = self._client.upload_part(Bucket=bucket, Key=key, Body=stream, **given)
            call.check(stored_etag)
            names = ["ETag", *checksum]
            return {name: response[name] for name in names if name in response}

    def complete_upload(
        self, bucket: str, key: str, upload_id: str, parts: list[dict[str, str]], condition: Optional[str] = None
    ) -> str:
        numbered = [dict(part, PartNumber=number) for number, part in enumerate(parts, 1)]
        wanted = {"MultipartUpload": {"Parts": numbered}, **condition_argument(condition)}
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
