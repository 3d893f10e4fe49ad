"""Tests of the plan of downloads."""

import tracemalloc
import zlib
from itertools import islice

import pytest
from plans.carrying_out import carry_out, missing

from metaflow_extensions.fasts3.plans import object_downloads
from metaflow_extensions.fasts3.plans.download import Download
from metaflow_extensions.fasts3.plans.downloads import Downloads, compared
from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.object_downloads import RESTARTS
from metaflow_extensions.fasts3.plans.pieces import MAX_OBJECT, PART_SIZE
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.refusals import Refusals
from metaflow_extensions.fasts3.plans.resumable_downloads import ResumableDownloads
from metaflow_extensions.fasts3.wire.checksums import crc32_text
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.ranges import most_of
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo

STEP = 10


class Store:
    """Objects and files in memory; executes the jobs of a plan."""

    def __init__(self, **objects):
        self.objects = objects
        self.etags = dict.fromkeys(objects, '"1"')
        self.files = {}
        self.checks_etags = True
        self.crc = None  # x-amz-checksum-crc32 of all objects
        self.begins = False  # whether it sends an interim outcome for a large object
        self.lost = 0  # bytes that are missing in the first response for such an object

    def begin(self, job):
        if not (self.begins and "ways" in job.arguments and job.key in self.objects):
            return None
        length, whole = len(self.objects[job.key]), self.crc
        share = most_of(length, job.arguments["limit"], False, job.arguments["ways"])
        self.files[job.arguments["path"]] = bytearray()
        info = ObjectInfo(length, self.etags[job.key], None, {}, 0, None)
        return GetResponse(info, 0, length, share, None, whole) if share < length else None

    def __call__(self, job):
        if job.key not in self.objects:
            return missing("" if job.operation == "head" else "NoSuchKey")
        body, etag = self.objects[job.key], self.etags[job.key]
        info = ObjectInfo(len(body), etag, None, {}, 0, None)
        if job.operation == "head":
            return info
        wanted = job.arguments.get("if_match")
        if wanted and self.checks_etags and (wanted != etag or etag.startswith("W/")):
            return Failure(Code.PRECONDITION, "changed", "PreconditionFailed", 412)
        first, last = 0, len(body) - 1
        if "byte_range" in job.arguments:
            start, _, end = job.arguments["byte_range"][len("bytes=") :].partition("-")
            first = int(start) if start else max(0, len(body) - int(end))
            last = min(int(end), last) if start and end else last
            if first > last:
                return Failure(Code.INVALID_RANGE, "", "InvalidRange", 416)
        position = job.arguments.get("position", 0)
        kept = position or job.arguments.get("keep")
        most = job.arguments.get("limit")
        if self.begins and "ways" in job.arguments:
            share = most_of(last + 1 - first, most, False, job.arguments["ways"])
            kept, most = share < last + 1 - first, share - self.lost
        data = body[first : last + 1][:most]
        file = self.files.setdefault(job.arguments["path"], bytearray()) if kept else bytearray()
        self.files[job.arguments["path"]] = file
        file.extend(b"\0" * (position + len(data) - len(file)))
        file[position : position + len(data)] = data
        crc = zlib.crc32(data) if self.crc is not None and (job.arguments.get("crc") or not position) else None
        whole = None if "byte_range" in job.arguments else self.crc
        return GetResponse(info, first, last + 1 - first, len(data), crc, whole)


def body(size):
    return bytes(number % 251 for number in range(size))


