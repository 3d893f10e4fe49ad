"""Tests of the counts for the display of progress. `carry_out` also checks the totals of every plan."""

import pytest
from plans.carrying_out import carry_out, missing

from metaflow_extensions.fasts3.plans.download import Download
from metaflow_extensions.fasts3.plans.downloads import Downloads
from metaflow_extensions.fasts3.plans.heads import Heads
from metaflow_extensions.fasts3.plans.listings import Listing, Listings
from metaflow_extensions.fasts3.plans.plan import Requests
from metaflow_extensions.fasts3.plans.tally import Tally
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.plans.uploads import Uploads
from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ListedObject, ObjectInfo, Page

STEP = 10


def info(size, etag='"1"'):
    return ObjectInfo(size, etag, None, {}, None, None)


class Objects:
    """Objects of so many bytes each, that can be read and written; `seen` is the plan's tally before each job."""

    def __init__(self, **sizes):
        self.sizes = sizes
        self.etag = '"1"'
        self.seen = []
        self.plan = None

    def watching(self, plan):
        self.plan = plan
        return plan

    def __call__(self, job):
        tally = self.plan.tally
        self.seen.append((tally.objects, tally.total_objects, tally.bytes, tally.total_bytes))
        return getattr(self, job.operation)(job)

    def get(self, job):
        if job.key not in self.sizes:
            return missing()
        size = self.sizes[job.key]
        if "limit" in job.arguments:
            return GetResponse(info(size, self.etag), 0, size, min(size, STEP))
        first, last = (int(end) for end in job.arguments["byte_range"][len("bytes=") :].split("-"))
        if job.arguments["if_match"] != self.etag:
            return Failure(Code.PRECONDITION, "changed", "PreconditionFailed", 412)
        return GetResponse(info(size, self.etag), first, last + 1 - first, last + 1 - first)

    def head(self, job):
        return info(self.sizes[job.key]) if job.key in self.sizes else missing("")

    def put(self, job):
        return "etag"

    def create_upload(self, job):
        return str(len(self.seen))

    def upload_part(self, job):
        return {"ETag": '"1"'}

    def complete_upload(self, job):
        return "etag"


def downloads(sizes, known=None, missing_ok=False):
    wanted = [Download("b", key, size=known and known.get(key)) for key in sizes]
    return Downloads(wanted, [f"/{key}" for key in sizes], missing_ok, STEP)


def test_the_bytes_of_downloads_are_known_after_the_last_size():
    sizes = {"a": 35, "b": 5, "c": 0}
    store = Objects(**sizes)
    plan = store.watching(downloads(sizes))
    carry_out(plan, store)
    first = [(0, 3, 0, None), (0, 3, 10, None), (1, 3, 15, None)]
    assert store.seen == [*first, (2, 3, 15, 40), (2, 3, 25, 40), (2, 3, 35, 40)]
    assert plan.tally == Tally("get", 3, 40, 3, 40)


def test_sizes_of_a_listing_are_known_at_once_and_corrected_later():
    store = Objects(a=35, b=5)
    plan = store.watching(downloads(["a", "b"], {"a": 20, "b": 5}))
    assert plan.tally == Tally("get", 2, 25)
    carry_out(plan, store)
    assert store.seen[:3] == [(0, 2, 0, 25), (0, 2, 10, 40), (1, 2, 15, 40)]


@pytest.mark.parametrize("known", [None, {"a": 35}])
def test_an_object_that_is_begun_again_is_counted_once(known):
    store = Objects(a=35)
    plan = store.watching(downloads(["a"], known))

    def perform(job):
        response = store(job)
        if len(store.seen) == 3:  # two pieces came, and a third under way
            store.sizes["a"], store.etag = 25, '"2"'
        return response

    carry_out(plan, perform)
    assert plan.tally == Tally("get", 1, 25, 1, 25)
    assert min(moved for _, _, moved, _ in store.seen[1:]) == 0


