"""Tests of uploads that replace an object only if it is still the version that was read."""

import hashlib
import itertools
from typing import NamedTuple

import pytest
from plans.carrying_out import carry_out, missing

from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.plans.uploads import RESTARTS, Uploads
from metaflow_extensions.fasts3.wire.conditions import MARK, same_etag
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo, PutHeaders

STEP = 10
SIZES = [0, 1, STEP, 55]
PRECONDITION = Failure(Code.PRECONDITION, "", "PreconditionFailed", 412)
NO_UPLOAD = Failure(Code.NO_UPLOAD, "", "NoSuchUpload", 404)
sizes = pytest.mark.parametrize("size", SIZES)


class Stored(NamedTuple):
    """An object."""

    body: bytes
    metadata: "dict[str, str]"

    @property
    def etag(self):
        return f'"{hashlib.md5(self.body).hexdigest()}"'


OLD = Stored(b"old", {})


class Store:
    """Holds one object, and to If-Match.

    `meanwhile`, where it is given, is a list of what is there by the time of the first upload; `loses` is how many
    responses are lost, so the client receives the response to its retry, which finds another ETag.
    """

    def __init__(self, meanwhile=None, loses=0):
        self.stored = OLD
        self.open = {}
        self._meanwhile = meanwhile
        self._loses = loses
        self._ids = (f"upload-{number}" for number in itertools.count())

    def __call__(self, job):
        return getattr(self, job.operation)(job)

    def head(self, job):
        if self.stored is None:
            return missing("404")
        return ObjectInfo(len(self.stored.body), self.stored.etag, None, self.stored.metadata, 0, None)

    def put(self, job):
        return self._store(job, Stored(bytes(job.body), job.arguments["headers"].metadata))

    def create_upload(self, job):
        upload_id = next(self._ids)
        self.open[upload_id] = job.arguments["headers"].metadata, {}
        return upload_id

    def upload_part(self, job):
        if job.arguments["upload_id"] not in self.open:
            return NO_UPLOAD
        self.open[job.arguments["upload_id"]][1][job.arguments["number"]] = bytes(job.body)
        return {"ETag": '"etag"'}

    def complete_upload(self, job):
        if job.arguments["upload_id"] not in self.open:
            return NO_UPLOAD
        metadata, parts = self.open[job.arguments["upload_id"]]
        response = self._store(job, Stored(b"".join(parts[number] for number in sorted(parts)), metadata))
        if self.stored and self.stored.metadata is metadata:
            del self.open[job.arguments["upload_id"]]
        return response

    def abort_upload(self, job):
        self.open.pop(job.arguments["upload_id"], None)

    def _store(self, job, new):
        if self._meanwhile:
            (self.stored,), self._meanwhile = self._meanwhile, None
        if self.stored is None:
            return missing()
        if not same_etag(job.arguments["condition"], self.stored.etag):
            return PRECONDITION
        self.stored = new
        if self._loses:
            self._loses -= 1
            return PRECONDITION
        return "etag"


def body(size):
    return bytes(number % 251 for number in range(size))


def upload(size, etag, mark="ours"):
    data = body(size)
    headers = PutHeaders(metadata={"a": "b", MARK: mark})
    return Upload("bucket", "key", size, headers, data=data, condition=etag)


def failure_of(store, size, etag=OLD.etag, perform=None):
    """The failure of the upload, which has then closed its files."""
    plan = Uploads([upload(size, etag)], STEP)
    with pytest.raises(JobFailed) as failed:
        carry_out(plan, perform or store)
    for job in plan.cleanup():
        store(job)
    assert store.open == {}
    assert plan.stored == [False]
    return failed.value.failure


@pytest.mark.parametrize("quotes", [True, False])
@sizes
def test_an_unchanged_object_is_replaced(size, quotes):
    store = Store()
    plan = Uploads([upload(size, store.stored.etag if quotes else store.stored.etag.strip('"'))], STEP)
    jobs = carry_out(plan, store)
    assert store.stored == Stored(body(size), {"a": "b", MARK: "ours"})
    assert (plan.stored, store.open) == ([True], {})
    assert [job.operation for job in jobs][:2] == ["head", "create_upload" if size > STEP else "put"]
    assert [job.operation for job in jobs if "condition" in job.arguments] == [jobs[-2].operation]
    assert jobs[-1].operation == "head"


