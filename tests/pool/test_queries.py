"""Tests of the plans that move no data, and of the queue that feeds runners."""

import pytest
from pool.plans import carry_out, missing

from metaflow_extensions.fasts3.pool.deletions import ListedDeletions
from metaflow_extensions.fasts3.pool.messages import Job, Outcome
from metaflow_extensions.fasts3.pool.plan import JobFailed, JobQueue, Requests
from metaflow_extensions.fasts3.pool.queries import Entry, Heads, Listing, Listings, PageOfListing
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ListedObject, ObjectInfo, Page

INFO = ObjectInfo(1, "", None, {}, 0, None)


def test_heads_answer_in_order():
    plan = Heads([("b", "x"), ("b", "no"), ("b", "y")], missing_ok=True)
    carry_out(plan, lambda job: missing("") if job.key == "no" else INFO._replace(content_type=job.key), pick=-1)
    assert [info and info.content_type for info in plan.results] == ["x", None, "y"]
    assert plan.unproven == {"b"}


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.ACCESS_DENIED, Code.NO_BUCKET])
def test_a_head_that_fails_fails_the_plan(code):
    with pytest.raises(JobFailed):
        carry_out(Heads([("b", "x")], missing_ok=code is not Code.NOT_FOUND), lambda job: Failure(code))


def test_listings_follow_their_pages_side_by_side():
    def answer(job):
        page = int(job.arguments["token"] or 0)
        objects = [ListedObject(f"{job.key}{page}-{row}", row) for row in range(2)]
        return Page(objects, [f"{job.key}{page}-dir/"], str(page + 1) if page < 2 else None)

    plan = Listings([Listing("b", "x/", "/"), Listing("b", "y/")])
    carry_out(plan, answer, pick=-1)
    assert [[entry.key for entry in entries] for entries in plan.results] == [
        [f"{prefix}{page}-{name}" for page in range(3) for name in ("0", "1", "dir/")] for prefix in ("x/", "y/")
    ]
    assert Entry("x/0-dir/", None) in plan.results[0]


def paged(pages):
    """All entries of a listing that is read page by page; `pages` by their tokens, None the first."""
    plan, found = PageOfListing(Listing("b", "x/", "/")), []
    while plan:
        (job,) = carry_out(plan, lambda job: pages[job.arguments["token"]])
        assert (job.key, job.arguments["delimiter"]) == ("x/", "/")
        found += plan.entries
        plan = plan.next
    return found


def test_pages_come_one_by_one_in_key_order():
    first = Page([ListedObject("x/c", 3), ListedObject("x/a", 1)], ["x/b/"], "1")
    last = Page([ListedObject("x/d", 4)], [], None)
    assert paged({None: first, "1": last}) == [("x/a", 1), ("x/b/", None), ("x/c", 3), ("x/d", 4)]


def test_what_a_page_repeats_of_the_one_before_comes_once():
    first = Page([ListedObject("x/a", 1)], ["x/b/"], "1")
    last = Page([ListedObject("x/a", 1), ListedObject("x/c", 1)], ["x/b/"], None)
    assert [entry.key for entry in paged({None: first, "1": last})] == ["x/a", "x/b/", "x/c"]


def test_a_page_that_fails_fails_the_listing():
    with pytest.raises(JobFailed):
        paged({None: Failure(Code.ACCESS_DENIED)})


def test_one_entry_is_enough_where_only_presence_is_asked():
    jobs = carry_out(
        Listings([Listing("b", "x", first_only=True)]), lambda job: Page([ListedObject("x1", 1)], [], "more")
    )
    assert [job.arguments["limit"] for job in jobs] == [1]


def test_requests_fail_with_the_first_that_fails():
    plan = Requests([Job(0, "delete", "b", "k"), Job(1, "delete", "b", "l")])
    with pytest.raises(JobFailed) as failed:
        carry_out(plan, lambda job: Failure(Code.ACCESS_DENIED) if job.number else None)
    assert failed.value.job.key == "l"
    assert plan.replies == {0: None}


def test_the_queue_gives_what_follows_before_what_is_new():
    jobs = [Job(number, "head", "b", str(number)) for number in range(6)]
    queue = JobQueue(Requests(jobs[:2]))
    assert queue.take() is jobs[0]
    queue.follow(jobs[0], iter(jobs[2:4]))
    queue.put_back([jobs[4]])
    assert queue.at_least(4)
    assert not queue.at_least(5)
    assert [queue.take() for _ in range(5)] == [jobs[4], jobs[2], jobs[3], jobs[1], None]
    assert not queue.has_more()


def test_outcomes_of_requests_are_kept():
    plan = Requests([Job(3, "head", "b", "k")])
    assert list(plan.receive(next(plan.start()), Outcome(3, INFO))) == []
    assert plan.replies == {3: INFO}


def plans_of(pages):
    """What reads a listing, each pager in its way; `pages` by their tokens, None the first."""
    answer = lambda job: pages[job.arguments["token"]]  # noqa: E731
    whole, deleting = Listings([Listing("b", "x/")]), ListedDeletions([Listing("b", "x/")])
    return {
        "list": lambda: carry_out(whole, answer) and [entry.key for entry in whole.results[0]],
        "pages": lambda: sorted(entry.key for entry in paged(pages)),
        "delete": lambda: (
            carry_out(deleting, lambda job: answer(job) if job.operation == "list_page" else {})
            and sorted(f"x/{number}" for number in range(deleting.deleted))
        ),
    }


@pytest.mark.parametrize("pager", ["list", "pages", "delete"])
def test_pages_that_are_borne(pager):
    """Empty ones, those that begin with what the one before ended with, and keys in an order that is not that of S3."""
    rows = [["x/2", "x/3"], ["x/3", "x/4"], ["x/4"], [], ["x/0", "x/1"]]
    pages = {
        number or None: Page([ListedObject(key, 1) for key in keys], [], number + 1 if number < 4 else None)
        for number, keys in enumerate(rows)
    }
    assert plans_of(pages)[pager]() == [f"x/{number}" for number in range(5)]


def test_a_common_prefix_of_many_pages_is_borne():
    """Servers that cut pages before they put keys together tell it on each."""
    pages = {number or None: Page([], ["x/a/"], number + 1 if number < 50 else None) for number in range(51)}
    assert [entry.key for entry in paged(pages)] == ["x/a/"]


def test_what_follows_from_the_oldest_comes_first():
    """Parts, then the completion, of the first object come before the parts of the second, however late they follow."""
    begun = [Job(number, "create_upload", "b", f"begun {number}") for number in range(3)]
    follow = [[Job(10 * number + part, "upload_part", "b") for part in (3, 4)] for number in range(2)]
    queue = JobQueue(Requests(begun))
    first, second = queue.take(), queue.take()
    queue.follow(second, iter(follow[1]))
    queue.follow(first, iter(follow[0]))
    assert queue.take() is follow[0][0]
    completion = Job(99, "complete_upload", "b")
    queue.follow(follow[0][0], [completion])
    taken = [queue.take() for _ in range(4)]
    assert taken == [follow[0][1], completion, *follow[1]]
    queue.put_last([taken[2]])  # its worker died; what follows from it later is still of the second object
    assert [queue.take(), queue.take(), queue.take()] == [begun[2], taken[2], None]
    queue.follow(begun[2], [Job(50, "upload_part", "b")])
    queue.follow(taken[2], [Job(51, "upload_part", "b")])
    assert queue.take().number == 51
