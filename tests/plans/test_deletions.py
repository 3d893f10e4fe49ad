"""Tests of the plans that delete, on a dictionary: the keys of each request, and refused keys."""

from random import Random

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from plans.carrying_out import carry_out, missing

from metaflow_extensions.fasts3.plans import deletions, refusals
from metaflow_extensions.fasts3.plans.deletions import AHEAD, CHANGED, Deletions, ListedDeletions
from metaflow_extensions.fasts3.plans.listings import Listing, outermost
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ListedObject, ObjectInfo, Page

DENIED = Failure(Code.ACCESS_DENIED, "Access Denied", "AccessDenied", 403, "REQUEST")
STUCK = Failure(Code.BUSY, "We encountered an internal error", "InternalError", 500, "REQUEST")
NOT_IMPLEMENTED = Failure(Code.NOT_IMPLEMENTED, "no", "NotImplemented", 501)
NO_METHOD = Failure(Code.REJECTED, "no", "MethodNotAllowed", 405)
NO_MD5 = Failure(Code.REJECTED, "no", "MissingContentMD5", 400)
MALFORMED = Failure(Code.REJECTED, "no", "MalformedXML", 400)
PRECONDITION = Failure(Code.PRECONDITION, "no", "PreconditionFailed", 412)


class Store:
    """Has (bucket, key), and executes jobs; `refusals` are by key, `many` is the response to requests for many keys."""

    def __init__(self, stored, refusals=(), many=None, page=3, overlap=0):
        self.stored = set(stored)
        self.refusals = dict(refusals)
        self.many = many
        self.page = page
        self.overlap = overlap  # keys that a page has again
        self.most = 0  # keys listed and still there

    def __call__(self, job):
        return getattr(self, job.operation)(job)

    def delete(self, job):
        if job.key not in self.refusals:
            self.stored.discard((job.bucket, job.key))
        return self.refusals.get(job.key)

    def delete_objects(self, job):
        keys = job.arguments["keys"]
        assert 2 <= len(keys) == len(set(keys)) <= 1000
        assert all(key.startswith(job.key) for key in keys)
        if self.many:
            return self.many
        self.stored -= {(job.bucket, key) for key in keys if key not in self.refusals}
        refused = {key: self.refusals[key] for key in keys if key in self.refusals}
        return {key: f"{failure.s3_code}: {failure.message}" for key, failure in refused.items()}

    def list_page(self, job):
        token = job.arguments["token"] or ""
        rest = sorted(key for bucket, key in self.stored if bucket == job.bucket and key.startswith(job.key))
        before = [key for key in rest if key <= token][-self.overlap :] if self.overlap else []
        after = [key for key in rest if key > token]
        more = after[self.page - 1] if len(after) > self.page else None
        return Page([ListedObject(key, 1) for key in before + after[: self.page]], [], more)


def many(done):
    return [job for job in done if job.operation == "delete_objects"]


def alone(done):
    return [job.key for job in done if job.operation == "delete"]


# --- Those that are named.


@pytest.mark.parametrize("pick", [0, -1])
def test_a_thousand_go_in_one_request_and_buckets_apart(pick):
    wanted = [(bucket, f"k{number}") for bucket in ("one", "other") for number in range(2500)]
    store = Store(wanted)
    plan = Deletions(wanted)
    done = carry_out(plan, store, pick)
    assert store.stored == set()
    assert plan.deleted == 5000
    assert plan.failures == {}
    assert sorted(len(job.arguments["keys"]) for job in done) == [500, 500, 1000, 1000, 1000, 1000]
    assert len({job.number for job in done}) == len(done)


def test_one_key_needs_no_document():
    assert [job[1:] for job in carry_out(Deletions([("b", "k")]), Store([("b", "k")]))] == [
        ("delete", "b", "k", {}, None)
    ]


DELICATE = ["a\nb", "a\r", "\t", "a\x00b", "a\x01", "a\x7f", "a\x85", "a\ufffe", "\uffff", " a", "a ", "a\u2028b"]
DELICATE += ["a/../b", "..", ".", "./a", "a/.", "a/..", "\u3000"]