@sizes
def test_a_changed_object_is_kept_and_no_body_is_sent(size):
    store, operations = Store(), []
    failure = failure_of(store, size, '"another"', lambda job: operations.append(job.operation) or store(job))
    assert (failure.code, failure.s3_code) == (Code.STALE, "PreconditionFailed")
    assert f'its ETag is {OLD.etag}, not "another"' in failure.message
    assert operations == ["head"]
    assert store.stored == OLD


@sizes
def test_an_object_that_changes_after_the_head_is_kept(size):
    store = Store(meanwhile=[Stored(b"somebody else's", {})])
    assert failure_of(store, size).code is Code.STALE
    assert store.stored.body == b"somebody else's"


@pytest.mark.parametrize("metadata", [{}, {MARK: "another's"}])
@sizes
def test_an_equal_object_of_another_writer_is_not_ours(size, metadata):
    """Two processes that both write counter value 6 have lost one count."""
    store = Store(meanwhile=[Stored(body(size), metadata)])
    assert failure_of(store, size).code is Code.STALE


@sizes
def test_an_object_of_an_earlier_try_is_ours(size):
    store = Store(loses=1)
    plan = Uploads([upload(size, OLD.etag)], STEP)
    jobs = carry_out(plan, store)
    assert store.stored == Stored(body(size), {"a": "b", MARK: "ours"})
    assert (plan.stored, store.open, plan.cleanup()) == ([True], {}, [])
    assert jobs[-1].operation == ("abort_upload" if size > STEP else "head")


def test_an_upload_that_was_completed_is_not_sent_again():
    """The response was lost, and the retry receives NoSuchUpload."""
    store = Store()

    def perform(job):
        response = store(job)
        return NO_UPLOAD if job.operation == "complete_upload" else response

    plan = Uploads([upload(55, OLD.etag)], STEP)
    jobs = carry_out(plan, perform)
    assert plan.stored == [True]
    assert [job.operation for job in jobs if job.operation != "upload_part"] == [
        *("head", "create_upload", "head", "complete_upload", "head")
    ]


def test_a_lost_multipart_upload_begins_again_after_another_head():
    store = Store()

    def perform(job, vanish=iter([True])):
        if job.operation == "upload_part" and job.arguments["number"] == 3 and next(vanish, False):
            store.open.clear()
        return store(job)

    plan = Uploads([upload(55, OLD.etag)], STEP)
    jobs = carry_out(plan, perform)
    assert store.stored.body == body(55)
    assert plan.stored == [True]
    assert [job.operation for job in jobs].count("create_upload") == 2
    again = [job.operation for job in jobs][::-1].index("create_upload")
    assert jobs[-again - 2].operation == "head"


@pytest.mark.parametrize("late", [False, True], ids=["at the look", "after the look"])
@sizes
def test_a_deleted_object_is_not_created_again(size, late):
    store = Store(meanwhile=[None]) if late else Store()
    if not late:
        store.stored = None
    failure = failure_of(store, size)
    assert failure.code is Code.NOT_FOUND
    assert late or "object to replace" in failure.message
    assert store.stored is None


@sizes
def test_retries_end_on_a_server_that_contradicts_itself(size):
    store, operations = Store(), []

    def perform(job):
        operations.append(job.operation)
        return PRECONDITION if "condition" in job.arguments else store(job)

    failure = failure_of(store, size, perform=perform)
    assert failure.code is Code.PRECONDITION
    assert "returns the expected ETag" in failure.message
    assert operations.count("complete_upload" if size > STEP else "put") == RESTARTS + 2
    assert store.stored == OLD


@sizes
def test_a_server_without_if_match_gets_no_unconditional_upload(size):
    store = Store()

    def perform(job):
        return Failure(Code.NOT_IMPLEMENTED, "", "NotImplemented", 501) if "condition" in job.arguments else store(job)

    failure = failure_of(store, size, perform=perform)
    assert failure.code is Code.NOT_IMPLEMENTED
    assert "If-Match" in failure.message
    assert store.stored == OLD


