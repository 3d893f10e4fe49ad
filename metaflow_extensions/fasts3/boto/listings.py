"""The listings of objects, of their versions and of open multipart uploads, on boto3."""

from collections.abc import Sequence
from typing import Any, Optional, Union

from metaflow_extensions.fasts3.boto.calls import translated, unix_time
from metaflow_extensions.fasts3.wire import open_uploads, versions
from metaflow_extensions.fasts3.wire.dates import http_timestamp
from metaflow_extensions.fasts3.wire.listing import checked, marker_of, parse_page, token_after
from metaflow_extensions.fasts3.wire.transfers import (
    DetailedObject,
    ListedObject,
    ObjectVersion,
    OpenUpload,
    Page,
    UploadsPage,
    VersionsPage,
)


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

    def list_uploads(self, bucket: str, key: str, after: Optional[Sequence[str]] = None) -> UploadsPage:
        continued = {name: value for name, value in zip(("KeyMarker", "UploadIdMarker"), after or ()) if value}
        arguments = {"Prefix": key, "MaxUploads": open_uploads.MOST_UPLOADS, **continued}
        with translated() as call:
            response = call.response = self._client.list_multipart_uploads(Bucket=bucket, **arguments)
            rows = response.get("Uploads", ())
            page = UploadsPage(
                [OpenUpload(row["Key"], row["UploadId"], unix_time(row.get("Initiated"))) for row in rows],
                [response.get("NextKeyMarker", ""), response.get("NextUploadIdMarker", "")]
                if response.get("IsTruncated")
                else None,
                http_timestamp(response["ResponseMetadata"]["HTTPHeaders"].get("date", "")),
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


def _details(row: dict[str, Any]) -> tuple[str, Optional[float]]:
    """The properties of an object in a row of a listing, besides its size."""
    modified = row.get("LastModified")
    return row.get("ETag", ""), None if modified is None else modified.timestamp()
