"""Uses of the typed names, for type checkers. Not a test; test_types has checkers read it.

Each line that is marked as wrong must be an error, and no other line may be one.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional
from urllib.request import urlopen

from metaflow_extensions.fasts3.typed import (
    S3,
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    PutValue,
    RangeInfo,
    S3Downloads,
    S3GetObject,
    S3Object,
    S3Objects,
    S3PutObject,
    S3Transfers,
    S3Upload,
)

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Own(S3):
    """A user's own."""

    def own(self) -> int:
        return 1


def clients() -> None:
    with S3(s3root="s3://b/k") as s3, Own() as own:
        assert_type(s3, S3)
        assert_type(own, Own)
        own.own()
        s3.own()  # wrong
        assert_type(s3.close(), None)
        assert_type(s3.transfers, str)
    S3(s3root=5)  # wrong
    S3(root="s3://b/k")  # wrong
    S3(run="Flow/1")  # wrong
    S3(run=None, tmproot="/tmp", client_params={"endpoint_url": "http://localhost"})


def one(s3: S3) -> None:
    got = s3.get("k", return_missing=True)
    assert_type(got, S3Object)
    assert_type(s3.info("k"), S3Object)
    assert_type((got.exists, got.downloaded, got.has_info), tuple[bool, bool, bool])
    assert_type((got.url, got.key), tuple[str, str])
    assert_type((got.prefix, got.path, got.text), tuple[Optional[str], Optional[str], Optional[str]])
    assert_type((got.content_type, got.encryption), tuple[Optional[str], Optional[str]])
    assert_type((got.size, got.last_modified), tuple[Optional[int], Optional[int]])
    assert_type(got.blob, Optional[bytes])
    assert_type(got.metadata, Optional[dict[str, Any]])
    assert_type(got.range_info, Optional[RangeInfo])
    if got.range_info:
        assert_type(got.range_info.total_size, int)
    got.text.upper()  # wrong
    got.size + 1  # wrong
    got.url = "s3://b/k"  # wrong
    got.contents  # wrong # noqa: B018
    s3.get(5)  # wrong
    s3.get(S3GetObject("k", 0, 5))
    s3.get(S3GetObject("k", "0"))  # wrong
    s3.info(S3GetObject("k", version_id="v"))
    assert_type((got.version_id, got.is_latest), tuple[Optional[str], Optional[bool]])
    assert_type(got.is_delete_marker, bool)
    assert_type(s3.presign("k", 60, "PUT"), str)
    assert_type((got.storage_class, got.all_metadata), tuple[Optional[str], Optional[dict[str, Any]]])
    assert_type(s3.list_buckets(), list[str])
    s3.create_bucket(5)  # wrong
    assert_type(s3.delete("k", version_id="v"), None)


def many(s3: S3) -> None:
    for found in (
        s3.get_many(["a", S3GetObject("b", 0, 5)], return_info=False),
        s3.get_recursive(["a"]),
        s3.get_all(),
        s3.list_paths(),
        s3.list_recursive(iter(["a"])),
        s3.info_many({"a": 1}),
        s3.list_versions(["a"]),
    ):
        assert_type(found, S3Objects)
    found = s3.list_paths(["a"])
    assert_type(found[0], S3Object)
    assert_type(found[1:], S3Objects)
    assert_type(found.copy(), S3Objects)
    assert_type(found + found, S3Objects)
    assert_type(found + list(found), list[S3Object])
    assert_type(sorted(found, key=lambda one: one.key), list[S3Object])
    assert_type([one.size for one in found], list[Optional[int]])
    as_before: list[S3Object] = found
    as_before.append(found[0])
    found.append("a")  # wrong
    s3.get_many([5])  # wrong
    s3.get_many("a", return_mising=True)  # wrong
    s3.list_paths([S3GetObject("a")])  # wrong
    assert_type(s3.iter_list(["a"], include="*.csv"), Iterator[S3Object])
    assert_type(s3.abort_uploads(s3.iter_uploads()), int)
    for upload in s3.iter_uploads(["a"]):
        assert_type(upload, S3Upload)
        assert_type(upload.age, Optional[float])


def writes(s3: S3, value: PutValue) -> None:
    assert_type(s3.put("k", value, metadata={"n": 1}), str)
    assert_type(s3.put_many([("a", "x"), S3PutObject("b", b"y")]), list[tuple[str, str]])
    assert_type(s3.put_many({"a": "x", "b": "y"}.items()), list[tuple[str, str]])
    assert_type(s3.put_files([("a", "/etc/hosts")], overwrite=False), list[tuple[str, str]])
    with open("k", "rb") as file:
        s3.put("k", file)
    with open("k", encoding="utf-8") as text:
        s3.put("k", text)  # wrong
    s3.put("k", 5)  # wrong
    found = s3.get("a")
    assert_type(s3.copy(found, "k", metadata={"n": 1}), str)
    copied = s3.copy_many([("a", "b"), (found, "c"), (S3GetObject("d"), "e")])
    assert_type(copied, S3Transfers)
    assert_type((copied[0], copied.unchanged), tuple[tuple[str, str], list[tuple[str, str]]])
    assert_type(s3.copy_recursive("a", "b", include="*", dry_run=True), S3Transfers)
    assert_type(s3.upload(["a", Path("b")], "c", content_type="text/plain").deleted, list[str])
    down = s3.download(["a", found, (found, "b"), ("c", "d")], "e", compare=False)
    assert_type(down, S3Downloads)
    assert_type((down[0], down.unchanged, down.deleted), tuple[S3Object, S3Objects, list[str]])
    s3.download([("a", 5)], "e")  # wrong
    assert_type(s3.delete_many([found, "a"]), int)
    s3.copy(5, "k")  # wrong
    s3.put_many(["ab"])  # wrong
    s3.put_files([("a", b"x")])  # wrong


def files(s3: S3) -> None:
    with s3.open("k") as reader, s3.open("k", "wb", metadata={"n": 1}) as writer:
        assert_type(reader, io.BufferedReader)
        assert_type(writer, io.BufferedIOBase)
        assert_type(reader.read(), bytes)
        writer.write(reader.read(5))
        writer.write("text")  # wrong
    with s3.open("k", "r", newline="") as text, s3.open("k", "x") as other:
        assert_type(text, io.TextIOWrapper)
        other.write(text.read())
        other.write(b"bytes")  # wrong
    s3.open("k", look_ahead=2**20)
    s3.open("k", if_match="e")
    assert_type(s3.open("k", "wb", encryption="AES256", if_match="e", extra_args={"ACL": "private"}), io.BufferedIOBase)
    s3.open(5)  # wrong
    s3.open("k", "rb", look_ahead="much")  # wrong
    s3.put("k", urlopen("http://localhost/"))


def failures(s3: S3) -> None:
    try:
        s3.get()
    except MetaflowS3Exception as error:
        assert_type((error.url, error.s3_code, error.request_id), tuple[str, str, str])
        assert_type(error.status, int)
        error.reason  # wrong # noqa: B018
    except MetaflowS3AccessDenied as denied:
        assert_type(denied.url, str)