@pytest.mark.parametrize("headers", [PutHeaders(encryption="aws:kms"), PutHeaders(others={"x-amz-acl": "private"})])
def test_the_error_of_a_501_about_a_header_has_the_message_of_the_server(headers):
    refusal = Failure(Code.NOT_IMPLEMENTED, "There is no KMS", "NotImplemented", 501)
    upload = Upload("bucket", "key", 3, data=b"new", headers=headers, condition=OLD.etag)
    store = Store()
    with pytest.raises(JobFailed) as failed:
        carry_out(Uploads([upload], STEP), lambda job: store(job) if job.operation == "head" else refusal)
    assert failed.value.failure.message == "There is no KMS"


def test_each_upload_has_its_own_condition():
    store = Store()
    free = Upload("bucket", "other", 3, data=b"new")

    def perform(job):
        return "etag" if job.key == "other" else store(job)

    plan = Uploads([free, upload(1, OLD.etag)], STEP)
    jobs = carry_out(plan, perform)
    assert plan.stored == [True, True]
    assert [(job.key, job.operation, "condition" in job.arguments) for job in jobs] == [
        ("other", "put", False),
        ("key", "head", False),
        ("key", "put", True),
        ("key", "head", False),
    ]


@sizes
def test_a_server_that_compares_etags_as_they_are_gets_them_without_quotes(size):
    """Ceph 16 and 18 compare the header, with its quotes, with the ETag without quotes."""
    store, conditions = Store(), []

    def perform(job):
        condition = job.arguments.get("condition")
        conditions.extend([condition] if condition else [])
        return PRECONDITION if condition == OLD.etag else store(job)

    plan = Uploads([upload(size, OLD.etag)], STEP)
    carry_out(plan, perform)
    assert conditions == [OLD.etag, OLD.etag.strip('"')]
    assert (store.stored.body, plan.stored, store.open) == (body(size), [True], {})


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("code", [Code.BUSY, Code.REJECTED], ids=["a known code", "another"])
@sizes
def test_a_lasting_conflict_ends_with_the_state_of_the_object(size, code, lost):
    store = Store()
    conflict = Failure(code, "", "ConcurrentModification", 409)

    def perform(job):
        if "condition" not in job.arguments:
            return store(job)
        store.stored = Stored(b"somebody else's", {}) if lost else store.stored
        return conflict

    failure = failure_of(store, size, perform=perform)
    assert failure.code is Code.STALE if lost else failure == conflict


MARKS = {
    "same version": (f"theirs {OLD.etag}", False),
    "same version, bare": (f"theirs {OLD.etag.strip(chr(34))}", False),
    "ours": (f'theirs "{hashlib.md5(body(1)).hexdigest()}"', True),
    "by another program": (None, True),
}


@pytest.mark.parametrize(("mark", "is_success"), MARKS.values(), ids=MARKS)
def test_two_replacements_of_the_same_version_are_detected(mark, is_success):
    """The server accepts both. Only a later upload replaced ours, so ours counts as stored."""
    store = Store()

    def perform(job):
        response = store(job)
        if "condition" in job.arguments:
            store.stored = Stored(b"somebody else's", {MARK: mark} if mark else {})
        return response

    plan = Uploads([upload(1, OLD.etag, f"ours {OLD.etag}")], STEP)
    if not is_success:
        with pytest.raises(JobFailed, match="stale") as failed:
            carry_out(plan, perform)
        assert "at the same moment" in failed.value.failure.message
        return
    carry_out(plan, perform)
    assert plan.stored == [True]


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.ACCESS_DENIED, Code.BUSY])
def test_a_stored_object_is_a_success_if_the_last_head_fails(code):
    store, looks = Store(), iter([False, True])

    def perform(job):
        return Failure(code) if job.operation == "head" and next(looks) else store(job)

    plan = Uploads([upload(1, OLD.etag)], STEP)
    carry_out(plan, perform)
    assert plan.stored == [True]


def test_parts_are_not_put_together_where_the_object_has_been_changed_meanwhile():
    """moto, Ceph, Swift and others ignore If-Match then."""
    store, operations = Store(), []

    def perform(job):
        operations.append(job.operation)
        if job.operation == "upload_part":
            store.stored = Stored(b"somebody else's", {})
        return store(job)

    assert failure_of(store, 55, perform=perform).code is Code.STALE
    assert "complete_upload" not in operations