@pytest.mark.parametrize("key", DELICATE)
def test_keys_that_xml_parsers_change_are_deleted_one_by_one(key):
    wanted = [("b", "x"), ("b", key), ("b", "y")]
    store = Store(wanted)
    done = carry_out(Deletions(wanted), store)
    assert alone(done) == [key]
    assert [job.arguments["keys"] for job in many(done)] == [["x", "y"]]
    assert store.stored == set()


@pytest.mark.parametrize("key", ["a b", "a..b", "...", "a/.hidden/b", "<&>'\"]]>", "100%", "a+b", "é", "🦄", "a/"])
def test_other_keys_are_deleted_together(key):
    (job,) = carry_out(Deletions([("b", "x"), ("b", key)]), Store([]))
    assert job.arguments == {"keys": ["x", key]}


def test_refused_keys_are_retried_alone_and_the_others_are_deleted():
    wanted = [("b", str(number)) for number in range(10)]
    store = Store(wanted, {"3": STUCK, "5": STUCK})
    plan = Deletions(wanted)
    done = carry_out(plan, store)
    assert sorted(alone(done)) == ["3", "5"]
    assert store.stored == {("b", "3"), ("b", "5")}
    assert plan.deleted == 8
    assert {url: refusal.failure for url, refusal in plan.failures.items()} == {"s3://b/3": STUCK, "s3://b/5": STUCK}


def test_a_key_that_is_refused_with_others_may_succeed_alone():
    store = Store([("b", "x"), ("b", "y")], {"y": STUCK})
    plan = Deletions([("b", "x"), ("b", "y")])

    def perform(job):
        if job.operation == "delete":
            store.refusals = {}
        return store(job)

    carry_out(plan, perform)
    assert (plan.deleted, plan.failures, store.stored) == (2, {}, set())


def test_without_permission_to_delete_there_is_one_retry_and_none_for_each_key():
    wanted = [("b", str(number)) for number in range(1000)]
    plan = Deletions(wanted)
    done = carry_out(plan, Store(wanted, dict.fromkeys((key for _, key in wanted), DENIED)))
    assert len(done) == 2
    assert plan.deleted == 0
    assert len(plan.failures) == 1000
    assert {refusal.failure.code for refusal in plan.failures.values()} == {Code.ACCESS_DENIED}
    assert next(iter(plan.failures.values())) == ("delete", DENIED)  # with its request id


def test_after_a_success_alone_the_others_are_tried():
    wanted = [("b", key) for key in "abc"]
    store = Store(wanted, dict.fromkeys("abc", DENIED))
    plan = Deletions(wanted)

    def perform(job):
        if job.operation == "delete":
            store.refusals.pop("a", None)
            store.refusals.pop("c", None)
        return store(job)

    carry_out(plan, perform)
    assert (plan.deleted, list(plan.failures), store.stored) == (2, ["s3://b/b"], {("b", "b")})


@pytest.mark.parametrize("refusal", [NOT_IMPLEMENTED, NO_METHOD, NO_MD5])
def test_a_server_that_does_not_know_delete_objects_gets_them_one_by_one(refusal):
    wanted = [("b", f"{number:04}") for number in range(3000)]
    store = Store(wanted, many=refusal)
    plan = Deletions(wanted)
    done = carry_out(plan, store, room=1)
    assert len(many(done)) == 1  # no second request
    assert (plan.deleted, plan.failures, store.stored) == (3000, {}, set())


def test_one_key_may_spoil_a_document_and_the_others_go_together():
    wanted = [("b", f"{number:04}") for number in range(3000)]
    store = Store(wanted)
    plan = Deletions(wanted)

    def perform(job):
        malformed = job.operation == "delete_objects" and "1500" in job.arguments["keys"]
        return MALFORMED if malformed else store(job)

    done = carry_out(plan, perform, room=1)
    assert len(many(done)) == 3
    assert len(alone(done)) == 1000
    assert (plan.deleted, store.stored) == (3000, set())


@pytest.mark.parametrize("batch", [MALFORMED, Failure(Code.REJECTED, "no", "InvalidRequest", 400)])
def test_a_key_that_is_refused_for_another_reason_says_nothing_about_the_others(batch):
    wanted = [("b", key) for key in ("bad", "x", "y", "z")]
    store = Store(wanted, {"bad": Failure(Code.REJECTED, "no", "InvalidURI", 400)}, many=batch)
    plan = Deletions(wanted)
    carry_out(plan, store)
    assert (list(plan.failures), store.stored) == (["s3://b/bad"], {("b", "bad")})


