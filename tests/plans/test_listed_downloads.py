"""Tests of the plan that downloads listed objects during the listing."""

import pytest
from plans import test_downloads
from plans.carrying_out import carry_out, missing
from plans.test_downloads import STEP, body

from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.listed_downloads import ListedDownloads
from metaflow_extensions.fasts3.plans.listings import Listing
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue
from metaflow_extensions.fasts3.wire.transfers import ListedObject, Page


class Store(test_downloads.Store):
    """Also lists; `sizes` maps the keys, all in bucket b, to sizes."""

    def __init__(self, sizes, page=3):
        super().__init__(**{key: body(size) for key, size in sizes.items()})
        self._page = page
        self.gets = []  # keys, first requests only

    def __call__(self, job):
        if job.operation == "list_page":
            return self._listed(job)
        if "position" not in job.arguments:
            self.gets.append(job.key)
        return super().__call__(job)

    def _listed(self, job):
        after = job.arguments["token"] or job.arguments.get("after", "")
        keys = sorted(key for key in self.objects if key > after and key.startswith(job.key))
        rows = [ListedObject(key, len(self.objects[key])) for key in keys[: self._page]]
        return Page(rows, [], rows[-1].key if len(keys) > self._page else None)


def plan_of(*prefixes):
    return ListedDownloads([Listing("b", prefix) for prefix in prefixes], lambda key: f"/tmp/{key}", STEP)


def below(plan, *prefixes):
    return [
        [(wanted.key, result.path) for wanted, result in found]
        for found in plan.below(Listing("b", prefix) for prefix in prefixes)
    ]


@pytest.mark.parametrize("pick", [0, -1, lambda count: count // 2], ids=["oldest", "newest", "middle"])
@pytest.mark.parametrize("room", [1, 5, None])
def test_everything_below_each_prefix_is_downloaded_once(pick, room):
    sizes = {f"{folder}/{number:02}": number for folder in ("a", "a/b", "c", "d") for number in range(11)}
    store, prefixes = Store(sizes), ("c/", "a/b/", "a/", "none/", "c/")
    plan = plan_of(*prefixes)
    jobs = carry_out(plan, store, pick, room)
    assert sorted(store.gets) == sorted(key for key in sizes if not key.startswith("d/"))
    assert len({job.number for job in jobs}) == len(jobs)
    assert {job.key for job in jobs if job.operation == "list_page"} == {"a/", "c/", "none/"}
    expected = [[(key, f"/tmp/{key}") for key in sorted(sizes) if key.startswith(prefix)] for prefix in prefixes]
    assert below(plan, *prefixes) == expected


def test_objects_are_requested_during_the_listing_and_pages_first():
    plan, store = plan_of("x/"), Store({f"x/{number}": 1 for number in range(9)})
    queue = JobQueue(plan)
    page = queue.take()
    for count in (3, 6):
        queue.receive(page, Outcome(page.number, store(page)))
        assert plan.tally.total_objects is None
        page = queue.take()
        assert page.operation == "list_page"  # although objects wait
        assert len(plan.objects) == count
    assert [queue.take().key for _ in range(6)] == [f"x/{number}" for number in range(6)]
    assert queue.take() is None
    assert queue.is_held  # by the page under way
    queue.receive(page, Outcome(page.number, store(page)))
    assert (plan.tally.total_objects, plan.tally.total_bytes) == (9, 9)  # by the listing, before they have come
    assert [queue.take().key for _ in range(3)] == ["x/6", "x/7", "x/8"]


def test_order_and_repetitions_are_not_left_to_the_server():
    pages = {None: (["x/b", "x/a"], "1"), "1": (["x/é", "x/c"], "2"), "2": (["x/b"], None)}
    store = Store({"x/a": 1, "x/b": 1, "x/c": 1, "x/é": 1})

    def perform(job):
        if job.operation != "list_page":
            return store(job)
        keys, token = pages[job.arguments["token"]]
        return Page([ListedObject(key, 1) for key in keys], [], token)

    plan = plan_of("x/")
    carry_out(plan, perform)
    assert [key for key, _ in below(plan, "x/")[0]] == ["x/a", "x/b", "x/c", "x/é"]


@pytest.mark.parametrize("failing", ["list_page", "get"])
def test_a_page_or_an_object_that_fails_fails_all(failing):
    store = Store({"x/0": 1, "x/1": 1})
    with pytest.raises(JobFailed) as failed:
        carry_out(plan_of("x/"), lambda job: missing() if job.operation == failing else store(job))
    assert failed.value.job.operation == failing


def test_an_empty_prefix_takes_one_page():
    plan = plan_of("x/")
    assert [job.operation for job in carry_out(plan, Store({}))] == ["list_page"]
    assert below(plan, "x/") == [[]]
