"""Tests of the plan of copies."""

import pytest
from plans.carrying_out import carry_out
from plans.copy_store import PRECONDITION, Store

from metaflow_extensions.fasts3.plans.copies import TAGGING, Copies, Copy, rounds
from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.pieces import MOST_PART
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.refusals import Refusals
from metaflow_extensions.fasts3.plans.uploads import RESTARTS
from metaflow_extensions.fasts3.wire.conditions import ABSENT, MARK
from metaflow_extensions.fasts3.wire.copies import Source
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import KMS_KEY, TAG_COUNT, ObjectInfo, PutHeaders

STEP = 10
KMS = {KMS_KEY: "key", "cache-control": "no-cache"}


def body(size):
    return bytes(number % 251 for number in range(size))


def of(key, target, **given):
    return Copy(Source("b", key), "c", target, **given)


@pytest.mark.parametrize("pick", [0, -1])
@pytest.mark.parametrize("size", [0, 1, STEP, STEP + 1, 3 * STEP, 57])
def test_any_size(size, pick):
    store = Store(k=body(size), other=b"x")
    plan = Copies([of("k", "copy"), of("other", "too")], STEP)
    jobs = carry_out(plan, store, pick)
    assert store.objects["c", "copy"][:2] == (
        body(size),
        PutHeaders("text/a", {"one": "1"}, None, {} if size > STEP else None),
    )
    assert plan.stored == [True, True]
    assert ("copy_part" in {job.operation for job in jobs}) == (size > STEP)
    assert not store.open


def test_a_missing_source_fails_alone():
    store, refusals = Store(k=b"1", m=b"2"), Refusals()
    plan = Copies([of("k", "k"), of("none", "none"), of("m", "m")], STEP, refusals)
    carry_out(plan, store)
    assert (plan.stored, plan.refused) == ([True, False, True], {1})
    assert {url: (one.operation, one.failure.code) for url, one in refusals.by_url.items()} == {
        "s3://b/none": ("head", Code.NOT_FOUND)
    }
    with pytest.raises(JobFailed):
        carry_out(Copies([of("none", "none")], STEP), store)


@pytest.mark.parametrize("size", [3, 35], ids=["at once", "in parts"])
def test_replaced_and_kept_headers(size):
    store = Store()
    stored = PutHeaders("text/a", {"one": "1", MARK: "of its upload"}, "aws:kms", KMS)
    store.write("b", "k", body(size), stored)
    given = {
        "kept": PutHeaders(),
        "type": PutHeaders("text/b"),
        "metadata": PutHeaders(metadata={"two": "2"}),
        "no metadata": PutHeaders(metadata={}),
        "encryption": PutHeaders(encryption="AES256"),
    }
    carry_out(Copies([of("k", name, headers=headers) for name, headers in given.items()], STEP), store)
    got = {key: found[1] for (bucket, key), found in store.objects.items() if bucket == "c"}
    kept = {"cache-control": "no-cache"}
    assert got["type"] == PutHeaders("text/b", {"one": "1"}, "aws:kms", KMS)
    assert got["metadata"] == PutHeaders("text/a", {"two": "2"}, "aws:kms", KMS)
    assert got["no metadata"] == PutHeaders("text/a", {}, "aws:kms", KMS)
    if size > STEP:
        assert got["kept"] == PutHeaders("text/a", {"one": "1"}, "aws:kms", KMS)
        assert got["encryption"] == PutHeaders("text/a", {"one": "1"}, "AES256", kept)
    else:
        assert got["kept"] == got["encryption"] == stored  # S3 keeps it


def test_default_encryption_is_not_requested():
    store = Store()
    for key, encryption in (("plain", "AES256"), ("strong", "aws:kms")):
        store.write("b", key, b"x", PutHeaders(encryption=encryption))
    wanted = [of("plain", "1"), of("strong", "2"), of("plain", "3", headers=PutHeaders(encryption="AES256"))]
    jobs = carry_out(Copies(wanted, STEP, implied="AES256"), store)
    encryptions = {job.key: job.arguments["headers"].encryption for job in jobs if job.operation == "copy"}
    assert encryptions == {"1": None, "2": "aws:kms", "3": "AES256"}


