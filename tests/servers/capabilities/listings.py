"""The contents and the order of listings."""

import uuid
from typing import Any

from servers.capabilities.registry import capability
from servers.s3_server import S3Server

from metaflow_extensions.fasts3.wire.deletion import md5_of


@capability("list-pages")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Pages of a given size, with a token for the next, hold every key once."""
    expected = _put_all(client, server.bucket, [f"{prefix}/{number}" for number in range(7)])
    assert _list_all(client, server.bucket, f"{prefix}/", MaxKeys=3) == expected


@capability("list-pages-of-unicode-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Likewise, in whatever order, of keys that are written differently in URLs."""
    expected = _put_all(client, server.bucket, [f"{prefix}/{name}" for name in ("B", "a", "c 1", "c/é", "d", "漢")])
    assert sorted(_list_all(client, server.bucket, f"{prefix}/", MaxKeys=2), key=str.encode) == expected


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


@capability("list-no-empty-prefixes")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A common prefix goes with the last key below it."""
    _put_all(client, server.bucket, [f"{prefix}/a/b"])
    client.delete_object(Bucket=server.bucket, Key=f"{prefix}/a/b")
    assert "CommonPrefixes" not in client.list_objects_v2(Bucket=server.bucket, Prefix=f"{prefix}/", Delimiter="/")


@capability("list-text-prefixes")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A prefix is text: ``log`` finds ``log``, ``log/a`` and ``log_b``."""
    expected = _put_all(client, server.bucket, [f"{prefix}/{name}" for name in ("log-a", "log/a", "log_b")])
    assert sorted(_list_all(client, server.bucket, f"{prefix}/log")) == expected


@capability("control-character-prefixes")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """The response has the prefix of the request, encoded for URLs as the keys are."""
    expected = _put_all(client, server.bucket, [f"{prefix}/a\x01b/c"])
    page = client.list_objects_v2(Bucket=server.bucket, Prefix=f"{prefix}/a\x01b/")
    assert [entry["Key"] for entry in page["Contents"]] == expected


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


@capability("list-uploads")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Open multipart uploads are listed by a prefix of their keys; without any, the list is empty."""
    bucket = f"uploads-{uuid.uuid4().hex}"  # in which no test has had an upload
    client.create_bucket(Bucket=bucket)
    try:
        assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket, Prefix=prefix)
        at = {"Bucket": bucket, "Key": f"{prefix}/a"}
        upload_id = client.create_multipart_upload(**at)["UploadId"]
        [found] = client.list_multipart_uploads(Bucket=bucket, Prefix=f"{prefix}/")["Uploads"]
        assert (found["Key"], found["UploadId"]) == (at["Key"], upload_id)
        assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket, Prefix=f"{prefix}/b")
        client.abort_multipart_upload(**at, UploadId=upload_id)
    finally:
        client.delete_bucket(Bucket=bucket)


@capability("list-uploads-below-an-upload")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """An upload of the key ``a`` is not below the prefix ``a/``."""
    at = {"Bucket": server.bucket, "Key": f"{prefix}/a"}
    upload_id = client.create_multipart_upload(**at)["UploadId"]
    try:
        found = client.list_multipart_uploads(Bucket=server.bucket, Prefix=f"{prefix}/a/")
    finally:
        client.abort_multipart_upload(**at, UploadId=upload_id)
    assert "Uploads" not in found


@capability("bulk-delete")
def _(client: Any, server: S3Server, prefix: str) -> None:
    keys = _put_all(client, server.bucket, [f"{prefix}/{name}" for name in "abc"])
    client.delete_objects(Bucket=server.bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert _list_all(client, server.bucket, prefix) == []


@capability("bulk-delete-leaves-nothing")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Nor is a prefix left that all its keys were deleted from; with Content-MD5, which some servers require."""

    def add_md5(params: Any, **_: Any) -> None:
        params["headers"]["Content-MD5"] = md5_of(params["body"])

    client.meta.events.register("before-call.s3.DeleteObjects", add_md5)
    keys = _put_all(client, server.bucket, [f"{prefix}/{name}" for name in ("a/b/c", "a/d")])
    client.delete_objects(Bucket=server.bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert _list_all(client, server.bucket, prefix) == []


def _put_all(client: Any, bucket: str, keys: list[str]) -> list[str]:
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"value")
    return sorted(keys, key=str.encode)


def _list_all(client: Any, bucket: str, prefix: str, **options: Any) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **options)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]
