"""Objects of zero bytes up to several parts, through every upload and download method."""

import uuid

import pytest
from contract.content import digest, noise
from metaflow.datatools.s3 import RangeInfo, S3GetObject

PART = 8 * 2**20  # of boto3's multipart uploads and downloads, and of this project's
LARGE = 44 * 2**20

SIZES = {"nothing": 0, "one byte": 1, "a part less one": PART - 1, "a part": PART, "a part and one": PART + 1}


def put_bytes(s3, key, blob, local):
    s3.put(key, blob)


def put_file(s3, key, blob, local):
    local.write_bytes(blob)
    with open(local, "rb") as file:
        s3.put(key, file)


def put_many(s3, key, blob, local):
    s3.put_many([(key, blob), (key + " beside", b"small")])


def put_files(s3, key, blob, local):
    local.write_bytes(blob)
    s3.put_files([(key, str(local)), (key + " as well", str(local))])


def get(s3, key):
    return s3.get(key)


def get_many(s3, key):
    return s3.get_many([key])[0]


above = pytest.mark.above_transfers  # their transfers are those of another way
ways_in = pytest.mark.parametrize(
    "way_in",
    [put_bytes, pytest.param(put_file, marks=above), pytest.param(put_many, marks=above), put_files],
    ids=lambda way: way.__name__,
)
ways_out = pytest.mark.parametrize("fallback", [get, pytest.param(get_many, marks=above)], ids=lambda way: way.__name__)


@ways_in
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_in(s3, stored, tmp_path, way_in, size):
    way_in(s3, "k", noise(size), tmp_path / "local")
    assert digest(stored.blob("k")) == digest(noise(size))


@ways_out
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_out(s3, stored, fallback, size):
    stored.put("k", noise(size))
    got = fallback(s3, "k")
    assert (got.size, got.range_info) == (size, RangeInfo(size, 0, size))
    assert digest(got.blob) == digest(noise(size))


@pytest.mark.parametrize(
    ("way_in", "fallback"),
    [(put_bytes, get_many), pytest.param(put_many, get, marks=above), pytest.param(put_files, get_many, marks=above)],
    ids=lambda way: way.__name__,
)
def test_large(s3, tmp_path, way_in, fallback):
    way_in(s3, "k", noise(LARGE), tmp_path / "local")
    got = fallback(s3, "k")
    assert (got.size, got.range_info) == (LARGE, RangeInfo(LARGE, 0, LARGE))
    assert digest(got.blob) == digest(noise(LARGE))


def test_content_type_and_metadata_of_several_parts(s3):
    s3.put("k", noise(2 * PART + 1), content_type="text/x-test", metadata={"a": "é"})
    for got in (s3.get("k"), s3.get_many(["k"])[0], s3.info("k")):
        assert (got.size, got.content_type, got.metadata) == (2 * PART + 1, "text/x-test", {"a": "é"})


def test_large_and_small_in_one_call(s3):
    blobs = {"small": b"s", "large": noise(3 * PART + 5), "empty": b"", "part": noise(PART)}
    s3.put_many(blobs.items())
    got = s3.get_many([*blobs, *blobs])
    assert [o.key for o in got] == [*blobs, *blobs]
    assert [digest(o.blob) for o in got] == [digest(blob) for blob in blobs.values()] * 2


RANGES = {
    "over the end of a part": (PART - 1, 2),
    "a part, not at its start": (5, PART),
    "more than a part": (7, 2 * PART + 3),
    "to the end": (PART + 1, None),
    "tail of more than a part": (None, -(PART + 1)),
    "all": (0, 3 * PART + 5),
}


@pytest.fixture(scope="module")
def several_parts(server, oracle):
    """The URL of an object of three parts and five bytes, stored once because it is only read."""
    key = f"sizes-{uuid.uuid4().hex}/several parts"
    oracle.put_object(Bucket=server.bucket, Key=key, Body=noise(3 * PART + 5))
    return f"s3://{server.bucket}/{key}"


@ways_out
@pytest.mark.parametrize(("offset", "length"), RANGES.values(), ids=RANGES)
def test_ranges_of_several_parts(bare, several_parts, fallback, offset, length):
    whole = noise(3 * PART + 5)
    expected = whole[length:] if offset is None else whole[offset : None if length is None else offset + length]

    got = fallback(bare, S3GetObject(several_parts, offset, length))

    assert digest(got.blob) == digest(expected)
    start = len(whole) + length if offset is None else offset
    assert got.range_info == RangeInfo(len(whole), start, len(expected))


def test_overwrite_false_with_several_parts(s3, stored):
    stored.put("old", b"old")
    blob = noise(PART + 1)
    assert [key for key, _ in s3.put_many([("old", blob), ("new", blob)], overwrite=False)] == ["new"]
    s3.put("old", blob, overwrite=False)
    assert stored.blob("old") == b"old"
    assert digest(stored.blob("new")) == digest(blob)


def test_a_small_object_replaces_a_large_one(s3, stored):
    s3.put("k", noise(PART + 1))
    s3.put("k", b"small")
    assert stored.blob("k") == b"small"
    assert s3.get_many(["k"])[0].blob == b"small"