def test_a_version_gets_a_head_and_is_copied():
    store = Store(k=b"1")
    jobs = carry_out(Copies([Copy(Source("b", "k", "v1"), "c", "k")], STEP), store)
    assert jobs[0].arguments == {"version_id": "v1"}
    assert jobs[1].arguments["source"] == ["b", "k", "v1"]


@pytest.mark.parametrize("size", [3, 35], ids=["at once", "in parts"])
def test_an_object_that_exists_is_left_alone(size):
    store = Store(k=body(size))
    store.write("c", "old", b"old")
    wanted = [of("k", name, condition=ABSENT, mark="mine") for name in ("old", "new")]
    plan = Copies(wanted, STEP)
    carry_out(plan, store)
    assert plan.stored == [False, True]
    assert store.objects["c", "old"][0] == b"old"
    assert store.objects["c", "new"][:2] == (
        body(size),
        PutHeaders("text/a", {"one": "1", MARK: "mine"}, None, {}),
    )
    assert not store.open


def test_a_lost_response_is_recognized_by_the_mark():
    store = Store(k=b"1")
    plan = Copies([of("k", "new", condition=ABSENT, mark="mine")], STEP)

    def loses_the_first(job, seen=[]):  # noqa: B006  # remembers
        response = store(job)
        if job.operation == "copy" and not seen:
            seen.append(job)
            return PRECONDITION
        return response

    carry_out(plan, loses_the_first)
    assert plan.stored == [True]


def compares_with_the_source(store):
    """Return a server that applies If-None-Match of CopyObject to the source, as Swift does."""
    return lambda job: PRECONDITION if job.operation == "copy" and "condition" in job.arguments else store(job)


@pytest.mark.parametrize("size", [0, 3])
def test_a_condition_that_the_server_compares_with_the_source(size):
    store = Store(k=body(size))
    store.write("c", "old", b"old")
    wanted = [of("k", name, condition=ABSENT, mark="mine") for name in ("old", "new")]
    plan = Copies(wanted, STEP)
    jobs = carry_out(plan, compares_with_the_source(store))
    assert plan.stored == [False, True]
    assert store.objects["c", "old"][0] == b"old"
    assert store.objects["c", "new"][:2] == (body(size), PutHeaders("text/a", {"one": "1", MARK: "mine"}, None, {}))
    assert [job.operation for job in jobs if job.key == "new"].count("copy") == 1
    assert not store.open


@pytest.mark.parametrize("size", [0, 3])
def test_such_a_server_and_another_client_that_is_faster(size):
    store = Store(k=body(size))

    def faster(job):
        if job.operation in ("put", "complete_upload"):
            store.write("c", "new", b"theirs")
        return compares_with_the_source(store)(job)

    plan = Copies([of("k", "new", condition=ABSENT, mark="mine")], STEP)
    carry_out(plan, faster)
    assert plan.stored == [False]
    assert store.objects["c", "new"][0] == b"theirs"
    assert not store.open


@pytest.mark.parametrize("size", [3, 35], ids=["at once", "in parts"])
@pytest.mark.parametrize("condition", [None, ABSENT])
def test_a_changed_source_gets_another_head(size, condition):
    store, changes = Store(k=body(size)), [1, 2]

    def changing(job):
        if job.operation in ("copy", "copy_part") and changes:
            store.write("b", "k", body(size + changes.pop()))
        return store(job)

    plan = Copies([of("k", "new", condition=condition, mark="m" if condition else None)], STEP)
    carry_out(plan, changing)
    assert plan.stored == [True]
    assert store.objects["c", "new"][0] == store.objects["b", "k"][0]
    assert not store.open


@pytest.mark.parametrize("size", [3, 35], ids=["at once", "in parts"])
def test_a_changed_source_and_a_target_that_this_identity_may_not_see(size):
    """S3 has one error for both. Without HEAD of the target, that of the source shows which it is."""
    store, changes = Store(k=body(size), other=body(size)), [1]
    store.write("c", "old", b"old")

    def changing(job):
        if job.operation == "head" and job.bucket == "c":
            return DENIED
        if job.operation in ("copy", "copy_part") and job.key == "new" and changes:
            store.write("b", "k", body(size + changes.pop()))
        return store(job)

    plan = Copies([of("k", "new", condition=ABSENT, mark="m"), of("other", "old", condition=ABSENT, mark="m")], STEP)
    carry_out(plan, changing)
    assert plan.stored == [True, False]
    assert store.objects["c", "new"][0] == body(size + 1)
    assert store.objects["c", "old"][0] == b"old"
    assert not store.open


