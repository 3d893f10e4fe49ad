"""A download that does not fit raises MetaflowS3InsufficientDiskSpace immediately, and leaves no file."""

import contextlib
import os
import resource
import uuid

import pytest
from limits.conftest import limited
from limits.small_disk import can_be_made
from metaflow import S3
from metaflow.datatools.s3 import S3GetObject
from metaflow.plugins.datatools.s3.s3 import MetaflowS3InsufficientDiskSpace

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

SMALL = {f"small/{number}": 512 * 1024 for number in range(30)}
LARGE = {"in threads": 3 * PART_SIZE, "in workers": 7 * PART_SIZE}  # more than fits, from the second piece on
ROOM = 12 * 2**20  # bytes of the disk

CALLS = {
    "get": lambda s3: [s3.get(key) for key in SMALL],
    "get_many": lambda s3: s3.get_many(SMALL),
    "get_recursive": lambda s3: s3.get_recursive(["small"]),
    "a range": lambda s3: s3.get(S3GetObject("in workers", PART_SIZE, 3 * PART_SIZE)),
    "large, in threads": lambda s3: s3.get("in threads"),
    "large, in workers": lambda s3: s3.get("in workers"),
    "many large": lambda s3: s3.get_many(LARGE),
}


@pytest.fixture(scope="module")
def full_root(seaweedfs, oracle):
    """The root of the objects that do not fit."""
    prefix = f"test-{uuid.uuid4().hex}"
    for key, size in {**SMALL, **LARGE, "tiny": 10}.items():
        oracle.put_object(Bucket=seaweedfs.bucket, Key=f"{prefix}/{key}", Body=bytes(size))
    return f"s3://{seaweedfs.bucket}/{prefix}"


def a_small_disk(tmp_path, small_disk):
    disk = small_disk(f"size={ROOM}")
    return disk.path, contextlib.nullcontext()


def a_limit_of_a_file_s_size(tmp_path, small_disk):
    return tmp_path, limited(resource.RLIMIT_FSIZE, 256 * 1024)


DISKS = [a_limit_of_a_file_s_size, *([a_small_disk] if can_be_made() else [])]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("disk", DISKS)
def test_it_is_an_error_at_once(name, disk, full_root, seaweedfs, implementation, fresh_workers, tmp_path, small_disk):
    where, limit = disk(tmp_path, small_disk)
    with limit, S3(s3root=full_root, client_params=seaweedfs.client_params(), tmproot=str(where)) as s3:
        with pytest.raises(MetaflowS3InsufficientDiskSpace) as raised:
            CALLS[name](s3)
        message = str(raised.value)
        assert f"GetObject of {full_root}/" in message
        assert str(where) in message or "Errno" in message
        assert "Free disk space" in message
        assert "tries" not in message

        s3.close()
        assert os.listdir(where) == []
        assert s3.get("tiny").size == 10
        assert [got.size for got in s3.get_many(["tiny"])] == [10]
    assert os.listdir(where) == []


if can_be_made():

    @pytest.mark.parametrize("many", [False, True], ids=["get", "get_many"])
    def test_no_room_for_another_file(many, full_root, seaweedfs, implementation, small_disk):
        disk = small_disk("nr_inodes=3")  # the disk's own directory, ours, and one file
        with S3(s3root=full_root, client_params=seaweedfs.client_params(), tmproot=str(disk.path)) as s3:
            assert s3.get("tiny").size == 10
            for nothing in (None, S3GetObject("tiny", 3, 0)):
                key = nothing or "tiny"
                with pytest.raises(MetaflowS3InsufficientDiskSpace, match="No space left"):
                    s3.get_many([key]) if many else s3.get(key)
