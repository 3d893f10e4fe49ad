"""Copies within the server."""

from typing import Any

from servers.capabilities.registry import capability, refused
from servers.s3_server import S3Server

MIB = 2**20
PARTS = bytes(range(256)) * (6 * MIB // 256)  # two parts: all but the last have at least 5 MiB


@capability("copies-keep-headers")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """CopyObject copies what is stored with an object: content type, metadata and Cache-Control."""
    source = {"Bucket": server.bucket, "Key": f"{prefix}/a"}
    stored = {"ContentType": "text/x-a", "Metadata": {"one": "1"}, "CacheControl": "max-age=3"}
    client.put_object(**source, Body=b"value", **stored)
    client.copy_object(Bucket=server.bucket, Key=f"{prefix}/b", CopySource=source)
    head = client.head_object(Bucket=server.bucket, Key=f"{prefix}/b")
    assert {name: head.get(name) for name in stored} == stored


@capability("copy-to-a-missing-bucket-is-404")
def _(client: Any, server: S3Server, prefix: str) -> None:
    source = {"Bucket": server.bucket, "Key": prefix}
    client.put_object(**source, Body=b"value")
    refused(lambda: client.copy_object(Bucket="no-such-bucket-of-the-tests", Key="k", CopySource=source), 404)


@capability("copies-replace-headers")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """With x-amz-metadata-directive: REPLACE, it stores those of the request instead."""
    source = {"Bucket": server.bucket, "Key": f"{prefix}/a"}
    client.put_object(**source, Body=b"value", ContentType="text/x-a", Metadata={"one": "1"})
    given = {"ContentType": "text/x-b", "Metadata": {"two": "2"}}
    client.copy_object(Bucket=server.bucket, Key=f"{prefix}/b", CopySource=source, MetadataDirective="REPLACE", **given)
    head = client.head_object(Bucket=server.bucket, Key=f"{prefix}/b")
    assert {name: head.get(name) for name in given} == given


@capability("copies-onto-themselves")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """It may replace what is stored with an object: source and copy are the same. The result has an ETag."""
    place = {"Bucket": server.bucket, "Key": prefix}
    client.put_object(**place, Body=b"value", ContentType="text/x-a")
    copied = client.copy_object(**place, CopySource=place, MetadataDirective="REPLACE", ContentType="text/x-b")
    response = client.get_object(**place)
    assert (response["Body"].read(), response["ContentType"]) == (b"value", "text/x-b")
    assert copied["CopyObjectResult"].get("ETag")


@capability("conditional-copies")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """CopyObject with ``If-None-Match: *`` copies to a missing key; to others it gets 412, and changes nothing."""
    source = {"Bucket": server.bucket, "Key": f"{prefix}/a"}
    place = {"Bucket": server.bucket, "Key": f"{prefix}/b"}
    client.put_object(**source, Body=b"old")
    client.copy_object(**place, CopySource=source, IfNoneMatch="*")
    client.put_object(**source, Body=b"new")
    refused(lambda: client.copy_object(**place, CopySource=source, IfNoneMatch="*"), 412)
    assert client.get_object(**place)["Body"].read() == b"old"


@capability("copy-source-conditions")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """CopyObject with x-amz-copy-source-if-match gets 412 if the source has another ETag."""
    source = {"Bucket": server.bucket, "Key": f"{prefix}/a"}
    first = client.put_object(**source, Body=b"first")["ETag"]
    client.put_object(**source, Body=b"second")
    place = {"Bucket": server.bucket, "Key": f"{prefix}/b"}
    refused(lambda: client.copy_object(**place, CopySource=source, CopySourceIfMatch=first), 412)


@capability("part-copies")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """UploadPartCopy copies ranges of an object, of which CompleteMultipartUpload makes another."""
    source = {"Bucket": server.bucket, "Key": f"{prefix}/a"}
    client.put_object(**source, Body=PARTS)
    _copy_in_parts(client, source, {"Bucket": server.bucket, "Key": f"{prefix}/b"})
    assert client.get_object(Bucket=server.bucket, Key=f"{prefix}/b")["Body"].read() == PARTS


@capability("part-copy-source-conditions")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """UploadPartCopy with x-amz-copy-source-if-match gets 412 if the source has another ETag."""
    source = {"Bucket": server.bucket, "Key": f"{prefix}/a"}
    client.put_object(**source, Body=PARTS)
    place = {"Bucket": server.bucket, "Key": f"{prefix}/b"}
    refused(lambda: _copy_in_parts(client, source, place, CopySourceIfMatch='"another"'), 412)


def _copy_in_parts(client: Any, source: "dict[str, str]", place: "dict[str, str]", **given: str) -> None:
    upload = client.create_multipart_upload(**place)["UploadId"]
    parts = []
    for number, first in enumerate((0, 5 * MIB), 1):
        last = min(first + 5 * MIB, len(PARTS)) - 1
        result = client.upload_part_copy(
            **place,
            UploadId=upload,
            PartNumber=number,
            CopySource=source,
            CopySourceRange=f"bytes={first}-{last}",
            **given,
        )["CopyPartResult"]
        parts.append({"ETag": result["ETag"], "PartNumber": number})
    client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