@pytest.mark.parametrize("pick", [0, -1], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("size", [0, 1, STEP - 1, STEP, STEP + 1, 5 * STEP, 5 * STEP + 1])
def test_whole_objects_of_all_sizes(size, pick):
    store = Store(a=body(size), b=b"other")
    plan = Downloads([Download("bucket", "a"), Download("bucket", "b")], ["/f/a", "/f/b"], step=STEP)
    jobs = carry_out(plan, store, pick)
    assert store.files["/f/a"] == body(size)
    assert [result.path for result in plan.results] == ["/f/a", "/f/b"]
    assert plan.results[0].response[1:3] == (0, size)
    assert len([job for job in jobs if job.key == "a"]) == max(1, -(-size // STEP))


@pytest.mark.parametrize("etag", ["", 'W/"1"'], ids=["none", "weak"])
def test_pieces_of_an_object_whose_etag_holds_to_nothing(etag):
    """If-Match never matches a weak ETag, so the client compares it, as with a server that ignores the header."""
    store = Store(a=body(3 * STEP))
    store.etags["a"] = etag
    carry_out(Downloads([Download("bucket", "a")], ["/f/a"], step=STEP), store)
    assert store.files["/f/a"] == body(3 * STEP)


@pytest.mark.parametrize(
    ("byte_range", "expected"),
    [
        ("bytes=3-5", slice(3, 6)),
        ("bytes=7-", slice(7, None)),
        ("bytes=-35", slice(-35, None)),
        ("bytes=2-40", slice(2, 41)),
    ],
)
def test_large_ranges_are_cut_too(byte_range, expected):
    store = Store(a=body(64))
    plan = Downloads([Download("bucket", "a", byte_range)], ["/f"], step=STEP)
    carry_out(plan, store)
    assert store.files["/f"] == body(64)[expected]
    first, length = plan.results[0].response[1:3]
    assert body(64)[first : first + length] == body(64)[expected]


def test_the_other_pieces_of_a_large_object_are_requested_with_its_etag():
    jobs = carry_out(Downloads([Download("bucket", "a")], ["/f"], step=STEP), Store(a=body(35)))
    assert [job.arguments.get("if_match") for job in jobs] == [None, '"1"', '"1"', '"1"']
    assert [job.arguments.get("byte_range") for job in jobs] == [None, "bytes=10-19", "bytes=20-29", "bytes=30-34"]


def test_a_missing_key_fails_or_is_none():
    wanted, paths = [Download("bucket", key) for key in ("a", "no", "b")], ["/a", "/no", "/b"]
    plan = Downloads(wanted, paths, missing_ok=True, step=STEP)
    carry_out(plan, Store(a=b"1", b=b"2"))
    assert [result and result.path for result in plan.results] == ["/a", None, "/b"]
    assert plan.unverified_buckets == set()
    with pytest.raises(JobFailed) as failed:
        carry_out(Downloads(wanted, paths, step=STEP), Store(a=b"1", b=b"2"))
    assert failed.value.job.key == "no"


@pytest.mark.parametrize("checks_etags", [True, False], ids=["If-Match", "a server without If-Match"])
@pytest.mark.parametrize("pick", [0, -1], ids=["oldest first", "newest first"])
def test_an_object_that_changes_is_begun_again_in_a_new_file(checks_etags, pick):
    store = Store(a=b"old " * 10)
    store.checks_etags = checks_etags

    def perform(job, served=iter(range(1000))):
        if next(served) == 2:
            store.objects["a"], store.etags["a"] = b"new!" * 12, '"2"'
        return store(job)

    plan = Downloads([Download("bucket", "a")], ["/f"], step=STEP)
    carry_out(plan, perform, pick)
    (result,) = plan.results
    assert store.files[result.path] == b"new!" * 12
    assert result.path != "/f"
    assert result.response.info.etag == '"2"'


def test_no_more_of_an_object_that_changed_is_fetched():
    store = Store(a=b"old " * 50)
    store.checks_etags = False

    def perform(job, served=iter(range(1000))):
        if next(served) == 2:
            store.objects["a"], store.etags["a"] = b"new!" * 10, '"2"'
        return store(job)

    plan = Downloads([Download("bucket", "a")], ["/f"], step=STEP)
    jobs = carry_out(plan, perform, room=4)
    assert store.files[plan.results[0].path] == b"new!" * 10
    # The first request, the piece that came, the one that showed the change and the other three under way with it.
    assert [job.arguments["path"] for job in jobs].count("/f") == 6


def test_pieces_of_the_largest_object_are_created_when_they_are_fetched():
    size = MAX_OBJECT
    plan = Downloads([Download("bucket", "a")], ["/f"])
    (first,) = plan.start()
    info = ObjectInfo(size, '"1"', None, {}, 0, None)
    tracemalloc.start()
    try:
        jobs = plan.receive(first, Outcome(0, GetResponse(info, 0, size, PART_SIZE)))
        ranges = [job.arguments["byte_range"] for job in islice(jobs, 2)]
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert ranges == [f"bytes={PART_SIZE}-{2 * PART_SIZE - 1}", f"bytes={2 * PART_SIZE}-{3 * PART_SIZE - 1}"]


def test_an_object_that_always_changes_is_an_error():
    store = Store(a=body(35))

    def perform(job, version=iter(range(1000))):
        store.etags["a"] = f'"{next(version)}"'
        return store(job)

    with pytest.raises(JobFailed) as failed:
        carry_out(Downloads([Download("bucket", "a")], ["/f"], step=STEP), perform)
    assert failed.value.failure.code is Code.PRECONDITION
    assert failed.value.failure.tries == RESTARTS + 1


def test_empty_ranges_are_requested_by_head():
    plan = Downloads([Download("bucket", "a", nothing_at=35)], ["/f"], step=STEP)
    (job,) = carry_out(plan, Store(a=body(35)))
    assert job.operation == "head"
    assert plan.results[0].response[1:4] == (35, 0, 0)
    with pytest.raises(JobFailed) as failed:
        carry_out(Downloads([Download("bucket", "a", nothing_at=36)], ["/f"], step=STEP), Store(a=body(35)))
    assert failed.value.failure.code is Code.INVALID_RANGE


def test_a_bare_404_leaves_the_bucket_unproven():
    plan = Downloads([Download("bucket", "no", nothing_at=0)], ["/f"], missing_ok=True)
    carry_out(plan, Store())
    assert plan.unverified_buckets == {"bucket"}


@pytest.mark.parametrize("pick", [0, -1], ids=["oldest first", "newest first"])
def test_the_checksum_of_pieces_is_that_of_the_whole(pick):
    store = Store(a=body(75))
    store.crc = crc32_text(zlib.crc32(body(75)))
    plan = Downloads([Download("bucket", "a")], ["/f"], step=STEP)
    jobs = carry_out(plan, store, pick)
    assert [job.arguments.get("crc", False) for job in jobs] == [False] + [True] * 7
    assert plan.results[0].path == "/f"
    assert store.files["/f"] == body(75)
    assert plan.results[0].response.verified == "crc32"


def test_compared_checksums_are_counted():
    store = Store(a=body(75), b=b"small")
    plan = Downloads([Download("bucket", key) for key in ("a", "b", "no")], ["/a", "/b", "/no"], True, STEP)
    assert compared(plan.results) == "nothing"
    carry_out(plan, store)
    assert compared(plan.results) == "length alone of 2"
    store.crc = crc32_text(zlib.crc32(body(75)))
    plan = Downloads([Download("bucket", "a")], ["/a"], step=STEP)
    carry_out(plan, store)
    assert compared(plan.results) == "crc32 of 1"


def test_pieces_of_a_wrong_checksum_are_fetched_again_and_then_an_error_that_names_both():
    store = Store(a=body(75))
    store.crc = crc32_text(5)
    plan = Downloads([Download("bucket", "a")], ["/f"], step=STEP)
    with pytest.raises(JobFailed) as failed:
        carry_out(plan, store, 0)
    assert failed.value.failure.code is Code.BROKEN
    assert crc32_text(5) in failed.value.failure.message
    assert crc32_text(zlib.crc32(body(75))) in failed.value.failure.message
    assert failed.value.failure.tries == RESTARTS + 1


# --- The first response of a large object goes on with its share.


@pytest.fixture
def large(monkeypatch):
    """A store of one object of 100 pieces, of which the first response brings six."""
    monkeypatch.setattr(object_downloads, "processors", lambda: 2)
    store = Store(a=body(100 * STEP))
    store.begins, store.crc = True, crc32_text(zlib.crc32(body(100 * STEP)))
    return store


@pytest.mark.parametrize("pick", [0, -1], ids=["oldest first", "newest first"])
def test_the_first_response_continues_while_others_fetch_the_rest(large, pick):
    plan = Downloads([Download("bucket", "a")], ["/f"], step=STEP)
    jobs = carry_out(plan, large, pick)
    assert large.files["/f"] == body(100 * STEP)
    assert plan.results[0].response.verified == "crc32"
    assert len(jobs) == 1 + 94
    assert min(job.arguments["position"] for job in jobs if job.number < 0) == 6 * STEP
    assert (jobs[0].number < 0) == (pick == -1)  # it was not waited for


def test_with_many_objects_one_response_has_all_of_each(large):
    large.objects.update({str(number): body(11 * STEP) for number in range(16)})
    del large.objects["a"]
    large.etags = dict.fromkeys(large.objects, '"1"')
    large.crc = None
    plan = Downloads(
        [Download("bucket", key) for key in large.objects], [f"/{key}" for key in large.objects], step=STEP
    )
    assert len(carry_out(plan, large)) == 16
    assert {bytes(file) for file in large.files.values()} == {body(11 * STEP)}


@pytest.mark.parametrize("lost", [1, STEP, 6 * STEP], ids=["a byte", "a piece", "all"])
@pytest.mark.parametrize("pick", [0, -1], ids=["oldest first", "newest first"])
def test_other_requests_fetch_missing_bytes_of_the_first_response(large, lost, pick):
    large.lost = lost
    plan = Downloads([Download("bucket", "a")], ["/f"], step=STEP)
    jobs = carry_out(plan, large, pick)
    assert large.files["/f"] == body(100 * STEP)
    assert plan.results[0].response.verified == "crc32"
    assert len(jobs) == 1 + 94 + -(-lost // STEP)
    again = [job.arguments for job in jobs if job.arguments.get("position", 60 * STEP) < 6 * STEP]
    assert [one["position"] for one in again if one.get("keep")] == [0] * (lost == 6 * STEP)  # the file is not emptied
    assert all(one["if_match"] == '"1"' for one in again)


@pytest.mark.parametrize("checks_etags", [True, False])
@pytest.mark.parametrize("pick", [0, -1], ids=["oldest first", "newest first"])
def test_an_object_that_changes_under_its_first_response_is_begun_again_after_it(large, checks_etags, pick):
    large.checks_etags, large.crc = checks_etags, None
    plan = Downloads([Download("bucket", "a")], ["/f"], step=STEP)
    executed = []

    class Changing:
        begin = large.begin

        def __call__(self, job):
            executed.append(job)
            if len(executed) == 3:
                large.objects["a"], large.etags["a"] = bytes(100 * STEP), '"2"'
            return large(job)

    carry_out(plan, Changing(), pick)
    assert plan.results[0].path == "/f.1"
    assert large.files["/f.1"] == bytes(100 * STEP)
    firsts = [job for job in executed if job.number == 0]
    assert [job.arguments["path"] for job in firsts] == ["/f", "/f.1"]


def test_an_object_that_was_given_up_is_not_finished_by_its_first_response(large):
    large.objects["b"], large.etags["b"] = b"small", '"1"'
    large.crc = None
    refusals = Refusals()
    wanted = [Download("bucket", "a"), Download("bucket", "b")]
    plan = ResumableDownloads(wanted, ["/a", "/b"], lambda _: None, STEP, refusals)

    class Refusing:
        begin = large.begin

        def __call__(self, job):
            return Failure(Code.ACCESS_DENIED, "no", "AccessDenied", 403) if job.number < 0 else large(job)

    jobs = carry_out(plan, Refusing(), -1)
    assert [job.number for job in jobs][-1] == 0  # it ended last
    assert [result and result.path for result in plan.results] == [None, "/b"]
