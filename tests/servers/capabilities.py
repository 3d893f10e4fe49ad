"""What servers can and can't do. The names are the vocabulary of `S3Server.lacks`.

A capability is a function that succeeds on a server that has it, and fails with an AssertionError or
botocore's ClientError on one that has not. `test_capabilities` runs each on each server and compares with
`LACKS`, so that table is not an opinion: it says what these versions do, and a new version that learns
something is noticed.

What a test is about, it asks for by name: ``if "conditional-writes" in server.lacks: pytest.skip(...)``.
"""

from typing import Any, Callable

import pytest
from botocore.exceptions import ClientError
from servers.s3_server import S3Server

CAPABILITIES: dict[str, Callable[[Any, S3Server, str], None]] = {}

# As found with SeaweedFS 4.48, moto 5.2 and rclone 1.75.
LACKS: dict[str, frozenset[str]] = {
    "moto": frozenset(
        {
            "signatures",  # nor does it look who signed
            "unknown-identities",
            "newline-keys",  # 404
            "checksum-verification",
            "md5-verification",
            "get-of-a-part",  # gives the part, does not say of how many
            "multipart-checksums",
        }
    ),
    "seaweedfs": frozenset(
        {
            "prefixes-are-no-objects",  # 200 and no bytes
            # It makes paths of keys, so some keys become others: a//b is a/b, /a is a, a\b is a/b.
            "double-slash-keys",
            "leading-slash-keys",
            "backslash-keys",
            "dot-keys",  # 400
            "trailing-slash-keys",  # it keeps the name and drops the bytes
            "trailing-slash-beside-prefix",
            "long-segment-keys",  # 400 KeyTooLongError
            "default-content-type",  # guessed from the name, else application/octet-stream
            "sse-kms",  # 500
            "head-of-a-range",  # ignores the range
            "list-order",  # by path segment: what is below a/ comes before a-
            "list-start-after-an-object-and-prefix",  # skips what is below
        }
    ),
    "rclone": frozenset(
        {
            "conditional-writes",  # overwrites
            "conditional-multipart",
            "conditional-reads",
            "object-beside-prefix",  # 500, after a second
            "list-start-after-an-object-and-prefix",
            "trailing-slash-beside-prefix",
            "trailing-slash-keys",  # drops the slash
            "double-slash-keys",  # 400, after a second
            "leading-slash-keys",
            "dot-keys",
            "long-segment-keys",  # 500
            "checksum-on-put",
            "checksum-verification",
            "default-content-type",  # application/octet-stream
            "metadata",  # changes the case of the names: Metaflow-User-Attributes
            "large-metadata",
            "206-for-ranges",  # 200, with a Content-Range
            "no-whole-checksum-for-ranges",
            "suffix-ranges-of-short-objects",  # 416
            "head-of-a-range",
            "multipart-etags",  # an MD5
            "get-of-a-part",
            "multipart-checksums",
        }
    ),
}


def capability(name: str) -> Callable[[Any], Any]:
    """Register what follows under a name."""

    def register(function: Any) -> Any:
        CAPABILITIES[name] = function
        return function

    return register


def refused(call: Callable[[], Any], status: int, code: str = "") -> None:
    """Check that the call fails in this way."""
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert not code or caught.value.response["Error"]["Code"] == code


def keeps(client: Any, bucket: str, key: str, also: str = "") -> None:
    """Check that an object comes back under exactly this key, from GET and from a listing."""
    client.put_object(Bucket=bucket, Key=key, Body=b"value")
    assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == b"value"
    prefix = key[: key.index("test-") + 37]
    found = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    assert [entry["Key"] for entry in found] == sorted(filter(None, [key, also]))


# --- Who may ask, and what is refused


@capability("signatures")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A request that is signed with another secret is refused."""
    stranger = server.boto3_client(aws_secret_access_key="another")  # noqa: S106
    try:
        refused(lambda: stranger.list_objects_v2(Bucket=server.bucket), 403, "SignatureDoesNotMatch")
    finally:
        stranger.close()


@capability("unknown-identities")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """An access key id that nobody has is refused."""
    stranger = server.boto3_client(aws_access_key_id="nobody")
    try:
        refused(lambda: stranger.list_objects_v2(Bucket=server.bucket), 403, "InvalidAccessKeyId")
    finally:
        stranger.close()


@capability("missing-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """GET of a missing key answers 404 NoSuchKey, HEAD 404."""
    refused(lambda: client.get_object(Bucket=server.bucket, Key=prefix), 404, "NoSuchKey")
    refused(lambda: client.head_object(Bucket=server.bucket, Key=prefix), 404)


@capability("missing-keys-below-an-object")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Likewise when part of the path is an object."""
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/a", Body=b"value")
    refused(lambda: client.get_object(Bucket=server.bucket, Key=f"{prefix}/a/b"), 404, "NoSuchKey")