def test_after_one_refusal_alone_the_others_are_not_tried():
    wanted = [("b", str(number)) for number in range(100)]
    rejected = Failure(Code.REJECTED, "no", "InvalidRequest", 400)
    plan = Deletions(wanted)
    done = carry_out(plan, lambda _: rejected)
    assert len(done) == 2
    assert len(plan.failures) == 100


def test_some_servers_respond_404_for_missing_keys():
    plan = Deletions([("b", "k")])
    carry_out(plan, lambda _: Failure(Code.NOT_FOUND, "", "NoSuchKey", 404))
    assert (plan.deleted, plan.failures) == (1, {})
    plan = Deletions([("b", "k")])
    carry_out(plan, lambda _: Failure(Code.NOT_FOUND, "Not Found", "404", 404))  # of a server that is no S3, perhaps
    assert (plan.deleted, list(plan.failures)) == (0, ["s3://b/k"])


@pytest.mark.parametrize("wanted", [[("b", "x")], [("b", "x"), ("b", "y")]])
@pytest.mark.parametrize("code", [Code.UNREACHABLE, Code.NO_BUCKET, Code.NO_CREDENTIALS, Code.UNTRUSTED, Code.EXPIRED])
def test_permanent_refusals_end_the_requests(wanted, code):
    with pytest.raises(JobFailed) as failed:
        carry_out(Deletions(wanted), lambda _: Failure(code))
    assert failed.value.job.operation == ("delete" if len(wanted) == 1 else "delete_objects")
    assert failed.value.failure.code is code


@pytest.mark.parametrize("code", [Code.ACCESS_DENIED, Code.BUSY, Code.BROKEN, Code.NOT_FOUND])
def test_a_failed_request_for_many_ends_the_requests(code):
    with pytest.raises(JobFailed):
        carry_out(Deletions([("b", "x"), ("b", "y")]), lambda _: Failure(code))


def test_a_server_that_stays_busy_is_left_alone_after_a_few():
    wanted = [("b", f"{number}\n") for number in range(1000)]
    jobs = []
    plan = Deletions(wanted)
    with pytest.raises(JobFailed):
        carry_out(plan, lambda job: jobs.append(job) or STUCK, room=1)
    assert len(jobs) == refusals.MOST_IN_A_ROW
    assert len(plan.failures) == refusals.MOST_IN_A_ROW - 1


def test_results_for_other_keys_are_ignored():
    plan = Deletions([("b", "x"), ("b", "y")])
    carry_out(plan, lambda job: {"z": "AccessDenied: no"} if job.operation == "delete_objects" else None)
    assert (plan.deleted, plan.failures) == (2, {})


names = st.text(st.sampled_from("ab/.\n "), min_size=1, max_size=4)
objects = st.sets(st.tuples(st.sampled_from(["one", "other"]), names), max_size=40)
codes = st.sampled_from([DENIED, STUCK, Failure(Code.REJECTED, "no", "InvalidRequest", 400)])
answers_to_many = st.sampled_from([None, None, None, NOT_IMPLEMENTED, MALFORMED])


@examples(200)
@given(objects, st.dictionaries(names, codes, max_size=3), answers_to_many, st.integers(1, 7), st.integers(0, 2**32))
def test_whatever_happens_each_key_is_deleted_or_named(keys, refusals, response_to_many, step, seed):
    random = Random(seed)
    store = Store(keys | {("one", "stays, as nobody named it")}, refusals, response_to_many)
    plan = Deletions(keys, step=step + 1)
    carry_out(plan, store, random.randrange, random.randint(1, 9))
    gone = {one for one in keys if one not in store.stored}
    named = {f"s3://{bucket}/{key}" for bucket, key in keys & store.stored}
    assert plan.deleted == len(gone)
    assert named == set(plan.failures)
    assert store.stored - keys == {("one", "stays, as nobody named it")}


# --- All below prefixes.


