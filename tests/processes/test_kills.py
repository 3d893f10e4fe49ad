"""Workers are killed at random, many times: every call still returns correct results."""

import os

import pytest
from contract.content import noise
from servers.killer import Killer

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE
from metaflow_extensions.fasts3.workers import process_runner, worker_pool

SMALL = {f"small/{number}": os.urandom(number) for number in range(150)}
LARGE = {f"large/{number}": noise(2 * PART_SIZE + number) for number in range(2)}
MOSTLY = 0.9  # of the kills are of workers that have sent their first frame, so that work is done between kills


def busy(chance):
    """The leased workers."""
    with worker_pool.shared._lock:
        lent = list(worker_pool.shared._leased)
    return [worker.pid for worker in lent if worker.greeted or chance > MOSTLY]


def small(s3, folder):
    """Thousands of jobs that take a millisecond."""
    assert [key for key, _ in s3.put_many(SMALL.items())] == list(SMALL)
    assert {got.key: got.blob for got in s3.get_many(SMALL)} == SMALL
    assert {info.key: info.size for info in s3.info_many(SMALL)} == {key: len(blob) for key, blob in SMALL.items()}
    s3.close()


def large(s3, folder):
    """Parts and ranges, which take a hundred times as long."""
    paths = []
    for key, blob in LARGE.items():
        path = folder / key.replace("/", "-")
        path.write_bytes(blob)
        paths.append((key, str(path)))
    assert [key for key, _ in s3.put_files(paths)] == list(LARGE)
    assert {f"large/{got.key}": got.blob for got in s3.get_recursive(["large"])} == LARGE
    s3.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("implementation", "once", "kills", "pauses"),
    [
        ("wire", small, 30, (0.01, 0.1)),
        ("wire", large, 8, (0.3, 0.8)),
        pytest.param("wire", small, 220, (0.01, 0.1), marks=pytest.mark.release),
        pytest.param("wire", large, 40, (0.3, 0.8), marks=pytest.mark.release),
        ("boto3", small, 50, (0.1, 0.4)),
    ],
    indirect=["implementation"],
)
def test_no_data_is_lost(s3, tmp_path, implementation, once, kills, pauses, seaweedfs, prefix, monkeypatch):
    # On a busy machine, a part takes longer than the pause between any dozen of kills.
    monkeypatch.setattr(process_runner, "KILLS_OVER_A_JOB", kills)
    folder = tmp_path / "files"
    folder.mkdir()
    with Killer(busy, pauses, seed=7, most=kills) as killer:
        while killer.goes_on:
            once(s3, folder)
    assert killer.kills == kills
    once(s3, folder)
    opened = seaweedfs.boto3_client().list_multipart_uploads(Bucket=seaweedfs.bucket, Prefix=prefix)
    # A worker that dies between S3's response to CreateMultipartUpload and its outcome leaves an unknown upload.
    assert len(opened.get("Uploads", [])) <= killer.kills
    assert [path.name for path in tmp_path.iterdir()] == ["files"]
