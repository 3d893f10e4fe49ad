"""Tests of the plan of downloads that can be interrupted."""

import zlib

import pytest
from plans.carrying_out import carry_out

from metaflow_extensions.fasts3.plans.download import Download
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.resumable_downloads import Kept, ResumableDownloads
from metaflow_extensions.fasts3.wire.checksums import crc32_text
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo

STEP = 10
BODY = bytes(range(97))


class Store:
    """Objects of one bucket, and files; a GET without a range gives the first `limit` bytes."""

    def __init__(self, body=BODY, etag='"1"', whole=True):
        self.body, self.etag, self.whole = body, etag, whole
        self.files = {}
        self.ranges = []

    def __call__(self, job):
        given = job.arguments
        if given.get("if_match", self.etag) != self.etag:
            return Failure(Code.PRECONDITION, "", "PreconditionFailed", 412)
        first, end = 0, len(self.body)
        if "byte_range" in given:
            first, last = map(int, given["byte_range"][len("bytes=") :].split("-"))
            end = last + 1
        received = min(end - first, given.get("limit", end)) if "byte_range" not in given else end - first
        self.ranges.append((first, received))
        data = self.body[first : first + received]
        file = self.files.setdefault(given["path"], bytearray())
        if not given.get("position") and not given.get("keep"):
            del file[:]
        position = given.get("position", 0)
        file.extend(bytes(max(0, position - len(file))))
        file[position : position + received] = data
        info = ObjectInfo(len(self.body), self.etag, None, {}, 5, None)
        whole = crc32_text(zlib.crc32(self.body)) if self.whole and "byte_range" not in given else None
        crc = zlib.crc32(data) if given.get("crc") else None
        return GetResponse(info, first, end - first, received, crc, whole)


class Record:
    """Records pieces in memory."""

    def __init__(self, data="new", kept=None):
        self.data, self.kept = data, kept
        self.begun, self.pieces = [], {}

    def begin(self, path, response):
        self.begun.append((path, response.info.etag))
        self.pieces = {}

    def note(self, first, length, crc):
        self.pieces[first] = (crc, length)


def kept_of(store, pieces, path="old"):
    """The remains of a download after these pieces, each given by its first byte and the byte after its last."""
    file = store.files[path] = bytearray(len(store.body))
    for first, end in pieces:
        file[first:end] = store.body[first:end]
    info = ObjectInfo(len(store.body), store.etag, None, {}, 5, None)
    whole = crc32_text(zlib.crc32(store.body)) if store.whole else None
    crcs = {first: (zlib.crc32(store.body[first:end]), end - first) for first, end in pieces}
    return Kept(path, GetResponse(info, 0, len(store.body), 0, None, whole), crcs)


def download(store, record, pick=0, size=None):
    plan = ResumableDownloads([Download("b", "k", size=size)], ["temporary"], lambda _: record, STEP)
    carry_out(plan, store, pick)
    [result] = plan.results
    return result


@pytest.mark.parametrize("pick", [0, -1])
@pytest.mark.parametrize("whole", [True, False], ids=["with S3's checksum", "without"])
def test_each_piece_is_recorded_with_its_crc(pick, whole):
    store, record = Store(whole=whole), Record()
    result = download(store, record, pick)
    assert (result.path, bytes(store.files["new"])) == ("new", BODY)
    assert record.begun == [("new", '"1"')]
    assert sorted(record.pieces) == list(range(0, len(BODY), STEP))
    assert all(crc == zlib.crc32(BODY[at : at + size]) for at, (crc, size) in record.pieces.items())


def test_small_downloads_need_no_record():
    store = Store()
    assert download(store, None).path == "temporary"
    assert bytes(store.files["temporary"]) == BODY


def test_a_small_object_leaves_no_record():
    store, record = Store(b"small"), Record()
    assert download(store, record).path == "new"
    assert (record.begun, record.pieces) == ([], {})


@pytest.mark.parametrize("pick", [0, -1])
@pytest.mark.parametrize("size", [None, len(BODY)])
@pytest.mark.parametrize(
    ("pieces", "missing"),
    [
        ([(0, 10)], (10, 97)),
        ([(0, 90)], (90, 97)),
        ([(10, 97)], (0, 10)),
        ([(0, 40), (60, 70)], None),
        ([(20, 30), (50, 60), (90, 97)], None),
    ],
)
def test_only_what_is_missing_is_requested(pieces, missing, size, pick):
    store = Store()
    record = Record(kept=kept_of(store, pieces))
    result = download(store, record, pick, size)
    assert result.path == "old"
    assert bytes(store.files["old"]) == BODY
    assert result.response.verified == "crc32"
    there = {at for first, end in pieces for at in range(first, end)}
    offsets = [at for first, received in store.ranges for at in range(first, first + received)]
    assert sorted(offsets) == sorted(set(range(len(BODY))) - there)
    if missing:
        assert (min(offsets), max(offsets) + 1) == missing
    assert record.begun == []
    assert sorted(record.pieces) == sorted({first for first, _ in store.ranges})


@pytest.mark.parametrize("knows_if_match", [True, False])
@pytest.mark.parametrize("pick", [0, -1])
def test_an_object_that_has_changed_is_downloaded_again(pick, knows_if_match):
    store = Store()
    record = Record(kept=kept_of(store, [(0, 40)]))
    store.body, store.etag = BODY[::-1] + b"more", '"2"'

    def perform(job):
        if not knows_if_match:
            job = job._replace(arguments={name: it for name, it in job.arguments.items() if name != "if_match"})
        return store(job)

    result = download(perform, record, pick)
    assert bytes(store.files[result.path]) == store.body
    assert result.path != "old"
    assert record.begun == [(result.path, '"2"')]
    assert sum(size for _, size in record.pieces.values()) == len(store.body)


def test_pieces_that_do_not_make_the_object_are_downloaded_again():
    """For any reason: S3's checksum is that of the whole object."""
    store = Store()
    kept = kept_of(store, [(0, 40)])
    record = Record(kept=kept._replace(pieces={0: (zlib.crc32(b"x" * 40), 40)}))
    result = download(store, record)
    assert bytes(store.files[result.path]) == BODY
    assert result.path != "old"


def test_an_object_that_is_gone():
    store = Store()
    record = Record(kept=kept_of(store, [(0, 40)]))
    with pytest.raises(JobFailed):
        download(lambda job: Failure(Code.NOT_FOUND, "", "NoSuchKey", 404), record)
