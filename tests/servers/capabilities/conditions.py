"""Conditional requests."""

import select
from contextlib import closing
from http.client import HTTPConnection
from typing import Any, Callable
from urllib.parse import urlsplit

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


@capability("overlapping-conditional-writes")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Of two such uploads that overlap, one gets 412: the server compares when an upload ends."""
    for attempt in range(3):  # on a busy machine, the first upload may begin after the second has ended
        _overlap(client, {"Bucket": server.bucket, "Key": f"{prefix}/{attempt}"})


def _overlap(client: Any, place: "dict[str, str]") -> None:
    headers = {"If-None-Match": "*", "Content-Length": "4"}
    url = urlsplit(client.generate_presigned_url("put_object", Params={**place, "IfNoneMatch": "*"}))
    with closing(HTTPConnection(url.netloc, timeout=60)) as one, closing(HTTPConnection(url.netloc, timeout=60)) as two:
        one.request("PUT", f"{url.path}?{url.query}", b"fi", headers)
        client.list_objects_v2(Bucket=place["Bucket"], Prefix=place["Key"])  # gives the first upload the time to begin
        two.request("PUT", f"{url.path}?{url.query}", b"more", headers)
        # A server that processes one upload after the other responds to the second later.
        select.select([two.sock], [], [], 5)
        one.send(b"ve")
        statuses = [connection.getresponse().status for connection in (one, two)]
    assert sorted(statuses) == [200, 412]
    assert client.get_object(**place)["Body"].read() == (b"five" if statuses[0] == 200 else b"more")


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


@capability("uploads-with-if-match")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """PUT with the ``If-Match`` of the object is accepted."""
    place = {"Bucket": server.bucket, "Key": prefix}
    first = client.put_object(**place, Body=b"first")["ETag"]
    client.put_object(**place, Body=b"second", IfMatch=first.strip('"'))


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
    """DELETE with ``If-Match`` gets 412 for another ETag than that of the object."""
    place = {"Bucket": server.bucket, "Key": prefix}
    first, second = _two_versions(client, place)
    refused(lambda: client.delete_object(**place, IfMatch=first), 412, "PreconditionFailed")
    assert client.get_object(**place)["Body"].read() == b"second"
    client.delete_object(**place, IfMatch=second)


@capability("conditional-bulk-deletions")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """And so does DeleteObjects, for each of its objects."""
    place = {"Bucket": server.bucket, "Key": prefix}
    first, second = _two_versions(client, place)
    response = client.delete_objects(Bucket=server.bucket, Delete={"Objects": [{"Key": prefix, "ETag": first}]})
    assert [one["Code"] for one in response["Errors"]] == ["PreconditionFailed"]
    assert client.get_object(**place)["Body"].read() == b"second"
    response = client.delete_objects(Bucket=server.bucket, Delete={"Objects": [{"Key": prefix, "ETag": second}]})
    assert "Errors" not in response


def _two_versions(client: Any, place: "dict[str, str]") -> "tuple[str, str]":
    """Store an object and replace it; give both ETags."""
    first, second = (client.put_object(**place, Body=body)["ETag"] for body in (b"first", b"second"))
    return first, second