@pytest.mark.parametrize("overlap", [0, 2])
@pytest.mark.parametrize("pick", [0, -1])
def test_all_below_prefixes_page_by_page(pick, overlap):
    below = {("b", f"x/{number}") for number in range(20)} | {("c", f"y/{number}") for number in range(7)}
    store = Store(below | {("b", "x"), ("b", "xy"), ("c", "x/0")}, overlap=overlap)
    plan = ListedDeletions([Listing("b", "x/"), Listing("c", "y/")])
    done = carry_out(plan, store, pick)
    assert store.stored == {("b", "x"), ("b", "xy"), ("c", "x/0")}
    assert (plan.deleted, plan.failures) == (27, {})
    assert len({job.number for job in done}) == len(done)


def test_undeleted_keys_are_named_and_the_listing_continues():
    keys = [("b", f"x/{number:02}") for number in range(20)]
    store = Store(keys, {"x/00": DENIED, "x/07": STUCK}, overlap=2)
    plan = ListedDeletions([Listing("b", "x/")])
    carry_out(plan, store)
    assert store.stored == {("b", "x/00"), ("b", "x/07")}
    assert (plan.deleted, set(plan.failures)) == (18, {"s3://b/x/00", "s3://b/x/07"})


def test_a_page_may_hold_more_than_one_request_takes():
    keys = [("b", f"x/{number:04}") for number in range(2100)]
    store = Store(keys, page=5000)
    done = carry_out(ListedDeletions([Listing("b", "x/")]), store)
    assert [len(job.arguments["keys"]) for job in many(done)] == [1000, 1000, 100]
    assert store.stored == set()


def test_a_listing_does_not_run_ahead_of_the_deletions():
    """Or a million keys would be held here."""
    keys = [("b", f"x/{number:06}") for number in range(60_000)]
    store = Store(keys, page=1000)
    plan = ListedDeletions([Listing("b", "x/")])
    queue, waiting, most = JobQueue(plan), [], 0
    while (job := queue.take()) or waiting:
        if job is None:  # nothing more to list: now something is deleted
            job = waiting.pop(0)
        elif job.operation != "list_page":
            waiting.append(job)
            continue
        (outcome,) = [(store(job))]
        queue.receive(job, deletions.Outcome(job.number, outcome))
        most = max(most, sum(len(one.arguments["keys"]) for one in waiting))
    assert store.stored == set()
    assert most <= AHEAD + 1000


def test_a_listing_in_circles_ends():
    pages = 0

    def perform(job):
        nonlocal pages
        if job.operation != "list_page":
            return {}
        pages += 1
        # Ever new tokens, and two pages in turn.
        return Page([ListedObject(f"x/{pages % 2}{letter}", 1) for letter in "ab"], [], str(pages))

    with pytest.raises(JobFailed, match="malformed") as failed:
        carry_out(ListedDeletions([Listing("b", "x/")]), perform)
    assert "repeats pages" in failed.value.failure.message
    assert pages == 3


def test_empty_pages_are_accepted():
    pages = iter([*(Page([], [], str(number)) for number in range(50)), Page([ListedObject("x/a", 1)], [], None)])
    plan = ListedDeletions([Listing("b", "x/")])
    carry_out(plan, lambda job: next(pages) if job.operation == "list_page" else None)
    assert plan.deleted == 1


def test_a_page_that_fails_fails_the_plan_and_what_is_known_is_kept():
    store = Store([("b", f"x/{number}") for number in range(5)], {"x/1": DENIED})
    plan = ListedDeletions([Listing("b", "x/")])
    with pytest.raises(JobFailed) as failed:
        carry_out(plan, lambda job: STUCK if job.arguments.get("token") and plan.failures else store(job), -1)
    assert failed.value.job.operation == "list_page"
    assert set(plan.failures) == {"s3://b/x/1"}


def test_after_many_failures_it_gives_up(monkeypatch):
    monkeypatch.setattr(deletions, "MOST_FAILED", 10)
    monkeypatch.setattr(deletions, "AHEAD", 6)
    keys = [("b", f"x/{number:03}") for number in range(100)]
    store = Store(keys, dict.fromkeys((key for _, key in keys), DENIED))
    plan = ListedDeletions([Listing("b", "x/")])
    carry_out(plan, store, room=1)
    assert plan.gave_up
    assert 10 <= len(plan.failures) < 20