def test_a_source_that_changes_all_the_time():
    store = Store(k=b"1")

    def changing(job):
        if job.operation == "copy":
            store.write("b", "k", b"2")
        return store(job)

    with pytest.raises(JobFailed, match="copy") as failed:
        carry_out(Copies([of("k", "new")], STEP), changing)
    assert failed.value.failure.code is Code.STALE
    assert str(RESTARTS + 1) in failed.value.failure.message


@pytest.mark.parametrize("size", [3, 35], ids=["at once", "in parts"])
def test_a_source_that_must_have_an_etag(size):
    store = Store(k=body(size))
    etag = store.objects["b", "k"][2]
    assert carry_out(Copies([of("k", "new", if_match=etag)], STEP), store)
    store.write("b", "k", b"changed")
    with pytest.raises(JobFailed) as failed:
        carry_out(Copies([of("k", "newer", if_match=etag)], STEP), store)
    assert (failed.value.failure.code, failed.value.job.url) == (Code.STALE, "s3://b/k")
    assert etag in failed.value.failure.message


TAGS = {"team": "data & more", "ü": ""}
ENCODED = "team=data+%26+more&%C3%BC="
DENIED = Failure(Code.ACCESS_DENIED, "", "AccessDenied", 403)


def with_tags(size=35, **given):
    """A store with a tagged object, and the plan that copies it."""
    store = Store()
    store.write("b", "k", body(size), PutHeaders(others={TAG_COUNT: "2"}))
    return store, Copies([of("k", "new", **given)], STEP)


def test_tags_are_copied_by_s3_or_with_the_parts():
    store, plan = with_tags(STEP)
    jobs = carry_out(plan, store)
    assert [job.operation for job in jobs] == ["head", "copy"]
    assert TAG_COUNT not in jobs[1].arguments["headers"].others

    store, plan = with_tags()
    jobs = carry_out(plan, lambda job: TAGS if job.operation == "get_tags" else store(job))
    assert [job.operation for job in jobs[:3]] == ["head", "get_tags", "create_upload"]
    assert jobs[1].url == "s3://b/k"
    assert store.objects["c", "new"][1].others == {TAGGING: ENCODED}


def test_tags_of_a_version_and_of_a_condition():
    store, _ = with_tags()
    plan = Copies([Copy(Source("b", "k", "v1"), "c", "new", condition=ABSENT, mark="mine")], STEP)
    jobs = carry_out(plan, lambda job: TAGS if job.operation == "get_tags" else store(job))
    [read] = [job for job in jobs if job.operation == "get_tags"]
    assert read.arguments == {"version_id": "v1"}
    assert store.objects["c", "new"][1].others == {TAGGING: ENCODED}


def test_tags_that_are_given_are_not_read():
    store, plan = with_tags(headers=PutHeaders(others={TAGGING: "a=b"}))
    assert "get_tags" not in {job.operation for job in carry_out(plan, store)}
    assert store.objects["c", "new"][1].others == {TAGGING: "a=b"}


@pytest.mark.parametrize("refused", ["get_tags", "create_upload"])
def test_s3_copies_tags_that_this_identity_may_not_read_or_store(refused):
    store, plan = with_tags()

    def perform(job):
        return DENIED if job.operation == refused else TAGS if job.operation == "get_tags" else store(job)

    jobs = carry_out(plan, perform)
    assert jobs[-1].operation == "copy"
    assert TAGGING not in jobs[-1].arguments["headers"].others
    assert plan.stored == [True]


