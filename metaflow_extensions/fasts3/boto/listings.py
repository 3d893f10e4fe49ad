"""The listings of objects, of their versions and of open multipart uploads, on boto3.

The wire's parsers read the responses, not boto3's: that of versions reorders them, and that of listings omits fields.
"""

from collections.abc import Sequence
from typing import Any, Optional

from metaflow_extensions.fasts3.boto.calls import Call, headers_in, translated
from metaflow_extensions.fasts3.wire import listing, open_uploads, versions
from metaflow_extensions.fasts3.wire.dates import http_timestamp
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.transfers import Page, UploadsPage, VersionsPage


class ListingTransfers:
    """The methods of `Transfers` that list."""

    _client: Any

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
        marker = listing.marker_of(token) if token else None
        with translated() as call:
            if marker is not None:
                call.response = self._client.list_objects(**arguments, Marker=marker)
            else:
                continued = {"ContinuationToken": token} if token else {"StartAfter": after} if after else {}
                call.response = self._client.list_objects_v2(**arguments, **continued)
            return listing.checked(listing.parse_page(_document(call), details), key, token)

    def list_uploads(self, bucket: str, key: str, after: Optional[Sequence[str]] = None) -> UploadsPage:
        try:
            return self._list_uploads(bucket, key, after, {})
        except TransferError as error:
            if error.failure.code not in (Code.BROKEN, Code.MALFORMED):
                raise
        return self._list_uploads(bucket, key, after, {"EncodingType": "url"})  # as on the wire

    def _list_uploads(
        self, bucket: str, key: str, after: Optional[Sequence[str]], encoded: dict[str, str]
    ) -> UploadsPage:
        continued = {name: value for name, value in zip(("KeyMarker", "UploadIdMarker"), after or ()) if value}
        arguments = {"Prefix": key, "MaxUploads": open_uploads.MOST_UPLOADS, **encoded, **continued}
        with translated() as call:
            call.response = self._client.list_multipart_uploads(Bucket=bucket, **arguments)
            now = http_timestamp(headers_in(call.response).get("date", ""))
            return open_uploads.checked(open_uploads.parse(_document(call))._replace(now=now), key, after)

    def list_versions(self, bucket: str, key: str, after: Optional[Sequence[str]] = None) -> VersionsPage:
        continued = {name: value for name, value in zip(("KeyMarker", "VersionIdMarker"), after or ()) if value}
        with translated() as call:
            call.response = self._client.list_object_versions(Bucket=bucket, Prefix=key, **continued)
            return versions.checked(versions.parse(_document(call)), key, after)


def _document(call: Call) -> bytes:
    if not call.document:
        remedy = "A stub of a client can't list. Use moto's mock_aws instead."
        raise TransferError(Failure(Code.NOT_IMPLEMENTED, "the client returned no document", remedy=remedy))
    return call.document