@capability("prefixes-are-no-objects")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """GET and HEAD of a key that only is the prefix of others answer 404."""
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/a/b", Body=b"value")
    refused(lambda: client.get_object(Bucket=server.bucket, Key=f"{prefix}/a"), 404, "NoSuchKey")
    refused(lambda: client.head_object(Bucket=server.bucket, Key=f"{prefix}/a"), 404)
    refused(lambda: client.head_object(Bucket=server.bucket, Key=f"{prefix}/a/"), 404)


@capability("missing-buckets")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """GET, list and PUT in a missing bucket answer 404 NoSuchBucket."""
    refused(lambda: client.get_object(Bucket="not-there", Key="a"), 404, "NoSuchBucket")
    refused(lambda: client.list_objects_v2(Bucket="not-there"), 404, "NoSuchBucket")
    refused(lambda: client.put_object(Bucket="not-there", Key="a", Body=b""), 404, "NoSuchBucket")


@capability("request-ids")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Errors come with a request id."""
    with pytest.raises(ClientError) as caught:
        client.get_object(Bucket=server.bucket, Key=prefix)
    assert caught.value.response["ResponseMetadata"]["RequestId"]


# --- Conditions


@capability("conditional-writes")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """PUT with ``If-None-Match: *`` answers 412 where there is an object, and leaves it alone."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"first", IfNoneMatch="*")
    refused(
        lambda: client.put_object(Bucket=server.bucket, Key=prefix, Body=b"second", IfNoneMatch="*"),
        412,
        "PreconditionFailed",
    )
    assert client.get_object(Bucket=server.bucket, Key=prefix)["Body"].read() == b"first"


@capability("conditional-multipart")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """CompleteMultipartUpload with ``If-None-Match: *`` answers 412 where there is an object."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"first")
    place = {"Bucket": server.bucket, "Key": prefix}
    upload = client.create_multipart_upload(**place)["UploadId"]
    etag = client.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"second")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    refused(
        lambda: client.complete_multipart_upload(
            **place, UploadId=upload, MultipartUpload=parts, IfNoneMatch="*"
        ),
        412,
    )
    assert client.get_object(**place)["Body"].read() == b"first"


@capability("conditional-reads")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """GET with ``If-Match`` answers 412 for another version of the object, the object for this one."""
    place = {"Bucket": server.bucket, "Key": prefix}
    first = client.put_object(**place, Body=b"first")["ETag"]
    second = client.put_object(**place, Body=b"second")["ETag"]
    assert client.get_object(**place, IfMatch=second)["Body"].read() == b"second"
    refused(lambda: client.get_object(**place, IfMatch=first), 412, "PreconditionFailed")


# --- Keys


@capability("object-beside-prefix")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Objects ``a`` and ``a/b`` can both be there."""
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/a", Body=b"value")
    keeps(client, server.bucket, f"{prefix}/a/b", also=f"{prefix}/a")


