"""The rows of the fault matrix: an operation, and the request that a fault affects."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable, NamedTuple

import pytest
from metaflow.datatools.s3 import S3GetObject
from servers.world import World

from metaflow_extensions.fasts3.plans import copies
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

SMALL = bytes(range(256)) * 4
LARGE = bytes(range(251)) * ((3 * PART_SIZE // 2 + 100_000) // 251)  # two pieces, two parts


# Prepares, yields while the fault is set up, then makes the call and checks its result.
Play = Callable[[World], Iterator[None]]


class Case(NamedTuple):
    """One row."""

    name: str
    operation: str  # of S3, which the fault affects
    play: Play
    after: int = 0  # requests of that operation before the fault


CASES: "list[Case]" = []


def case(operation: str, after: int = 0) -> "Callable[[Play], Play]":
    def add(play: Play) -> Play:
        CASES.append(Case(play.__name__, operation, play, after))
        return play

    return add


@case("GetObject")
def get(world: World) -> Iterator[None]:
    world.stored.put("a", SMALL)
    yield
    assert world.s3.get("a").blob == SMALL


@case("GetObject")
def get_a_range(world: World) -> Iterator[None]:
    world.stored.put("a", SMALL)
    yield
    assert world.s3.get(S3GetObject("a", 100, 200)).blob == SMALL[100:300]


@case("GetObject", after=3)
def get_many(world: World) -> Iterator[None]:
    expected = {str(number): SMALL + bytes([number]) for number in range(6)}
    world.stored.put_all(expected)
    yield
    assert {got.key: got.blob for got in world.s3.get_many(expected)} == expected


@case("GetObject", after=3)
def get_many_in_memory(world: World) -> Iterator[None]:
    expected = {str(number): SMALL + bytes([number]) for number in range(6)}
    world.stored.put_all(expected)
    yield
    assert {got.key: got.blob for got in world.s3.get_many(expected, in_memory=True)} == expected


@case("GetObject", after=3)
def iter_many(world: World) -> Iterator[None]:
    expected = {str(number): SMALL + bytes([number]) for number in range(6)}
    world.stored.put_all(expected)
    yield
    assert {got.key: got.blob for got in world.s3.iter_many(list(expected), look_ahead_objects=2)} == expected


@case("ListObjectsV2")
def iter_recursive(world: World) -> Iterator[None]:
    world.stored.put_all({"dir/a": SMALL, "dir/b": b""})
    yield
    assert {got.key: got.blob for got in world.s3.iter_recursive(["dir"])} == {"a": SMALL, "b": b""}


def _get_large(world: World, in_memory: bool = False) -> Iterator[None]:
    world.stored.put("a", LARGE)
    yield
    assert world.s3.get("a", in_memory=in_memory).blob == LARGE


@case("GetObject")
def get_large_first_piece(world: World) -> Iterator[None]:
    yield from _get_large(world)


@case("GetObject", after=1)
def get_large_second_piece(world: World) -> Iterator[None]:
    yield from _get_large(world)


@case("GetObject", after=1)
def get_large_in_memory(world: World) -> Iterator[None]:
    yield from _get_large(world, in_memory=True)


@case("GetObject", after=1)
def download(world: World) -> Iterator[None]:
    world.stored.put_all({"dir/a": SMALL, "dir/b/c": SMALL[:10]})
    folder = world.folder / "down"
    yield
    world.s3.download("dir", folder)
    assert (folder / "a").read_bytes() == SMALL
    assert (folder / "b" / "c").read_bytes() == SMALL[:10]
    world.s3.close()
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]


@case("PutObject", after=1)
def upload(world: World) -> Iterator[None]:
    folder = world.folder / "up"
    (folder / "b").mkdir(parents=True)
    (folder / "a").write_bytes(SMALL)
    (folder / "b" / "c").write_bytes(SMALL[:10])
    yield
    world.s3.upload(folder, "dir")
    assert world.stored.blobs() == {"dir/a": SMALL, "dir/b/c": SMALL[:10]}


@case("DeleteObjects")
def upload_mirror(world: World) -> Iterator[None]:
    folder = world.folder / "up"
    folder.mkdir()
    (folder / "a").write_bytes(SMALL)
    world.stored.put_all({"dir/b": b"", "dir/c": b"", "other": b""})
    yield
    world.s3.upload(folder, "dir", delete=True)
    assert world.stored.blobs() == {"dir/a": SMALL, "other": b""}


@case("ListObjectsV2")
def download_mirror(world: World) -> Iterator[None]:
    world.stored.put_all({"dir/a": SMALL, "dir/b/c": SMALL[:10]})
    folder = world.folder / "down"
    folder.mkdir()
    (folder / "extra").write_bytes(b"")
    yield
    world.s3.download("dir", folder, delete=True)
    assert sorted(path.name for path in folder.rglob("*")) == ["a", "b", "c"]


@case("ListObjectsV2")
def get_recursive(world: World) -> Iterator[None]:
    world.stored.put_all({"dir/a": SMALL, "dir/b": b""})
    yield
    assert {got.key: got.blob for got in world.s3.get_recursive(["dir"])} == {"a": SMALL, "b": b""}


@case("HeadObject")
def info(world: World) -> Iterator[None]:
    world.stored.put("a", SMALL)
    yield
    assert world.s3.info("a").size == len(SMALL)


@case("HeadObject", after=2)
def info_many(world: World) -> Iterator[None]:
    world.stored.put_all({str(number): SMALL[:number] for number in range(1, 5)})
    yield
    assert [info.size for info in world.s3.info_many(["1", "2", "3", "4"])] == [1, 2, 3, 4]


@case("ListObjectsV2")
def list_paths(world: World) -> Iterator[None]:
    world.stored.put_all({"a": SMALL, "b": SMALL[:10]})
    yield
    assert [(entry.key, entry.size) for entry in world.s3.list_paths()] == [("a", len(SMALL)), ("b", 10)]


@case("DeleteObject")
def delete(world: World) -> Iterator[None]:
    world.stored.put_all({"a": SMALL, "ab": SMALL})
    yield
    world.s3.delete("a")
    assert world.stored.list() == {"ab"}


@case("DeleteObjects")
def delete_many(world: World) -> Iterator[None]:
    world.stored.put_all({str(number): SMALL for number in range(4)})
    yield
    assert world.s3.delete_many(["0", "1", "3", "none"]) == 4
    assert world.stored.list() == {"2"}


@case("DeleteObjects")
def delete_recursive(world: World) -> Iterator[None]:
    world.stored.put_all({"dir/a": SMALL, "dir/b/c": b"", "directory": SMALL})
    yield
    assert world.s3.delete_recursive(["dir"]) == 2
    assert world.stored.list() == {"directory"}


@case("PutObject")
def put(world: World) -> Iterator[None]:
    world.stored.put("a", b"before")
    yield
    world.s3.put("a", SMALL)
    assert world.stored.blob("a") == SMALL


@case("PutObject", after=2)
def put_many(world: World) -> Iterator[None]:
    blobs = {str(number): SMALL + bytes([number]) for number in range(5)}
    yield
    assert [key for key, _ in world.s3.put_many(blobs.items())] == list(blobs)
    assert world.stored.blobs() == blobs


def _put_if_absent(world: World, blob: bytes) -> Iterator[None]:
    yield
    assert [key for key, _ in world.s3.put_many([("a", blob)], overwrite=False)] == ["a"]
    assert world.stored.blob("a") == blob


@case("HeadObject")
def put_if_absent_head(world: World) -> Iterator[None]:
    yield from _put_if_absent(world, SMALL)


@case("PutObject")
def put_if_absent(world: World) -> Iterator[None]:
    yield from _put_if_absent(world, SMALL)


@case("CopyObject")
def copy(world: World) -> Iterator[None]:
    world.stored.put("a", SMALL, ContentType="text/x-a")
    yield
    world.s3.copy("a", "b")
    assert world.stored.blob("b") == SMALL
    assert world.stored.head("b")["ContentType"] == "text/x-a"


@case("HeadObject")
def copy_head_of_the_source(world: World) -> Iterator[None]:
    world.stored.put("a", SMALL)
    yield
    world.s3.copy("a", "b")
    assert world.stored.blob("b") == SMALL


@case("CopyObject")
def copy_if_absent(world: World) -> Iterator[None]:
    world.stored.put("a", SMALL)
    yield
    assert [key for key, _ in world.s3.copy_many([("a", "b")], overwrite=False)] == ["b"]
    assert world.stored.blob("b") == SMALL


@case("CopyObject", after=2)
def copy_recursive(world: World) -> Iterator[None]:
    blobs = {str(number): SMALL + bytes([number]) for number in range(5)}
    world.stored.put_all({f"dir/{key}": blob for key, blob in blobs.items()})
    yield
    world.s3.copy_recursive("dir", "copy")
    assert {key: world.stored.blob(f"copy/{key}") for key in blobs} == blobs


@case("DeleteObjects")
def copy_mirror(world: World) -> Iterator[None]:
    world.stored.put_all({"dir/a": SMALL, "copy/a": SMALL, "copy/b": b"", "copy/c": b"", "other": b""})
    yield
    world.s3.copy_recursive("dir", "copy", delete=True)
    assert world.stored.blobs() == {"dir/a": SMALL, "copy/a": SMALL, "other": b""}


@case("DeleteObject")
def delete_what_was_read(world: World) -> Iterator[None]:
    world.stored.put_all({"a": SMALL, "ab": SMALL})
    read = world.s3.info("a")
    yield
    world.s3.delete(read)
    assert world.stored.list() == {"ab"}


@case("UploadPartCopy", after=1)
def copy_large(world: World) -> Iterator[None]:
    world.stored.put("a", LARGE)
    yield
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(copies, "COPY_STEP", PART_SIZE)
        world.s3.copy("a", "b")
    assert world.stored.blob("b") == LARGE


@case("ListObjectsV2")
def iter_list(world: World) -> Iterator[None]:
    world.stored.put_all({"dir/a": SMALL, "dir/b": b""})
    yield
    assert [(found.key, found.size) for found in world.s3.iter_list(["dir"])] == [("a", len(SMALL)), ("b", 0)]


@contextmanager
def _upload(world: World) -> Iterator[str]:
    """The id of an upload that is open, and is aborted at the end if it still is."""
    at = {"Bucket": world.stored.bucket, "Key": f"{world.stored.prefix}dir/a"}
    upload_id = world.stored.client.create_multipart_upload(**at)["UploadId"]
    try:
        yield upload_id
    finally:
        if upload_id in world.stored.open_uploads():
            world.stored.client.abort_multipart_upload(**at, UploadId=upload_id)


@case("ListMultipartUploads")
def iter_uploads(world: World) -> Iterator[None]:
    with _upload(world) as upload_id:
        yield
        assert [found.upload_id for found in world.s3.iter_uploads(["dir"])] == [upload_id]


@case("AbortMultipartUpload")
def abort_uploads(world: World) -> Iterator[None]:
    with _upload(world):
        found = list(world.s3.iter_uploads(["dir"]))
        yield
        assert world.s3.abort_uploads(found) == 1
        assert world.stored.open_uploads() == []


@case("GetObjectTagging")
def copy_tags(world: World) -> Iterator[None]:
    world.stored.put("a", LARGE, Tagging="team=data")
    yield
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(copies, "COPY_STEP", PART_SIZE)
        world.s3.copy("a", "b")
    assert world.stored.blob("b") == LARGE
    response = world.stored.client.get_object_tagging(Bucket=world.stored.bucket, Key=f"{world.stored.prefix}b")
    assert response["TagSet"] == [{"Key": "team", "Value": "data"}]


@case("ListObjectVersions")
def list_versions(world: World) -> Iterator[None]:
    world.stored.put("a", SMALL)
    yield
    assert [(found.key, found.size) for found in world.s3.list_versions(["a"])] == [("a", len(SMALL))]


def _put_file(world: World) -> Iterator[None]:
    path = world.folder / "large"
    path.write_bytes(LARGE)
    yield
    world.s3.put_files([("a", str(path))])
    assert world.stored.blob("a") == LARGE


@case("CreateMultipartUpload")
def put_large_create(world: World) -> Iterator[None]:
    yield from _put_file(world)


@case("UploadPart", after=1)
def put_large_part(world: World) -> Iterator[None]:
    yield from _put_file(world)


@case("CompleteMultipartUpload")
def put_large_complete(world: World) -> Iterator[None]:
    yield from _put_file(world)


def _put_if_match(world: World, blob: bytes) -> Iterator[None]:
    world.stored.put("a", b"before")
    etag = world.stored.head("a")["ETag"]
    yield
    world.s3.put("a", blob, if_match=etag)
    assert world.stored.blob("a") == blob


@case("HeadObject")
def put_if_match_head(world: World) -> Iterator[None]:
    yield from _put_if_match(world, SMALL)


@case("PutObject")
def put_if_match(world: World) -> Iterator[None]:
    yield from _put_if_match(world, SMALL)


@case("CompleteMultipartUpload")
def put_large_if_match(world: World) -> Iterator[None]:
    yield from _put_if_match(world, LARGE)


@case("CompleteMultipartUpload")
def put_large_if_absent(world: World) -> Iterator[None]:
    yield from _put_if_absent(world, LARGE)


@case("GetObject")
def open_to_read(world: World) -> Iterator[None]:
    world.stored.put("a", SMALL)
    yield
    with world.s3.open("a") as file:
        assert file.read() == SMALL


@case("GetObject", after=2)
def open_to_read_on(world: World) -> Iterator[None]:
    world.stored.put("a", LARGE)
    yield
    with world.s3.open("a") as file:
        assert b"".join(iter(lambda: file.read(100_000), b"")) == LARGE


def _open_to_write(world: World, blob: bytes, mode: str = "wb", **given: str) -> Iterator[None]:
    yield
    with world.s3.open("a", mode, **given) as file:
        for start in range(0, len(blob), 1_000_000):
            file.write(blob[start : start + 1_000_000])
    assert world.stored.blob("a") == blob


@case("PutObject")
def open_to_write(world: World) -> Iterator[None]:
    yield from _open_to_write(world, SMALL)


@case("CreateMultipartUpload")
def open_to_write_large_create(world: World) -> Iterator[None]:
    yield from _open_to_write(world, LARGE)


@case("UploadPart", after=1)
def open_to_write_large_part(world: World) -> Iterator[None]:
    yield from _open_to_write(world, LARGE)


@case("CompleteMultipartUpload")
def open_to_write_large_complete(world: World) -> Iterator[None]:
    yield from _open_to_write(world, LARGE)


@case("PutObject")
def open_to_create(world: World) -> Iterator[None]:
    yield from _open_to_write(world, SMALL, "xb")


@case("CompleteMultipartUpload")
def open_to_create_large(world: World) -> Iterator[None]:
    yield from _open_to_write(world, LARGE, "xb")


def _open_to_replace(world: World, blob: bytes) -> Iterator[None]:
    world.stored.put("a", b"before")
    yield from _open_to_write(world, blob, if_match=world.stored.head("a")["ETag"])


@case("PutObject")
def open_to_replace(world: World) -> Iterator[None]:
    yield from _open_to_replace(world, SMALL)


@case("CompleteMultipartUpload")
def open_to_replace_large(world: World) -> Iterator[None]:
    yield from _open_to_replace(world, LARGE)
