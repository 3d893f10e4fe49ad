"""Tests of the plan of uploads."""

import hashlib
import itertools

import pytest
from plans.carrying_out import carry_out, missing

from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.pieces import MOST_PART
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.plans.uploads import RESTARTS, Uploads
from metaflow_extensions.fasts3.wire.conditions import ABSENT, MARK
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo, PutHeaders

STEP = 10
HEADERS = PutHeaders("text/plain", {"m": "1", MARK: "ours"}, "AES256")


class Store:
    """Takes uploads into a dictionary; files are another one."""

    def __init__(self, files=None, **objects):
        self.objects = objects
        self.headers = {}
        self._promised = {}
        self.open = {}
        self.files = files or {}
        self._ids = (f"upload-{number}" for number in itertools.count())

    def __call__(self, job):
        return getattr(self, job.operation)(job)

    def head(self, job):
        if job.key not in self.objects:
            return missing("")
        metadata = self.headers[job.key].metadata if job.key in self.headers else {}
        return ObjectInfo(len(self.objects[job.key]), '"no MD5"', None, metadata, 0, None)

    def put(self, job):
        body = self._bytes(job)
        return self._store(job, body, job.arguments["headers"])

    def create_upload(self, job):
        upload_id = next(self._ids)
        self.open[upload_id] = {}
        self._promised[upload_id] = job.arguments["headers"]
        return upload_id

    def upload_part(self, job):
        parts = self.open.get(job.arguments["upload_id"])
        if parts is None:
            return Failure(Code.NO_UPLOAD, "", "NoSuchUpload", 404)
        parts[job.arguments["number"]] = self._bytes(job)
        return {"ETag": f'"{md5(self._bytes(job))}"'}

    def complete_upload(self, job):
        upload_id = job.arguments["upload_id"]
        parts = self.open[upload_id]
        etags = [part["ETag"] for part in job.arguments["parts"]]
        assert etags == [f'"{md5(parts[number])}"' for number in range(1, len(parts) + 1)]
        response = self._store(job, b"".join(parts[number] for number in sorted(parts)), self._promised[upload_id])
        if not isinstance(response, Failure):
            del self.open[upload_id]
        return response

    def abort_upload(self, job):
        self.open.pop(job.arguments["upload_id"], None)

    def _bytes(self, job):
        if "path" not in job.arguments:
            return bytes(job.body)
        position = job.arguments.get("position", 0)
        return self.files[job.arguments["path"]][position:][: job.arguments.get("length")]

    def _store(self, job, body, headers):
        if job.arguments.get("condition") and job.key in self.objects:
            return Failure(Code.PRECONDITION, "", "PreconditionFailed", 412)
        self.objects[job.key], self.headers[job.key] = body, headers
        return "etag"


def md5(data):
    return hashlib.md5(data).hexdigest()


def body(size):
    return bytes(number % 251 for number in range(size))


def from_memory(key, data, condition=None):
    read = lambda piece: data[piece.first :][: piece.length]  # noqa: E731
    return Upload("bucket", key, len(data), HEADERS, read=read, condition=condition)


