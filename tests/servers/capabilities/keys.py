"""Keys, from plain to unusual ones."""

from typing import Any

from servers.capabilities.registry import capability
from servers.s3_server import S3Server


def keeps(client: Any, bucket: str, key: str, also: str = "") -> None:
    """Check that an object comes back under exactly this key, from GET and from a listing."""
    client.put_object(Bucket=bucket, Key=key, Body=b"value")
    assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == b"value"
    prefix = key[: key.index("test-") + 37]
    found = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    assert [entry["Key"] for entry in found] == sorted(filter(None, [key, also]))


@capability("object-beside-prefix")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Objects ``a`` and ``a/b`` can both be there."""
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/a", Body=b"value")
    keeps(client, server.bucket, f"{prefix}/a/b", also=f"{prefix}/a")


@capability("parts-beside-prefix")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """The same for an object ``a`` in parts that comes after ``a/b``."""
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/a/b", Body=b"value")
    place = {"Bucket": server.bucket, "Key": f"{prefix}/a"}
    upload = client.create_multipart_upload(**place)["UploadId"]
    etag = client.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"in parts")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
    assert client.get_object(**place)["Body"].read() == b"in parts"


@capability("delete-of-a-prefix")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A prefix is no object, and where there is none, nothing is deleted and nothing is wrong."""
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/a/b", Body=b"value")
    client.delete_object(Bucket=server.bucket, Key=f"{prefix}/a")
    assert client.get_object(Bucket=server.bucket, Key=f"{prefix}/a/b")["Body"].read() == b"value"


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


@capability("directories-in-both-unicode-forms")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Names of directories that differ in nothing but their Unicode form (NFC, NFD) are two names."""
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/\u00e9/a", Body=b"another value")
    keeps(client, server.bucket, f"{prefix}/e\u0301/a", also=f"{prefix}/\u00e9/a")
    assert client.get_object(Bucket=server.bucket, Key=f"{prefix}/\u00e9/a")["Body"].read() == b"another value"


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


@capability("control-character-uploads")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Likewise where a multipart upload is opened, whose response holds the key."""
    place = {"Bucket": server.bucket, "Key": f"{prefix}/a\x01b"}
    client.abort_multipart_upload(**place, UploadId=client.create_multipart_upload(**place)["UploadId"])


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
