"""CopyObject and UploadPartCopy on boto3."""

from collections.abc import Sequence
from typing import Any, Optional

from metaflow_extensions.fasts3.boto.calls import translated
from metaflow_extensions.fasts3.boto.request_arguments import source_arguments, stored_arguments
from metaflow_extensions.fasts3.wire.conditions import condition_headers
from metaflow_extensions.fasts3.wire.copies import kept_encryption, no_copy, part_of
from metaflow_extensions.fasts3.wire.failures import TransferError, malformed
from metaflow_extensions.fasts3.wire.transfers import PutHeaders


class CopyTransfers:
    """The methods of `Transfers` that copy."""

    _client: Any

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
        given = {**stored_arguments(stored), **({"MetadataDirective": "REPLACE"} if replace else {})}
        given.update(source_arguments(source, if_match))
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
                Bucket=bucket, Key=key, **given, **source_arguments(source, if_match)
            )
            return part_of(_copied(response.get("CopyPartResult"), "UploadPartCopy"))


def _copied(fields: Optional[dict[str, Any]], operation: str) -> dict[str, str]:
    if not fields:
        raise TransferError(no_copy(operation))
    if not fields.get("ETag"):
        raise malformed(f"the response to {operation} has no ETag")
    return fields