def test_a_key_that_is_not_there_is_an_object_without_bytes():
    store = Objects(a=5)
    plan = store.watching(downloads(["a", "no"], missing_ok=True))
    carry_out(plan, store)
    assert plan.tally == Tally("get", 2, 5, 2, 5)


def test_a_range_without_bytes_is_an_object_without_bytes():
    store = Objects(a=5)
    plan = store.watching(Downloads([Download("b", "a", nothing_at=2)], ["/a"]))
    carry_out(plan, store)
    assert plan.tally == Tally("get", 1, 0, 1, 0)


def uploads(*sizes, absent=False):
    condition = ABSENT if absent else None
    sources = [
        Upload("b", key, size, read=lambda piece: b"x" * piece.length, condition=condition)
        for key, size in zip("abc", sizes)
    ]
    return Uploads(sources, STEP)


def test_uploads_know_their_bytes_from_the_beginning():
    store = Objects()
    plan = store.watching(uploads(5, 25, 0))
    carry_out(plan, store)
    assert store.seen[0] == (0, 3, 0, 30)
    assert [moved for _, _, moved, _ in store.seen] == [0, 5, 5, 5, 15, 25, 30]
    assert plan.tally == Tally("put", 3, 30, 3, 30)


def test_a_small_file_counts_too():
    plan = Uploads([Upload("b", "a", 5, path="/f")], step=STEP)
    carry_out(plan, lambda job: "etag")
    assert plan.tally == Tally("put", 1, 5, 1, 5)


def test_existing_objects_count_as_finished_without_bytes():
    store = Objects(b=25)
    plan = store.watching(uploads(5, 25, absent=True))
    carry_out(plan, store)
    assert plan.tally == Tally("put", 2, 5, 2, 5)


def test_parts_of_a_race_that_was_lost_do_not_count():
    store = Objects()

    def complete_upload(job):
        store.sizes["a"] = 7
        return Failure(Code.PRECONDITION, "", "PreconditionFailed", 412)

    store.complete_upload = complete_upload
    store.abort_upload = lambda job: None
    plan = store.watching(uploads(25, absent=True))
    carry_out(plan, store)
    assert plan.stored == [False]
    assert max(moved for _, _, moved, _ in store.seen) == 25
    assert plan.tally == Tally("put", 1, 0, 1, 0)


def test_parts_of_an_upload_that_vanished_are_counted_once():
    store = Objects()
    responses = iter([{"ETag": '"1"'}, Failure(Code.NO_UPLOAD, "", "NoSuchUpload", 404)])
    store.upload_part = lambda job: next(responses, {"ETag": '"1"'})
    plan = store.watching(uploads(25))
    carry_out(plan, store)
    assert plan.tally == Tally("put", 1, 25, 1, 25)
    assert [moved for _, _, moved, _ in store.seen] == [0, 0, 10, 0, 0, 0, 10, 20, 25]


def test_heads_move_nothing():
    store = Objects(a=5)
    plan = store.watching(Heads([("b", "a"), ("b", "no")], missing_ok=True))
    carry_out(plan, store)
    assert store.seen == [(0, 2, 0, 0), (1, 2, 0, 0)]
    assert plan.tally == Tally("info", 2, 0, 2, 0)


def test_listings_know_how_many_there_are_when_the_last_one_ends():
    pages = {None: Page([ListedObject("x1", 1), ListedObject("x2", 1)], ["x/"], "2")}
    pages["2"] = Page([ListedObject("x2", 1), ListedObject("x3", 1)], [], None)  # some servers say the last one again
    plan = Listings([Listing("b", "x"), Listing("b", "y")])
    seen = []

    def perform(job):
        seen.append((plan.tally.objects, plan.tally.total_objects))
        return pages[job.arguments["token"]] if job.key == "x" else Page([], [], None)

    carry_out(plan, perform)
    assert seen == [(0, None), (3, None), (3, None)]
    assert plan.tally == Tally("list", 4, 0, 4, 0)


def test_internal_jobs_are_not_counted():
    assert Listings([Listing("b", "x", first_only=True)]).tally is None
    assert getattr(Requests([]), "tally", None) is None
