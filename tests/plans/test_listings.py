"""Tests of the plans that list, and of the pager that they share."""

from bisect import bisect_right

import pytest
from plans.carrying_out import carry_out

from metaflow_extensions.fasts3.plans.deletions import ListedDeletions
from metaflow_extensions.fasts3.plans.listings import Listing, Listings, Pager, PagesOfListing
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.split_listing import Entry
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ListedObject, Page


def test_listings_request_their_pages_in_parallel():
    def perform(job):
        page = int(job.arguments["token"] or 0)
        objects = [ListedObject(f"{job.key}{page}-{row}", row) for row in range(2)]
        return Page(objects, [f"{job.key}{page}-dir/"], str(page + 1) if page < 2 else None)

    plan = Listings([Listing("b", "x/", "/"), Listing("b", "y/")])
    carry_out(plan, perform, pick=-1)
    assert [[entry.key for entry in entries] for entries in plan.results] == [
        [f"{prefix}{page}-{name}" for page in range(3) for name in ("0", "1", "dir/")] for prefix in ("x/", "y/")
    ]
    assert Entry("x/0-dir/", None) in plan.results[0]


def paged(pages):
    """All entries of a listing that is read page by page; `pages` by their tokens, None the first."""
    pager, found = Pager(Listing("b", "x/", "/")), []
    while not pager.ended:
        plan = PagesOfListing(pager)
        (job,) = carry_out(plan, lambda job: pages[job.arguments["token"]])
        assert (job.key, job.arguments["delimiter"]) == ("x/", "/")
        found += plan.entries
    return found


def test_pages_are_returned_in_key_order():
    first = Page([ListedObject("x/c", 3), ListedObject("x/a", 1)], ["x/b/"], "1")
    last = Page([ListedObject("x/d", 4)], [], None)
    assert paged({None: first, "1": last}) == [("x/a", 1), ("x/b/", None), ("x/c", 3), ("x/d", 4)]


def test_entries_that_a_page_repeats_are_returned_once():
    first = Page([ListedObject("x/a", 1)], ["x/b/"], "1")
    last = Page([ListedObject("x/a", 1), ListedObject("x/c", 1)], ["x/b/"], None)
    assert [entry.key for entry in paged({None: first, "1": last})] == ["x/a", "x/b/", "x/c"]


def test_a_page_that_fails_fails_the_listing():
    with pytest.raises(JobFailed):
        paged({None: Failure(Code.ACCESS_DENIED)})


def test_one_entry_is_enough_to_prove_presence():
    jobs = carry_out(
        Listings([Listing("b", "x", first_only=True)]), lambda job: Page([ListedObject("x1", 1)], [], "more")
    )
    assert [job.arguments["limit"] for job in jobs] == [1]


def plans_of(pages):
    """What reads a listing, each pager in its way; `pages` by their tokens, None the first."""
    perform = lambda job: pages[job.arguments["token"]]  # noqa: E731
    whole, deleting = Listings([Listing("b", "x/")]), ListedDeletions([Listing("b", "x/")])
    return {
        "list": lambda: carry_out(whole, perform) and [entry.key for entry in whole.results[0]],
        "pages": lambda: sorted(entry.key for entry in paged(pages)),
        "delete": lambda: (
            carry_out(deleting, lambda job: perform(job) if job.operation == "list_page" else {})
            and sorted(f"x/{number}" for number in range(deleting.deleted))
        ),
    }


@pytest.mark.parametrize("pager", ["list", "pages", "delete"])
def test_unusual_pages_are_accepted(pager):
    """Empty ones, those that begin with what the one before ended with, and keys in an order that is not that of S3."""
    rows = [["x/2", "x/3"], ["x/3", "x/4"], ["x/4"], [], ["x/0", "x/1"]]
    pages = {
        number or None: Page([ListedObject(key, 1) for key in keys], [], number + 1 if number < 4 else None)
        for number, keys in enumerate(rows)
    }
    assert plans_of(pages)[pager]() == [f"x/{number}" for number in range(5)]


def test_a_common_prefix_on_many_pages_is_accepted():
    """Servers that split pages before they group keys return the prefix on each page."""
    pages = {number or None: Page([], ["x/a/"], number + 1 if number < 50 else None) for number in range(51)}
    assert [entry.key for entry in paged(pages)] == ["x/a/"]


KEYS = [f"x/{number:06}" for number in range(40_000)]


def listed(job):
    """A page of KEYS, as S3 gives it."""
    start = bisect_right(KEYS, job.arguments["token"] or job.arguments.get("after", ""))
    keys = KEYS[start : start + 1000]
    return Page([ListedObject(key, 7) for key in keys], [], keys[-1] if start + 1000 < len(KEYS) else None)


def test_a_long_listing_is_read_at_several_places():
    plan = Listings([Listing("b", "x/")])
    jobs = carry_out(plan, listed, pick=-1)
    assert plan.results == [[Entry(key, 7) for key in KEYS]]
    assert len({job.arguments.get("after") for job in jobs}) > 5


@pytest.mark.parametrize(
    "listing", [Listing("b", "x/", "/"), Listing("zone--x-s3", "x/")], ids=["one level", "a directory bucket"]
)
def test_some_listings_are_read_page_after_page(listing):
    jobs = carry_out(Listings([listing]), listed)
    assert {job.arguments.get("after") for job in jobs} == {None}


def test_a_few_pages_at_a_time():
    pager, found, rounds = Pager(Listing("b", "x/"), width=8), [], 0
    while not pager.ended:
        plan = PagesOfListing(pager)
        assert len(carry_out(plan, listed, pick=-1)) <= 8
        found += plan.entries
        rounds += 1
    assert found == [Entry(key, 7) for key in KEYS]
    assert rounds < 30


def test_each_object_of_a_long_listing_is_deleted_once():
    deleted = []

    def perform(job):
        if job.operation == "list_page":
            return listed(job)
        deleted.extend(job.arguments["keys"])
        return {}

    plan = ListedDeletions([Listing("b", "x/")])
    carry_out(plan, perform, pick=-1)
    assert sorted(deleted) == KEYS
    assert plan.deleted == len(KEYS)
