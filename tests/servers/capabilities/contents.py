"""Properties that are stored with an object: checksums, types, metadata, encryption."""

from typing import Any

from servers.capabilities.registry import capability, refused
from servers.s3_server import S3Server


@capability("etag-is-md5")
def _(client: Any, server: S3Server, prefix: str) -> None:
    response = client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value")
    assert response["ETag"] == '"2063c1608d6e0baf80249c42e2be5804"'


@capability("checksum-on-put")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """The response to PUT contains the CRC-32 that was sent."""
    response = client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value", ChecksumAlgorithm="CRC32")
    assert response["ChecksumCRC32"] == "HXdYNA=="


@capability("checksum-on-get")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """GET with ``x-amz-checksum-mode: ENABLED`` gives the CRC32 of the object."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value", ChecksumAlgorithm="CRC32")
    response = client.get_object(Bucket=server.bucket, Key=prefix, ChecksumMode="ENABLED")
    response["Body"].read()
    assert response["ChecksumCRC32"] == "HXdYNA=="


@capability("checksum-verification")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A PUT whose body does not have the CRC32 in its header is refused."""
    refused(
        lambda: client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value", ChecksumCRC32="AAAAAA=="),
        400,
    )


@capability("md5-verification")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A PUT whose body does not have the MD5 in ``Content-MD5`` is refused."""
    refused(
        lambda: client.put_object(
            Bucket=server.bucket, Key=prefix, Body=b"value", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA=="
        ),
        400,
    )


@capability("default-content-type")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """An object without a content type has S3's: binary/octet-stream."""
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/a.txt", Body=b"value")
    head = client.head_object(Bucket=server.bucket, Key=f"{prefix}/a.txt")
    assert head["ContentType"] == "binary/octet-stream"


@capability("content-type")
def _(client: Any, server: S3Server, prefix: str) -> None:
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/a", Body=b"value", ContentType="text/x-a; b=c")
    head = client.head_object(Bucket=server.bucket, Key=f"{prefix}/a")
    assert head["ContentType"] == "text/x-a; b=c"


@capability("content-encoding")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """The content encoding is kept, and the bytes come back as they were sent."""
    place = {"Bucket": server.bucket, "Key": prefix}
    client.put_object(**place, Body=b"value", ContentEncoding="gzip")
    response = client.get_object(**place)
    assert (response["Body"].read(), response.get("ContentEncoding")) == (b"value", "gzip")


@capability("metadata")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """User metadata come back, for example under the key that Metaflow uses."""
    attributes = {"metaflow-user-attributes": '{"a": "\\u00e9 b, c"}'}
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value", Metadata=attributes)
    assert client.head_object(Bucket=server.bucket, Key=prefix)["Metadata"] == attributes


@capability("large-metadata")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Likewise if they take nearly the 2 KB that S3 allows."""
    attributes = {"metaflow-user-attributes": '{"a": "' + "b" * 1880 + '"}'}
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value", Metadata=attributes)
    assert client.head_object(Bucket=server.bucket, Key=prefix)["Metadata"] == attributes


@capability("sse")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Server-side encryption with AES256 is accepted, and reported by HEAD."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value", ServerSideEncryption="AES256")
    assert client.head_object(Bucket=server.bucket, Key=prefix)["ServerSideEncryption"] == "AES256"


@capability("sse-kms")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Likewise with the key service's default key."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value", ServerSideEncryption="aws:kms")
    assert client.head_object(Bucket=server.bucket, Key=prefix)["ServerSideEncryption"] == "aws:kms"


def _stored_both_ways(client: Any, server: S3Server, key: str, **headers: Any) -> "list[str]":
    """Store an object with one PUT and one in parts; give their keys."""
    client.put_object(Bucket=server.bucket, Key=key, Body=b"value", **headers)
    parts = {"Bucket": server.bucket, "Key": f"{key}-parts"}
    upload = client.create_multipart_upload(**parts, **headers)["UploadId"]
    etag = client.upload_part(**parts, UploadId=upload, PartNumber=1, Body=b"value")["ETag"]
    done = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    client.complete_multipart_upload(**parts, UploadId=upload, MultipartUpload=done)
    return [key, f"{key}-parts"]


@capability("object-headers")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """HTTP's headers of an object are kept, also of one that was stored in parts."""
    headers = {
        "CacheControl": "max-age=60, private",
        "ContentDisposition": 'attachment; filename="a b.txt"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
    }
    for key in _stored_both_ways(client, server, prefix, **headers):
        head = client.head_object(Bucket=server.bucket, Key=key)
        assert {name: head.get(name) for name in headers} == headers


@capability("storage-classes")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """So is the storage class."""
    for key in _stored_both_ways(client, server, prefix, StorageClass="STANDARD_IA"):
        assert client.head_object(Bucket=server.bucket, Key=key)["StorageClass"] == "STANDARD_IA"


@capability("tags")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """And tags."""
    for key in _stored_both_ways(client, server, prefix, Tagging="team=data&level=a%20b"):
        tags = client.get_object_tagging(Bucket=server.bucket, Key=key)["TagSet"]
        assert {one["Key"]: one["Value"] for one in tags} == {"team": "data", "level": "a b"}


@capability("tag-count")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A response to HEAD has the number of tags."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value", Tagging="team=data&level=a%20b")
    head = client.head_object(Bucket=server.bucket, Key=prefix)
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"] == "2"
