"""Versioned buckets."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from servers.capabilities.registry import capability, refused
from servers.s3_server import S3Server
from servers.stored import versioned_bucket


@contextmanager
def _two_versions(client: Any, prefix: str) -> "Iterator[tuple[dict[str, str], str, str]]":
    with versioned_bucket(client, prefix) as bucket:
        place = {"Bucket": bucket.bucket, "Key": f"{prefix}/a"}
        yield (place, *(client.put_object(**place, Body=body)["VersionId"] for body in (b"first", b"second")))


@capability("versions")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Earlier versions of an object stay, and are read and deleted by their ids."""
    with _two_versions(client, prefix) as (place, first, second):
        response = client.get_object(**place, VersionId=first)
        assert (response["Body"].read(), response["VersionId"]) == (b"first", first)
        assert client.head_object(**place)["VersionId"] == second
        client.delete_object(**place, VersionId=second)
        assert client.get_object(**place)["Body"].read() == b"first"


@capability("missing-versions-are-no-errors")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Deleting a version again changes nothing, and is no error."""
    with _two_versions(client, prefix) as (place, first, _):
        client.delete_object(**place, VersionId=first)
        client.delete_object(**place, VersionId=first)
        assert client.get_object(**place)["Body"].read() == b"second"


@capability("delete-markers")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """DeleteObject adds a marker, which the list of versions shows, and which can be deleted."""
    with _two_versions(client, prefix) as (place, *_):
        marker = client.delete_object(**place)["VersionId"]
        refused(lambda: client.head_object(**place), 404)
        found = client.list_object_versions(Bucket=place["Bucket"], Prefix=place["Key"])
        assert [one["VersionId"] for one in found["DeleteMarkers"]] == [marker]
        client.delete_object(**place, VersionId=marker)
        assert client.get_object(**place)["Body"].read() == b"second"


@capability("head-of-a-delete-marker-is-405")
def _(client: Any, server: S3Server, prefix: str) -> None:
    with _two_versions(client, prefix) as (place, *_):
        marker = client.delete_object(**place)["VersionId"]
        refused(lambda: client.head_object(**place, VersionId=marker), 405)


@capability("copies-of-versions")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """CopyObject copies the version in x-amz-copy-source."""
    with _two_versions(client, prefix) as (place, first, _):
        client.copy_object(Bucket=place["Bucket"], Key=prefix, CopySource={**place, "VersionId": first})
        assert client.get_object(Bucket=place["Bucket"], Key=prefix)["Body"].read() == b"first"
        client.delete_object(Bucket=place["Bucket"], Key=prefix)


@capability("restoring-a-version")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Likewise onto the object itself."""
    with _two_versions(client, prefix) as (place, first, _):
        client.copy_object(**place, CopySource={**place, "VersionId": first})
        assert client.get_object(**place)["Body"].read() == b"first"


@capability("pages-of-versions")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A list of versions continues after the markers of its first page."""
    with _two_versions(client, prefix) as (place, first, second):
        params = {"Bucket": place["Bucket"], "Prefix": place["Key"], "MaxKeys": 1}
        page = client.list_object_versions(**params)
        after = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
        other = client.list_object_versions(**params, **after)
        found = [one["VersionId"] for one in (*page["Versions"], *other["Versions"])]
        assert found == [second, first]


@capability("versions-of-percent-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """The versions of a key with ``%`` can be deleted, and then the bucket."""
    with versioned_bucket(client, prefix) as bucket:
        client.put_object(Bucket=bucket.bucket, Key="a%25", Body=b"value")


@capability("conditional-deletions-with-versions")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """An object that has not changed is deleted by DeleteObject with ``If-Match``: a delete marker hides it."""
    with _two_versions(client, prefix) as (place, *_):
        client.delete_object(**place, IfMatch=client.head_object(**place)["ETag"])
        refused(lambda: client.head_object(**place), 404)
