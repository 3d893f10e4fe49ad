"""Parts of objects, read and written."""

from typing import Any

from servers.capabilities.registry import capability, refused
from servers.s3_server import S3Server


@capability("ranges")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """From-to, open-ended, past-the-end and last-bytes ranges: the bytes, and the size of the whole."""
    for byte_range, given, content in _RANGES:
        response = _get_range(client, server.bucket, prefix, byte_range)
        assert (response["ContentRange"], response["Body"].read()) == (given, content)


@capability("206-for-ranges")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """The status of such a response is 206."""
    for byte_range, _given, _content in _RANGES:
        response = _get_range(client, server.bucket, prefix, byte_range)
        response["Body"].read()
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 206


@capability("no-whole-checksum-for-ranges")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """The response to a range does not hold the checksum of the whole, which the bytes can't have.

    boto3 requests checksums by default, and reports a checksum mismatch for such a response.
    """
    for byte_range, _given, content in _RANGES:
        response = _get_range(client, server.bucket, prefix, byte_range, ChecksumMode="ENABLED")
        assert response["Body"].read() == content


@capability("suffix-ranges-of-short-objects")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """``bytes=-99`` is all of an object that is shorter."""
    response = _get_range(client, server.bucket, prefix, "bytes=-99")
    assert (response["ContentRange"], response["Body"].read()) == ("bytes 0-9/10", b"0123456789")


_RANGES = [
    ("bytes=2-4", "bytes 2-4/10", b"234"),
    ("bytes=7-", "bytes 7-9/10", b"789"),
    ("bytes=8-99", "bytes 8-9/10", b"89"),
    ("bytes=-3", "bytes 7-9/10", b"789"),
]


def _get_range(client: Any, bucket: str, key: str, byte_range: str, **options: str) -> Any:
    client.put_object(Bucket=bucket, Key=key, Body=b"0123456789")
    return client.get_object(Bucket=bucket, Key=key, Range=byte_range, **options)


@capability("unsatisfiable-ranges")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A range past the end gets 416 InvalidRange."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"0123456789")
    refused(lambda: client.get_object(Bucket=server.bucket, Key=prefix, Range="bytes=10-"), 416, "InvalidRange")


@capability("ranges-of-empty-objects-are-416")
def _(client: Any, server: S3Server, prefix: str) -> None:
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"")
    refused(lambda: client.get_object(Bucket=server.bucket, Key=prefix, Range="bytes=0-9"), 416)


@capability("last-bytes-of-empty-objects-are-416")
def _(client: Any, server: S3Server, prefix: str) -> None:
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"")
    refused(lambda: client.get_object(Bucket=server.bucket, Key=prefix, Range="bytes=-3"), 416)


@capability("head-of-a-range")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """HEAD with a range returns the size of the range and of the whole object."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"0123456789")
    head = client.head_object(Bucket=server.bucket, Key=prefix, Range="bytes=2-4")
    assert head["ContentLength"] == 3
    assert head["ContentRange"] == "bytes 2-4/10"


@capability("multipart")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """An object of two parts comes back whole."""
    place = {"Bucket": server.bucket, "Key": prefix}
    _upload_in_parts(client, place, [b"a" * (5 << 20), b"b"])
    assert client.get_object(**place)["Body"].read() == b"a" * (5 << 20) + b"b"


@capability("multipart-etags")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """The ETag of an object of two parts ends in ``-2``, so it is recognizably no MD5."""
    place = {"Bucket": server.bucket, "Key": prefix}
    _upload_in_parts(client, place, [b"a" * (5 << 20), b"b"])
    assert client.head_object(**place)["ETag"].endswith('-2"')


@capability("get-of-a-part")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """GET with ``partNumber`` gives that part, and how many there are."""
    place = {"Bucket": server.bucket, "Key": prefix}
    _upload_in_parts(client, place, [b"a" * (5 << 20), b"b"])
    response = client.get_object(**place, PartNumber=2)
    assert (response["Body"].read(), response["PartsCount"]) == (b"b", 2)


@capability("multipart-checksums")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """With a checksum type of FULL_OBJECT, completing the upload gives the CRC32 of the whole."""
    place = {"Bucket": server.bucket, "Key": prefix}
    response = _upload_in_parts(client, place, [b"value"], ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    assert response["ChecksumCRC32"] == "HXdYNA=="


@capability("aborted-multipart-leaves-nothing")
def _(client: Any, server: S3Server, prefix: str) -> None:
    place = {"Bucket": server.bucket, "Key": prefix}
    upload = client.create_multipart_upload(**place)["UploadId"]
    client.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"value")
    client.abort_multipart_upload(**place, UploadId=upload)
    refused(lambda: client.list_parts(**place, UploadId=upload), 404, "NoSuchUpload")
    refused(lambda: client.head_object(**place), 404)


def _upload_in_parts(client: Any, place: dict[str, str], bodies: list[bytes], **options: str) -> Any:
    upload = client.create_multipart_upload(**place, **options)["UploadId"]
    algorithm = {k: v for k, v in options.items() if k == "ChecksumAlgorithm"}
    parts = []
    for number, body in enumerate(bodies, start=1):
        response = client.upload_part(**place, UploadId=upload, PartNumber=number, Body=body, **algorithm)
        # boto3 adds checksums to all parts; CompleteMultipartUpload may have them only if CreateMultipartUpload had.
        checksum = {"ChecksumCRC32": response["ChecksumCRC32"]} if algorithm and "ChecksumCRC32" in response else {}
        parts.append({"PartNumber": number, "ETag": response["ETag"], **checksum})
    return client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