@pytest.mark.parametrize("refused", ["get_tags", "create_upload"])
def test_an_object_that_is_too_large_for_that_loses_its_tags_with_a_warning(refused, caplog):
    plan = Copies([of("k", "new")], MOST_PART)
    [job] = plan.start()
    replies = {
        "head": ObjectInfo(MOST_PART + 1, '"e"', None, {}, 0, None, None, {TAG_COUNT: "2"}),
        "get_tags": TAGS,
    }
    seen = []
    while job.operation != "create_upload" or (refused == "create_upload" and seen.count("create_upload") == 0):
        denied = job.operation == refused
        seen.append(job.operation)
        outcome = Outcome(job.number, None if denied else replies[job.operation], DENIED if denied else None)
        [job] = plan.receive(job, outcome)
    assert job.arguments["headers"].others == {}
    assert "the tags of s3://b/k are not copied" in caplog.text
    with pytest.raises(JobFailed):  # without tags, a refusal is one of the copy
        plan.receive(job, Outcome(job.number, None, DENIED))


def test_tags_and_a_condition_that_the_server_compares_with_the_source(caplog):
    for tags, others, warnings in ((TAGS, {TAGGING: ENCODED}, 0), (DENIED, {}, 1)):
        store, plan = with_tags(3, condition=ABSENT, mark="mine")
        compares = compares_with_the_source(store)
        carry_out(plan, lambda job, tags=tags, of=compares: tags if job.operation == "get_tags" else of(job))
        assert plan.stored == [True]
        assert store.objects["c", "new"][1].others == others
        assert len(caplog.records) == warnings


def test_tags_that_can_t_be_read_for_another_reason_are_a_failure():
    store, plan = with_tags()
    busy = Failure(Code.BUSY, "", "SlowDown", 503)
    with pytest.raises(JobFailed) as failed:
        carry_out(plan, lambda job: busy if job.operation == "get_tags" else store(job))
    assert (failed.value.job.operation, failed.value.job.url) == ("get_tags", "s3://b/k")


def test_copies_in_parts_keep_the_kind_of_checksum():
    kept = {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "FULL_OBJECT"}
    store = Store()
    store.write("b", "k", body(35), PutHeaders(others=kept))
    store.write("b", "small", body(5), PutHeaders(others=kept))
    plan = Copies([of("k", "new"), of("small", "other", mark="replaces")], STEP, keeps_checksums=True)
    jobs = carry_out(plan, store)
    assert [job.arguments for job in jobs if job.operation == "head"] == [{"checksums": True}] * 2
    [create] = [job for job in jobs if job.operation == "create_upload"]
    assert create.arguments["headers"].others == kept
    [copy] = [job for job in jobs if job.operation == "copy"]
    assert copy.arguments["headers"].others == {}  # S3 keeps it


def test_open_uploads_are_aborted_after_a_failure():
    store = Store(k=body(35))

    def denied(job):
        return Failure(Code.ACCESS_DENIED, "", "AccessDenied", 403) if job.operation == "copy_part" else store(job)

    plan = Copies([of("k", "new")], STEP)
    with pytest.raises(JobFailed):
        carry_out(plan, denied)
    for job in plan.cleanup():
        assert (job.bucket, job.key) == ("c", "new")
        store(job)
    assert not store.open


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({}, []),
        ({"c": "a", "d": "b"}, [["c", "d"]]),
        ({"b": "a", "c": "b", "d": "c"}, [["d"], ["c"], ["b"]]),
        ({"b": "a", "c": "b", "d": "b", "e": "a"}, [["c", "d", "e"], ["b"]]),
        ({"a": "a", "b": "a"}, [["b"], ["a"]]),  # headers that change in place
        ({"a": "a"}, [["a"]]),
    ],
)
def test_an_object_is_copied_before_it_is_replaced(sources, expected):
    assert rounds(sources) == expected


@pytest.mark.parametrize("sources", [{"a": "b", "b": "a"}, {"x": "y", "a": "b", "b": "c", "c": "a"}])
def test_objects_can_t_replace_each_other(sources):
    with pytest.raises(ValueError, match=r"^[abc]$"):
        rounds(sources)


def test_rounds_of_a_long_chain():
    names = [str(number) for number in range(100_000)]
    assert rounds(dict(zip(names[1:], names))) == [[name] for name in reversed(names[1:])]