@pytest.mark.parametrize("pick", [0, -1], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("condition", [None, ABSENT])
@pytest.mark.parametrize("size", [0, 1, STEP - 1, STEP, STEP + 1, 55])
def test_all_sizes_from_memory_and_from_files(size, condition, pick):
    store = Store(files={"/f": body(size)})
    from_file = Upload("bucket", "b", size, HEADERS, path="/f", condition=condition)
    plan = Uploads([from_memory("a", body(size), condition), from_file], STEP)
    jobs = carry_out(plan, store, pick)
    assert store.objects == {"a": body(size), "b": body(size)}
    assert store.headers == {"a": HEADERS, "b": HEADERS}
    assert plan.stored == [True, True]
    assert store.open == {}
    assert plan.cleanup() == []
    assert any(job.operation == "create_upload" for job in jobs) == (size > STEP)


def test_parts_from_memory_are_smaller():
    store = Store(files={"/f": body(95)})
    sources = {"read": from_memory("read", body(95)), "data": Upload("bucket", "data", 95, HEADERS, data=body(95))}
    plan = Uploads([*sources.values(), Upload("bucket", "file", 95, HEADERS, path="/f")], 50)
    plan._carried = STEP
    jobs = carry_out(plan, store)
    assert store.objects == {"read": body(95), "data": body(95), "file": body(95)}
    parts = [(job.key, len(job.body or b"") or job.arguments["length"]) for job in jobs if "number" in job.arguments]
    assert {key: max(length for name, length in parts if name == key) for key in store.objects} == {
        "read": STEP,
        "data": STEP,
        "file": 50,
    }


def test_parts_of_files_are_as_large_as_s3_takes_them():
    gib = 2**30
    plan = Uploads([Upload("bucket", "k", 12 * gib, path="/f")], step=MOST_PART)
    [create] = plan.start()
    parts = [job for job in plan.receive(create, Outcome(create.number, "id")) if job.operation == "upload_part"]
    places = [(job.arguments["position"], job.arguments["length"], job.body) for job in parts]
    assert places == [(0, 5 * gib, None), (5 * gib, 5 * gib, None), (10 * gib, 2 * gib, None)]


def test_a_file_of_one_part_is_one_put():
    store = Store(files={"/f": body(50)})
    plan = Uploads([from_memory("memory", body(50)), Upload("bucket", "f", 50, HEADERS, path="/f")], 50)
    plan._carried = 49
    jobs = carry_out(plan, store)
    assert [(job.key, job.operation) for job in jobs if job.key == "f"] == [("f", "put")]
    assert "put" not in {job.operation for job in jobs if job.key == "memory"}


@pytest.mark.parametrize("size", [1, 55])
def test_existing_objects_are_kept(size):
    store = Store(a=b"old")
    plan = Uploads([from_memory(key, body(size), ABSENT) for key in "ab"], STEP)
    jobs = carry_out(plan, store)
    assert store.objects == {"a": b"old", "b": body(size)}
    assert plan.stored == [False, True]
    assert [job.operation for job in jobs if job.key == "a"] == ["head"]


@pytest.mark.parametrize("size", [1, 55])
def test_a_lost_race_overwrites_nothing_and_leaves_nothing_open(size):
    store = Store()

    def perform(job):
        response = store(job)
        if job.operation == "head":
            store.objects["a"] = b"somebody else's"
        return response

    plan = Uploads([from_memory("a", body(size), ABSENT)], STEP)
    carry_out(plan, perform)
    assert store.objects == {"a": b"somebody else's"}
    assert plan.stored == [False]
    assert store.open == {}


@pytest.mark.parametrize("from_file", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize("size", [0, 1, 55])
def test_an_object_of_an_earlier_try_is_ours(size, from_file, tmp_path):
    """The response was lost, and If-None-Match of the retry fails."""
    path = tmp_path / "file"
    path.write_bytes(body(size))
    store = Store(files={str(path): body(size)})

    def perform(job):
        response = store(job)
        lost = job.operation in ("put", "complete_upload") and not isinstance(response, Failure)
        return Failure(Code.PRECONDITION, "", "PreconditionFailed", 412) if lost else response

    upload = from_memory("a", body(size), ABSENT)
    if from_file:
        upload = Upload("bucket", "a", size, HEADERS, path=str(path), condition=ABSENT)
    plan = Uploads([upload], STEP)
    carry_out(plan, perform)
    assert store.objects == {"a": body(size)}
    assert plan.stored == [True]
    assert plan.cleanup() == []


def test_an_object_that_is_deleted_before_the_comparison_is_uploaded():
    store = Store()
    refused = []

    def perform(job):
        if job.operation == "complete_upload" and not refused:
            refused.append(job)
            return Failure(Code.PRECONDITION, "", "PreconditionFailed", 412)
        return store(job)

    plan = Uploads([from_memory("a", body(55), ABSENT)], STEP)
    carry_out(plan, perform)
    assert store.objects == {"a": body(55)}
    assert plan.stored == [True]
    assert store.open == {}


def test_an_upload_in_parts_whose_response_was_lost_is_found_again():
    """The retry receives NoSuchUpload; nothing is sent twice."""
    store = Store()

    def perform(job):
        response = store(job)
        return Failure(Code.NO_UPLOAD, "", "NoSuchUpload", 404) if job.operation == "complete_upload" else response

    plan = Uploads([from_memory("a", body(55), ABSENT)], STEP)
    jobs = carry_out(plan, perform)
    assert (plan.stored, store.objects) == ([True], {"a": body(55)})
    assert [job.operation for job in jobs].count("create_upload") == 1


@pytest.mark.parametrize("mark", ["another's", None])
@pytest.mark.parametrize("size", [1, 55])
def test_an_equal_object_of_another_writer_is_not_ours(size, mark):
    store = Store()

    def perform(job):
        if job.arguments.get("condition"):
            store.objects["a"], store.headers["a"] = body(size), PutHeaders(metadata={MARK: mark} if mark else {})
        return store(job)

    plan = Uploads([from_memory("a", body(size), ABSENT)], STEP)
    carry_out(plan, perform)
    assert (plan.stored, store.open) == ([False], {})


def test_parts_are_not_completed_after_another_writer_was_faster():
    """The HEAD before it helps with servers that ignore If-None-Match there."""
    store, operations = Store(), []

    def perform(job):
        operations.append(job.operation)
        if job.operation == "upload_part":
            store.objects["a"] = b"somebody else's"
        return store(job)

    plan = Uploads([from_memory("a", body(55), ABSENT)], STEP)
    carry_out(plan, perform)
    assert (plan.stored, store.open, store.objects) == ([False], {}, {"a": b"somebody else's"})
    assert "complete_upload" not in operations


DENIED = Failure(Code.ACCESS_DENIED, "", "403", 403)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("size", [1, 55])
def test_without_permission_for_head_the_condition_alone_decides(size, there):
    """If-None-Match needs no other permission than s3:PutObject."""
    store = Store(**({"a": b"old"} if there else {}))
    plan = Uploads([from_memory("a", body(size), ABSENT)], STEP)
    carry_out(plan, lambda job: DENIED if job.operation == "head" else store(job))
    assert store.objects == {"a": b"old" if there else body(size)}
    assert (plan.stored, store.open) == ([not there], {})


def test_a_forbidden_head_is_an_error_if_only_it_could_identify_the_object():
    store = Store(a=b"old")
    plan = Uploads([from_memory("a", b"1", ABSENT)], STEP)
    (look,) = plan.start()
    (put,) = plan.receive(look, Outcome(look.number, None, DENIED))
    lost = Failure(Code.UNREACHABLE, "the connection broke")
    (look,) = plan.receive(put, Outcome(put.number, None, store(put), retried=lost))
    with pytest.raises(JobFailed) as failed:
        plan.receive(look, Outcome(look.number, None, DENIED))
    assert "may have stored it" in failed.value.failure.message


def test_an_upload_whose_worker_died_may_be_stored_too():
    store = Store()
    plan = Uploads([from_memory("a", b"1", ABSENT)], STEP)
    queue = JobQueue(plan)
    look = queue.take()
    queue.receive(look, Outcome(look.number, None, DENIED))
    put = queue.take()
    store(put)
    queue.put_last([put], Failure(Code.CRASHED, "the worker died"))
    assert queue.take() is put
    queue.receive(put, Outcome(put.number, None, store(put)))
    look = queue.take()
    with pytest.raises(JobFailed) as failed:
        queue.receive(look, Outcome(look.number, None, DENIED))
    assert "may have stored it" in failed.value.failure.message


@pytest.mark.parametrize("size", [1, 55])
def test_without_head_and_condition_nothing_is_stored(size):
    store = Store()

    def perform(job):
        if job.arguments.get("condition"):
            return Failure(Code.NOT_IMPLEMENTED, "", "NotImplemented", 501)
        return DENIED if job.operation == "head" else store(job)

    plan = Uploads([from_memory("a", body(size), ABSENT)], STEP)
    with pytest.raises(JobFailed) as failed:
        carry_out(plan, perform)
    assert "nothing was stored" in failed.value.failure.message
    assert store.objects == {}


@pytest.mark.parametrize("size", [1, 55])
def test_retries_end_on_a_server_that_contradicts_itself(size):
    """If-None-Match fails and HEAD returns 404: SeaweedFS, if the key is a directory."""
    store = Store()

    def perform(job):
        if job.arguments.get("condition"):
            return Failure(Code.PRECONDITION, "", "PreconditionFailed", 412)
        return store(job)

    plan = Uploads([from_memory("a", body(size), ABSENT)], STEP)
    with pytest.raises(JobFailed) as failed:
        carry_out(plan, perform)
    assert failed.value.failure.code is Code.PRECONDITION
    assert "a HEAD returns 404" in failed.value.failure.message
    for job in plan.cleanup():
        store(job)
    assert (store.objects, store.open) == ({}, {})


@pytest.mark.parametrize(("operation", "size"), [("put", 1), ("create_upload", 55)])
def test_no_upload_is_an_error_where_there_was_none(operation, size):
    store = Store()

    def perform(job):
        return Failure(Code.NO_UPLOAD, "", "NoSuchUpload", 404) if job.operation == operation else store(job)

    with pytest.raises(JobFailed) as failed:
        carry_out(Uploads([from_memory("a", body(size))], step=STEP), perform)
    assert failed.value.job.operation == operation


@pytest.mark.parametrize("code", [Code.BUSY, Code.REJECTED, Code.UNREACHABLE])
def test_any_other_response_to_the_head_is_an_error(code):
    with pytest.raises(JobFailed) as failed:
        carry_out(Uploads([from_memory("a", b"1", ABSENT)], STEP), lambda job: Failure(code))
    assert failed.value.job.operation == "head"


@pytest.mark.parametrize("size", [1, 55])
def test_a_server_without_conditional_writes_gets_no_condition(size):
    store = Store()

    def perform(job):
        if job.arguments.get("condition"):
            return Failure(Code.NOT_IMPLEMENTED, "", "NotImplemented", 501)
        return store(job)

    plan = Uploads([from_memory("a", body(size), ABSENT)], STEP)
    carry_out(plan, perform)
    assert store.objects == {"a": body(size)}
    assert plan.stored == [True]


@pytest.mark.parametrize("pick", [0, -1], ids=["oldest first", "newest first"])
def test_an_upload_that_vanished_is_begun_again(pick):
    store = Store()

    def perform(job, vanish=iter([True])):
        if job.operation == "upload_part" and job.arguments["number"] == 3 and next(vanish, False):
            store.open.clear()
        return store(job)

    plan = Uploads([from_memory("a", body(55))], step=STEP)
    carry_out(plan, perform, pick)
    assert store.objects == {"a": body(55)}
    assert plan.stored == [True]


def test_an_upload_that_always_vanishes_is_an_error():
    store = Store()

    def perform(job):
        store.open.clear()
        return store(job)

    plan = Uploads([from_memory("a", body(55))], step=STEP)
    with pytest.raises(JobFailed) as failed:
        carry_out(plan, perform)
    assert failed.value.failure.code is Code.NO_UPLOAD
    assert plan._restarts == {0: RESTARTS}


def test_parts_of_a_try_that_was_given_up_are_no_error_and_no_others_are_sent():
    store = Store()
    vanishing = {f"upload-{number}" for number in range(RESTARTS)}

    def perform(job):
        if job.operation == "upload_part" and job.arguments["upload_id"] in vanishing:
            store.open.clear()
        return store(job)

    plan = Uploads([from_memory("a", body(10 * STEP))], step=STEP)
    jobs = carry_out(plan, perform, room=4)  # four are under way when the first of them fails
    assert store.objects == {"a": body(10 * STEP)}
    assert plan.stored == [True]
    sent = [job.arguments["upload_id"] for job in jobs if job.operation == "upload_part"]
    assert [sent.count(f"upload-{number}") for number in range(RESTARTS + 1)] == [4] * RESTARTS + [10]


def test_cleanup_aborts_what_is_open():
    store = Store()

    def perform(job):
        if job.operation == "upload_part" and job.arguments["number"] == 4:
            return Failure(Code.ACCESS_DENIED, "", "AccessDenied", 403)
        return store(job)

    plan = Uploads([from_memory("a", body(55))], step=STEP)
    with pytest.raises(JobFailed):
        carry_out(plan, perform)
    assert len(store.open) == 1
    for job in plan.cleanup():
        store(job)
    assert store.open == {}


def test_bodies_are_read_when_they_are_sent():
    read = []
    upload = Upload("bucket", "a", 55, read=lambda piece: read.append(piece) or b"x" * piece.length)
    plan = Uploads([upload], step=STEP)
    jobs = plan.start()
    (create,) = jobs
    parts = iter(plan._created(0, create, "upload"))
    assert read == []
    next(parts)
    assert len(read) == 1


@pytest.mark.parametrize("ends", ["refused", "never answered"])
def test_an_abort_that_was_not_done_is_left_to_the_cleanup(ends):
    """The upload lost its race, so the call succeeds; its multipart upload is still aborted."""
    store = Store()

    def perform(job):
        if job.operation == "abort_upload":
            return Failure(Code.ACCESS_DENIED, "", "AccessDenied", 403)
        response = store(job)
        if job.operation == "head":
            store.objects["a"] = b"somebody else's"
        return response

    plan = Uploads([from_memory("a", body(55), ABSENT)], STEP)
    if ends == "refused":
        carry_out(plan, perform)
    else:
        jobs = list(plan.start())
        while [job.operation for job in jobs] != ["abort_upload"]:
            job = jobs.pop(0)
            response = perform(job)
            failed = isinstance(response, Failure)
            jobs += plan.receive(job, Outcome(job.number, None if failed else response, response if failed else None))
    for job in plan.cleanup():
        store(job)
    assert store.open == {}


def test_uploads_without_a_response_to_their_creation_are_known():
    plan = Uploads([from_memory(key, body(55)) for key in "abc"], STEP)
    first, second, third = plan.start()
    assert set(plan.opening.values()) == {"s3://bucket/a", "s3://bucket/b", "s3://bucket/c"}
    plan.receive(first, Outcome(first.number, "id"))
    with pytest.raises(JobFailed):
        plan.receive(second, Outcome(second.number, None, Failure(Code.ACCESS_DENIED)))
    assert plan.opening == {third.number: "s3://bucket/c"}
    assert [job.arguments for job in plan.cleanup()] == [{"upload_id": "id"}]