def test_prefixes_inside_others_are_left_out():
    listings = [Listing("b", prefix) for prefix in ("log/deep/", "log/", "log-1/", "log/", "log0/", "l/")]
    assert [one.prefix for one in outermost([*listings])] == ["l/", "log-1/", "log/", "log0/"]
    assert len(outermost([Listing("b", "log/"), Listing("c", "log/"), Listing("a", "log/x/")])) == 3


# --- Those that must still be what was read or listed.


class Versions(Store):
    """Holds objects of the bucket b, by their ETags, and deletes one only if it has the given ETag."""

    def __init__(self, etags, **given):
        super().__init__([("b", key) for key in etags], **given)
        self.etags = etags

    def _has(self, key, etag):
        return not etag or (("b", key) in self.stored and self.etags[key] == etag)

    def delete(self, job):
        return super().delete(job) if self._has(job.key, job.arguments.get("if_match")) else PRECONDITION

    def delete_objects(self, job):
        keys = job.arguments["keys"]
        etags = job.arguments.get("etags", [""] * len(keys))
        self.refusals = {key: PRECONDITION for key, etag in zip(keys, etags) if not self._has(key, etag)}
        responses = super().delete_objects(job)
        self.refusals = {}
        return responses

    def head(self, job):
        there = ("b", job.key) in self.stored
        return ObjectInfo(1, self.etags[job.key], None, {}, None, None) if there else missing()


def test_etags_go_with_the_keys():
    def perform(job):
        return {} if job.operation == "delete_objects" else None

    done = carry_out(Deletions([("b", "x", '"1"'), ("b", "y", None), ("b", "z\n", '"3"')]), perform)
    assert [job.arguments for job in done if job.operation == "delete"] == [{"if_match": '"3"'}]
    assert [job.arguments for job in carry_out(Deletions([("b", "x"), ("b", "y", None)]), perform)] == [
        {"keys": ["x", "y"]}
    ]
    (job,) = carry_out(Deletions([("b", "x", '"1"'), ("b", "y")]), perform)
    assert job.arguments == {"keys": ["x", "y"], "etags": ['"1"', ""]}


def test_replaced_objects_stay_and_missing_ones_are_no_failure():
    wanted = [("b", str(number), f'"{number}"') for number in range(6)]
    store = Versions({key: etag for _, key, etag in wanted})
    store.etags["2"] = '"another"'
    store.stored.remove(("b", "4"))
    plan = Deletions(wanted)
    done = carry_out(plan, store)
    assert store.stored == {("b", "2")}
    assert plan.deleted == 5
    assert plan.failures == {"s3://b/2": ("delete", CHANGED)}
    assert [(job.operation, job.key) for job in done if job.operation == "head"] == [("head", "2"), ("head", "4")]


@pytest.mark.parametrize("etag", ['"1"', '"another"'])
def test_one_conditional_deletion(etag):
    store = Versions({"k": etag})
    plan = Deletions([("b", "k", '"1"')])
    carry_out(plan, store)
    assert (plan.deleted, bool(store.stored)) == ((1, False) if etag == '"1"' else (0, True))


def test_a_server_that_refuses_the_condition_deletes_without_it():
    class Refusing(Store):
        def delete(self, job):
            return NOT_IMPLEMENTED if "if_match" in job.arguments else super().delete(job)

    wanted = [("b", f"{number}\n", '"1"') for number in range(5)]
    store = Refusing([one[:2] for one in wanted])
    plan = Deletions(wanted)
    done = carry_out(plan, store, room=1)
    assert (store.stored, plan.deleted, plan.failures) == (set(), 5, {})
    assert len(done) == 6  # the condition was tried once


def test_without_permission_for_head_it_is_not_known_whether_an_object_was_replaced():
    class Secret(Store):
        def delete(self, job):
            return PRECONDITION

        def head(self, job):
            return DENIED

    plan = Deletions([("b", "k", '"1"')])
    carry_out(plan, Secret([("b", "k")]))
    assert plan.failures == {"s3://b/k": ("head", DENIED)}