@capability("double-slash-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    keeps(client, server.bucket, f"{prefix}/a//b")


@capability("dot-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Segments ``.`` and ``..`` are names like any other."""
    keeps(client, server.bucket, f"{prefix}/a/./b")
    keeps(client, server.bucket, f"{prefix}/a/../b", also=f"{prefix}/a/./b")


@capability("leading-slash-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    keeps(client, server.bucket, f"/{prefix}/a")


@capability("trailing-slash-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    keeps(client, server.bucket, f"{prefix}/a/")


@capability("trailing-slash-beside-prefix")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Object ``a/`` can be beside ``a/b``: what consoles make as folder markers."""
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/a/b", Body=b"value")
    keeps(client, server.bucket, f"{prefix}/a/", also=f"{prefix}/a/b")


@capability("punctuation-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    keeps(client, server.bucket, f"{prefix}/a b+c%20d%2Fe?f=g&h#i;j'k\"l<m>n{{o}}|p^q`r~s!t*u(v)w@x:y,z=$[]")


@capability("backslash-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    keeps(client, server.bucket, f"{prefix}/a\\b")


@capability("unicode-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    keeps(client, server.bucket, f"{prefix}/é-e\u0301-漢字-😀")


@capability("tab-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    keeps(client, server.bucket, f"{prefix}/a\tb")


@capability("newline-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    keeps(client, server.bucket, f"{prefix}/a\nb\rc")


@capability("control-character-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """The other control characters, which XML 1.0 can't hold: listings need ``encoding-type=url``."""
    keeps(client, server.bucket, f"{prefix}/a\x01b\x1fc\x7fd")


@capability("space-at-ends-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    keeps(client, server.bucket, f"{prefix}/ a ")


@capability("long-segment-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A segment of more than 255 bytes, the most that most file systems take."""
    keeps(client, server.bucket, f"{prefix}/{'a' * 300}")


@capability("long-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """1,024 bytes, the most that S3 takes."""
    keeps(client, server.bucket, (f"{prefix}/" + f"{'a' * 99}/" * 10)[:1023] + "z")


# --- Contents and what is known of them


@capability("etag-is-md5")
def _(client: Any, server: S3Server, prefix: str) -> None:
    reply = client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value")
    assert reply["ETag"] == '"2063c1608d6e0baf80249c42e2be5804"'


@capability("checksum-on-put")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """The reply to PUT holds the CRC32 that was sent."""
    reply = client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value", ChecksumAlgorithm="CRC32")
    assert reply["ChecksumCRC32"] == "HXdYNA=="


@capability("checksum-on-get")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """GET with ``x-amz-checksum-mode: ENABLED`` gives the CRC32 of the object."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value", ChecksumAlgorithm="CRC32")
    reply = client.get_object(Bucket=server.bucket, Key=prefix, ChecksumMode="ENABLED")
    reply["Body"].read()
    assert reply["ChecksumCRC32"] == "HXdYNA=="


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
    reply = client.get_object(**place)
    assert (reply["ContentEncoding"], reply["Body"].read()) == ("gzip", b"value")


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
    """Server-side encryption with AES256 is accepted, and said on HEAD."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value", ServerSideEncryption="AES256")
    assert client.head_object(Bucket=server.bucket, Key=prefix)["ServerSideEncryption"] == "AES256"


@capability("sse-kms")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Likewise with the key service's default key."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value", ServerSideEncryption="aws:kms")
    assert client.head_object(Bucket=server.bucket, Key=prefix)["ServerSideEncryption"] == "aws:kms"


# --- Ranges and parts


@capability("ranges")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """From-to, open-ended, past-the-end and last-bytes ranges: the bytes, and the size of the whole."""
    for asked, given, content in _RANGES:
        reply = _get_range(client, server.bucket, prefix, asked)
        assert (reply["ContentRange"], reply["Body"].read()) == (given, content)


@capability("206-for-ranges")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """The status of such a reply says that it is a part."""
    for asked, _given, _content in _RANGES:
        reply = _get_range(client, server.bucket, prefix, asked)
        reply["Body"].read()
        assert reply["ResponseMetadata"]["HTTPStatusCode"] == 206


@capability("no-whole-checksum-for-ranges")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """The reply to a range does not hold the checksum of the whole, which the bytes can't have.

    boto3 asks for checksums by default, and takes such a reply for damaged.
    """
    for asked, _given, content in _RANGES:
        reply = _get_range(client, server.bucket, prefix, asked, ChecksumMode="ENABLED")
        assert reply["Body"].read() == content


@capability("suffix-ranges-of-short-objects")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """``bytes=-99`` is all of an object that is shorter."""
    reply = _get_range(client, server.bucket, prefix, "bytes=-99")
    assert (reply["ContentRange"], reply["Body"].read()) == ("bytes 0-9/10", b"0123456789")


_RANGES = [
    ("bytes=2-4", "bytes 2-4/10", b"234"),
    ("bytes=7-", "bytes 7-9/10", b"789"),
    ("bytes=8-99", "bytes 8-9/10", b"89"),
    ("bytes=-3", "bytes 7-9/10", b"789"),
]


def _get_range(client: Any, bucket: str, key: str, asked: str, **options: str) -> Any:
    client.put_object(Bucket=bucket, Key=key, Body=b"0123456789")
    return client.get_object(Bucket=bucket, Key=key, Range=asked, **options)


@capability("unsatisfiable-ranges")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A range past the end answers 416 InvalidRange."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"0123456789")
    refused(
        lambda: client.get_object(Bucket=server.bucket, Key=prefix, Range="bytes=10-"), 416, "InvalidRange"
    )


@capability("ranges-of-empty-objects-are-416")
def _(client: Any, server: S3Server, prefix: str) -> None:
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"")
    refused(lambda: client.get_object(Bucket=server.bucket, Key=prefix, Range="bytes=0-9"), 416)


@capability("head-of-a-range")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """HEAD with a range tells the size of the range and of the whole."""
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
    """The ETag of an object of two parts ends in ``-2``, so that nobody takes it for an MD5."""
    place = {"Bucket": server.bucket, "Key": prefix}
    _upload_in_parts(client, place, [b"a" * (5 << 20), b"b"])
    assert client.head_object(**place)["ETag"].endswith('-2"')


@capability("get-of-a-part")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """GET with ``partNumber`` gives that part, and how many there are."""
    place = {"Bucket": server.bucket, "Key": prefix}
    _upload_in_parts(client, place, [b"a" * (5 << 20), b"b"])
    reply = client.get_object(**place, PartNumber=2)
    assert (reply["Body"].read(), reply["PartsCount"]) == (b"b", 2)


@capability("multipart-checksums")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """With a checksum type of FULL_OBJECT, completing the upload gives the CRC32 of the whole."""
    place = {"Bucket": server.bucket, "Key": prefix}
    reply = _upload_in_parts(client, place, [b"value"], ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    assert reply["ChecksumCRC32"] == "HXdYNA=="


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
        reply = client.upload_part(**place, UploadId=upload, PartNumber=number, Body=body, **algorithm)
        checksum = {"ChecksumCRC32": reply["ChecksumCRC32"]} if "ChecksumCRC32" in reply else {}
        parts.append({"PartNumber": number, "ETag": reply["ETag"], **checksum})
    return client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})


# --- Listings


@capability("list-pages")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Pages of a given size, with a token for the next, hold every key once."""
    expected = _put_all(client, server.bucket, [f"{prefix}/{number}" for number in range(7)])
    assert _list_all(client, server.bucket, f"{prefix}/", MaxKeys=3) == expected


@capability("list-order")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Keys come in the order of their UTF-8 bytes: ``a-``, ``a/b``, ``a0``."""
    names = ["a0", "a/b", "a-", "B", "é", "a/b-c", "a/b.c"]
    expected = _put_all(client, server.bucket, [f"{prefix}/{name}" for name in names])
    assert _list_all(client, server.bucket, f"{prefix}/") == expected
    assert _list_all(client, server.bucket, f"{prefix}/", MaxKeys=2) == expected


@capability("list-delimiter")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """With a delimiter, what is below it is rolled up into common prefixes."""
    _put_all(client, server.bucket, [f"{prefix}/{name}" for name in ("a", "b/c", "b/d", "e/f/g")])
    page = client.list_objects_v2(Bucket=server.bucket, Prefix=f"{prefix}/", Delimiter="/")
    assert [entry["Key"] for entry in page["Contents"]] == [f"{prefix}/a"]
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == [f"{prefix}/b/", f"{prefix}/e/"]


@capability("list-delimiter-pages")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Pages of a listing with a delimiter hold each common prefix once."""
    _put_all(client, server.bucket, [f"{prefix}/{a}/{b}" for a in "abcde" for b in "xyz"])
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=server.bucket, Prefix=f"{prefix}/", Delimiter="/", MaxKeys=2
    )
    found = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
    assert found == [f"{prefix}/{a}/" for a in "abcde"]


@capability("list-text-prefixes")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A prefix is text: ``log`` finds ``log``, ``log/a`` and ``log_b``."""
    expected = _put_all(client, server.bucket, [f"{prefix}/{name}" for name in ("log-a", "log/a", "log_b")])
    assert sorted(_list_all(client, server.bucket, f"{prefix}/log")) == expected


@capability("list-start-after")
def _(client: Any, server: S3Server, prefix: str) -> None:
    expected = _put_all(client, server.bucket, [f"{prefix}/{name}" for name in ("a", "b/c", "b/d", "e")])
    found = _list_all(client, server.bucket, f"{prefix}/", StartAfter=f"{prefix}/b/c")
    assert found == expected[2:]


@capability("list-start-after-an-object-and-prefix")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Likewise where the key to start after is an object and a prefix: what is below it is listed."""
    expected = _put_all(client, server.bucket, [f"{prefix}/{name}" for name in ("a", "a/b", "a/c")])
    found = _list_all(client, server.bucket, f"{prefix}/", StartAfter=f"{prefix}/a")
    assert found == expected[1:]


@capability("bulk-delete")
def _(client: Any, server: S3Server, prefix: str) -> None:
    keys = _put_all(client, server.bucket, [f"{prefix}/{name}" for name in "abc"])
    client.delete_objects(Bucket=server.bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert _list_all(client, server.bucket, prefix) == []


def _put_all(client: Any, bucket: str, keys: list[str]) -> list[str]:
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"value")
    return sorted(keys, key=str.encode)


def _list_all(client: Any, bucket: str, prefix: str, **options: Any) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **options)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]
