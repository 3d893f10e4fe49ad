"""Conditional requests."""

from typing import Any, Callable

from servers.capabilities.registry import capability, refused
from servers.s3_server import S3Server


@capability("conditional-writes")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """PUT with ``If-None-Match: *`` gets 412 if the object exists, and changes nothing."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"first", IfNoneMatch="*")
    refused(
        lambda: client.put_object(Bucket=server.bucket, Key=prefix, Body=b"second", IfNoneMatch="*"),
        412,
        "PreconditionFailed",
    )
    assert client.get_object(Bucket=server.bucket, Key=prefix)["Body"].read() == b"first"


@capability("conditional-writes-beside-prefix")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Likewise where the key is the prefix of others and no object: there is nothing to be left alone."""
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/a", Body=b"value")
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"first", IfNoneMatch="*")
    assert client.get_object(Bucket=server.bucket, Key=prefix)["Body"].read() == b"first"


@capability("conditional-multipart")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """CompleteMultipartUpload with ``If-None-Match: *`` gets 412 if the object exists."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"first")
    place = {"Bucket": server.bucket, "Key": prefix}
    upload = client.create_multipart_upload(**place)["UploadId"]
    etag = client.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"second")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    refused(
        lambda: client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts, IfNoneMatch="*"),
        412,
    )
    assert client.get_object(**place)["Body"].read() == b"first"


@capability("conditional-replacements")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """PUT with ``If-Match`` gets 412 if the object has another ETag, and changes nothing."""
    _replace(client, {"Bucket": server.bucket, "Key": prefix}, lambda etag: etag.strip('"'))


@capability("quoted-conditional-replacements")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Likewise with the ETag as HTTP has it, in quotes."""
    _replace(client, {"Bucket": server.bucket, "Key": prefix}, str)


def _replace(client: Any, place: "dict[str, str]", written: "Callable[[str], str]") -> None:
    first = written(client.put_object(**place, Body=b"first")["ETag"])
    client.put_object(**place, Body=b"second", IfMatch=first)
    refused(lambda: client.put_object(**place, Body=b"third", IfMatch=first), 412, "PreconditionFailed")
    assert client.get_object(**place)["Body"].read() == b"second"


@capability("conditional-multipart-replacements")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """CompleteMultipartUpload with ``If-Match`` gets 412 if the object has another ETag.

    One after the other: of several at the same moment, SeaweedFS lets some win that should not.
    """
    place = {"Bucket": server.bucket, "Key": prefix}
    first = client.put_object(**place, Body=b"first")["ETag"]

    def replace(body: bytes) -> None:
        upload = client.create_multipart_upload(**place)["UploadId"]
        etag = client.upload_part(**place, UploadId=upload, PartNumber=1, Body=body)["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts, IfMatch=first)

    replace(b"second")
    refused(lambda: replace(b"third"), 412)
    assert client.get_object(**place)["Body"].read() == b"second"


@capability("conditional-reads")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """GET with ``If-Match`` gets 412 for another version of the object, and the object for this version."""
    place = {"Bucket": server.bucket, "Key": prefix}
    first = client.put_object(**place, Body=b"first")["ETag"]
    second = client.put_object(**place, Body=b"second")["ETag"]
    assert client.get_object(**place, IfMatch=second)["Body"].read() == b"second"
    refused(lambda: client.get_object(**place, IfMatch=first), 412, "PreconditionFailed")


@capability("conditional-deletions")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """DELETE with ``If-Match`` gets 412 for another ETag than that of the object, and so does DeleteObjects."""
    place = {"Bucket": server.bucket, "Key": prefix}
    first = client.put_object(**place, Body=b"first")["ETag"]
    second = client.put_object(**place, Body=b"second")["ETag"]
    refused(lambda: client.delete_object(**place, IfMatch=first), 412, "PreconditionFailed")
    wanted = {"Objects": [{"Key": prefix, "ETag": first}]}
    response = client.delete_objects(Bucket=server.bucket, Delete=wanted)
    assert [one["Code"] for one in response["Errors"]] == ["PreconditionFailed"]
    assert client.get_object(**place)["Body"].read() == b"second"
    client.delete_object(**place, IfMatch=second)
