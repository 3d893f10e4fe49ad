"""The objects on a server, as boto3 reads them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class Stored:
    """The objects below one root, as boto3 reads them. Keys are relative to the root."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = prefix  # ends in a slash, or is empty

    def _at(self, key: str) -> "dict[str, str]":
        return {"Bucket": self.bucket, "Key": self.prefix + key}

    def put(self, key: str, body: bytes = b"", **headers: Any) -> None:
        self.client.put_object(**self._at(key), Body=body, **headers)

    def put_all(self, blobs: Mapping[str, bytes]) -> None:
        for key, body in blobs.items():
            self.put(key, body)

    def blob(self, key: str) -> bytes:
        return self.client.get_object(**self._at(key))["Body"].read()

    def head(self, key: str) -> "dict[str, Any]":
        return self.client.head_object(**self._at(key))

    def list(self) -> "set[str]":
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        return {entry["Key"][len(self.prefix) :] for page in pages for entry in page.get("Contents", [])}

    def blobs(self) -> "dict[str, bytes]":
        return {key: self.blob(key) for key in self.list()}

    def delete(self, key: str) -> None:
        self.client.delete_object(**self._at(key))

    def open_uploads(self) -> "list[str]":
        """Open multipart uploads."""
        return [upload["UploadId"] for upload in self._uploads()]

    def parts_of_open_uploads(self) -> int:
        """How many parts open multipart uploads have."""
        places = ({"Key": upload["Key"], "UploadId": upload["UploadId"]} for upload in self._uploads())
        responses = (self.client.list_parts(Bucket=self.bucket, **place) for place in places)
        return sum(len(response.get("Parts", [])) for response in responses)

    def _uploads(self) -> "list[dict[str, Any]]":
        try:
            response = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=self.prefix)
        except self.client.exceptions.NoSuchUpload:  # rclone, while there are none
            return []
        return list(response.get("Uploads", []))


@contextmanager
def versioned_bucket(client: Any, prefix: str) -> Iterator[Stored]:
    """Give a bucket with versions that only this test writes to."""
    bucket = Stored(client, "versions-" + "".join(c for c in prefix.lower() if c.isalnum())[-40:], "")
    client.create_bucket(Bucket=bucket.bucket)
    try:
        client.put_bucket_versioning(Bucket=bucket.bucket, VersioningConfiguration={"Status": "Enabled"})
        yield bucket
    finally:
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket.bucket):
            for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                client.delete_object(Bucket=bucket.bucket, Key=one["Key"], VersionId=one["VersionId"])
        client.delete_bucket(Bucket=bucket.bucket)
