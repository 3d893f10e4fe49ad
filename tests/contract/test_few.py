"""A few objects are transferred in the user's process, without workers, with the same results."""

import pytest
from contract.content import noise
from metaflow.datatools.s3 import MetaflowS3NotFound

from metaflow_extensions.fasts3.api import placement

MIB = 2**20
BLOBS = {"empty": b"", "small": b"x", "dir/large": noise(20 * MIB)}

pytestmark = pytest.mark.few_here


@pytest.fixture
def stored_here(s3, stored, root):
    """Store them by one call."""
    assert len(BLOBS) <= placement.FEW_REQUESTS
    assert s3.put_many(BLOBS.items()) == [(key, f"{root}/{key}") for key in BLOBS]
    assert stored.blobs() == BLOBS


@pytest.mark.usefixtures("stored_here")
@pytest.mark.parametrize("in_memory", [False, True])
def test_get(s3, in_memory):
    got = s3.get_many(BLOBS, in_memory=in_memory)
    assert {one.key: one.blob for one in got} == BLOBS
    assert {one.key: one.blob for one in s3.get_recursive(["dir"], in_memory=in_memory)} == {
        "large": BLOBS["dir/large"]
    }
    assert [one.blob for one in s3.iter_many(BLOBS, in_memory=in_memory)] == list(BLOBS.values())


@pytest.mark.usefixtures("stored_here")
def test_info(s3):
    assert {one.key: one.size for one in s3.info_many(BLOBS)} == {key: len(blob) for key, blob in BLOBS.items()}


@pytest.mark.usefixtures("stored_here")
def test_one_of_them_is_missing(s3):
    with pytest.raises(MetaflowS3NotFound, match="nowhere"):
        s3.get_many(["small", "nowhere"])
    assert [one.exists for one in s3.get_many(["small", "nowhere"], return_missing=True)] == [True, False]
    assert [one.exists for one in s3.info_many(["nowhere", "small"], return_missing=True)] == [False, True]


def test_files(s3, stored, tmp_path):
    for key, blob in BLOBS.items():
        (tmp_path / key).parent.mkdir(exist_ok=True)
        (tmp_path / key).write_bytes(blob)
    s3.put_files([(key, str(tmp_path / key)) for key in BLOBS])
    assert stored.blobs() == BLOBS


@pytest.mark.usefixtures("stored_here")
def test_overwrite(s3, stored, root):
    assert s3.put_many([("small", b"y"), ("new", b"z")], overwrite=False) == [("new", f"{root}/new")]
    assert stored.blob("small") == b"x"


@pytest.mark.usefixtures("stored_here")
def test_directories(s3, tmp_path):
    s3.download([None], str(tmp_path / "there"))
    assert {key: (tmp_path / "there" / key).read_bytes() for key in BLOBS} == BLOBS
