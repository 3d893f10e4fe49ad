"""Tests of which files are uploaded, and of the number of requests."""

import hashlib
import itertools
import os
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
from plans.carrying_out import carry_out, missing

from metaflow_extensions.fasts3.plans import changed_uploads, unchanged
from metaflow_extensions.fasts3.plans import hashing as hashing_module
from metaflow_extensions.fasts3.plans.changed_uploads import ChangedUploads
from metaflow_extensions.fasts3.plans.hashing import HashThreads, Stopped
from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue
from metaflow_extensions.fasts3.plans.refusals import Refusals
from metaflow_extensions.fasts3.plans.unchanged import FILE, marked
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import DetailedObject, ObjectInfo, Page, PutHeaders

STEP = 10
DENIED = Failure(Code.ACCESS_DENIED, "no", "AccessDenied", 403)


def md5(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


class Store(dict):
    """Objects by key: content, ETag and metadata. Executes jobs, unless an operation is refused."""

    def __init__(self, refusals=None):
        super().__init__()
        self.refusals = refusals or {}

    def add(self, key, data, etag=None, metadata=None):
        self[key] = SimpleNamespace(size=len(data), etag=md5(data) if etag is None else etag, metadata=metadata or {})

    def __call__(self, job):
        return self.refusals.get(job.operation) or getattr(self, job.operation)(job)

    def list_page(self, job):
        assert job.arguments["details"]
        after = job.arguments["token"] or job.arguments.get("after", "")
        keys = sorted(key for key in self if key.startswith(job.key) and key > after)
        rows = [DetailedObject(key, self[key].size, self[key].etag, 1.5) for key in keys[:1000]]
        return Page(rows, [], keys[999] if len(keys) > 1000 else None)

    def head(self, job):
        found = self.get(job.key)
        return ObjectInfo(found.size, found.etag, None, found.metadata, 1, None) if found else missing()

    def put(self, job):
        with open(job.arguments["path"], "rb") as file:
            data = file.read()
        self.add(job.key, data, metadata=job.arguments["headers"].metadata)
        return self[job.key].etag

    def create_upload(self, job):
        return "id"

    def upload_part(self, job):
        return {"ETag": '"part"'}

    def complete_upload(self, job):
        return '"whole"'


def uploads_of(folder, contents, condition=None):
    """Make files; their uploads."""
    folder.mkdir(exist_ok=True)
    for key, data in contents.items():
        (folder / key.replace("/", "_")).write_bytes(data)
    paths = {key: str(folder / key.replace("/", "_")) for key in contents}
    return [Upload("b", key, len(data), path=paths[key], condition=condition) for key, data in contents.items()]


def carried_out(uploads, store, **options):
    """The keys that were stored, and how many jobs of each operation there were."""
    with HashThreads(0) as hashing:
        plan = ChangedUploads(uploads, STEP, make=uploads.__getitem__, hashing=hashing, refusals=Refusals(), **options)
        jobs = carry_out(plan, store)
    stored = {upload.key for upload, is_stored in zip(uploads, plan.stored) if is_stored}
    return stored, Counter(job.operation for job in jobs)


def test_thousands_that_are_unchanged_take_a_request_a_page(tmp_path):
    contents = {f"m/{number // 100}/{number}": b"%d" % number for number in range(3500)}
    uploads, store = uploads_of(tmp_path, contents), Store()
    for key, data in contents.items():
        store.add(key, data)
    assert carried_out(uploads, store) == (set(), {"list_page": 4})


@pytest.mark.parametrize("etag", [None, '"of KMS"'])
def test_a_file_that_changes_before_its_upload_is_not_stored_with_the_mark_of_its_earlier_bytes(tmp_path, etag):
    """Otherwise it would seem to be stored when it has these bytes again."""
    (upload,) = uploads = uploads_of(tmp_path, {"m/switch": b"off"})
    contents, times = itertools.chain([b"on.", b"on."], itertools.repeat(b"off")), itertools.count(1)

    class Changing(Store):
        def put(self, job):
            with open(upload.path, "wb") as file:
                file.write(next(contents))
            os.utime(upload.path, (0, next(times)))  # it may have been created within the same tick
            super().put(job)
            self[job.key].etag = etag or self[job.key].etag
            return self[job.key].etag

    store = Changing()
    assert carried_out(uploads, store) == ({"m/switch"}, {"head": 1, "put": 2})
    assert FILE not in store["m/switch"].metadata
    uploads_of(tmp_path, {"m/switch": b"off"})
    assert carried_out(uploads, store)[0] == {"m/switch"}


def test_a_file_that_grows_during_its_upload_is_uploaded_once(tmp_path):
    (upload,) = uploads = uploads_of(tmp_path, {"m/log": b"1"})

    class Growing(Store):
        def put(self, job):
            with open(upload.path, "ab") as file:
                file.write(b"2")
            return super().put(job)

    assert carried_out(uploads, Growing()) == ({"m/log"}, {"head": 1, "put": 1})


def test_only_files_that_the_listing_does_not_decide_get_a_head(tmp_path, monkeypatch):
    monkeypatch.setattr(unchanged, "WORTH_A_READ", 25)
    keys = ["same", "bytes", "size", "missing", "kms", "kms changed", "no md5", "parts", "other parts", "large", "none"]
    contents = {f"m/{key}": key.encode().ljust(20, b".") for key in keys}
    contents["m/large"] = b"l" * 26
    uploads, store = uploads_of(tmp_path, contents), Store()

    def settled(key):
        path = next(upload.path for upload in uploads if upload.key == f"m/{key}")
        return marked(PutHeaders(), path).metadata

    parts = [hashlib.md5(contents["m/parts"][first : first + STEP]).digest() for first in (0, STEP)]
    for key, data in contents.items():
        store.add(key, data)
    store.add("m/bytes", b"changed".ljust(20, b"."))
    store.add("m/size", b"shorter")
    del store["m/missing"]
    store.add("m/kms", contents["m/kms"], '"' + "0" * 32 + '"', settled("kms"))
    store.add("m/kms changed", contents["m/kms changed"], '"' + "0" * 32 + '"', {FILE: "1 1"})
    store.add("m/no md5", contents["m/no md5"], '"0x8D"', settled("no md5"))
    store.add("m/parts", contents["m/parts"], f'"{hashlib.md5(b"".join(parts)).hexdigest()}-2"')
    store.add("m/other parts", contents["m/other parts"], '"' + "0" * 32 + '-3"', settled("other parts"))
    store.add("m/large", contents["m/large"], '"' + "0" * 32 + '-3"', settled("large"))
    store.add("m/none", contents["m/none"], "", settled("none"))
    with HashThreads(0) as hashing:
        plan = ChangedUploads(uploads, 100, make=uploads.__getitem__, hashing=hashing)
        plan._step = STEP  # of parts; all are one PUT here
        plan._step_of = lambda _: 100
        jobs = carry_out(plan, store)
    looked_at = {job.key for job in jobs if job.operation == "head"}
    assert looked_at == {
        f"m/{key}" for key in ("bytes", "kms", "kms changed", "no md5", "other parts", "large", "none")
    }
    assert [job.key for job in jobs if job.operation == "list_page"] == ["m/"]
    stored = {upload.key for upload, is_stored in zip(uploads, plan.stored) if is_stored}
    assert stored == {"m/bytes", "m/size", "m/missing", "m/kms changed"}
    assert all(FILE in store[key].metadata for key in stored)


@pytest.mark.parametrize("condition", [None, ABSENT])
@pytest.mark.parametrize("code", [Code.ACCESS_DENIED, Code.MALFORMED, Code.NO_BUCKET])
def test_without_a_listing_each_object_gets_a_head(tmp_path, condition, code):
    contents = {f"{number}": b"%d" % number for number in range(20)}
    uploads, store = uploads_of(tmp_path, contents, condition), Store({"list_page": Failure(code, "no")})
    for key in list(contents)[:15]:
        store.add(key, contents[key])
    bucket_is_made = code is Code.NO_BUCKET and condition is None
    stored, jobs = carried_out(uploads, store)
    assert stored == (set(contents) if bucket_is_made else set(list(contents)[15:]))
    expected = {"list_page": 1, "head": 0 if bucket_is_made else 20, "put": len(stored)}
    assert jobs == {operation: count for operation, count in expected.items() if count}


def test_without_permission_to_list_and_head_all_files_are_uploaded(tmp_path):
    contents = {f"{number}": b"" for number in range(20)}
    store = Store({"list_page": DENIED, "head": DENIED})
    assert carried_out(uploads_of(tmp_path, contents), store) == (
        set(contents),
        {"list_page": 1, "head": 20, "put": 20},
    )


@pytest.mark.parametrize("operation", ["list_page", "head"])
def test_permanent_errors_end_it(tmp_path, operation):
    count = 20 if operation == "list_page" else 3
    uploads = uploads_of(tmp_path, {f"{number}": b"" for number in range(count)})
    with pytest.raises(JobFailed):
        carried_out(uploads, Store({operation: Failure(Code.UNREACHABLE, "no")}))


@pytest.mark.parametrize(("count", "pages"), [(3, 0), (30, 4), (300, 31)])
def test_a_few_among_many_others_are_not_searched_for_in_a_long_listing(tmp_path, count, pages):
    contents = {f"m/z{number}": b"%d" % number for number in range(count)}
    uploads, store = uploads_of(tmp_path, contents), Store()
    for key, data in contents.items():
        store.add(key, data)
    listing = [Page([DetailedObject(f"m/a{page:03}{row:03}", 1, "", None) for row in range(1000)], [], f"{page}")
               for page in range(100)]  # fmt: skip
    store.list_page = lambda job: listing[int(job.arguments["token"] or -1) + 1]
    stored, jobs = carried_out(uploads, store)
    assert (stored, jobs["head"]) == (set(), count)
    assert jobs["list_page"] <= pages


def test_a_listing_ends_once_all_have_been_found(tmp_path):
    contents = {f"m/a{number}": b"%d" % number for number in range(200)}
    uploads, store = uploads_of(tmp_path, contents), Store()
    for key, data in {**contents, **{f"m/b{number}": b"" for number in range(20_000)}}.items():
        store.add(key, data)
    assert carried_out(uploads, store) == (set(), {"list_page": 1})


def test_listed_objects_are_kept_without_a_head_and_others_are_uploaded_conditionally(tmp_path):
    contents = {f"m/{number}": b"%d" % number for number in range(20)}
    uploads, store = uploads_of(tmp_path, contents, ABSENT), Store()
    for number in range(15):
        store.add(f"m/{number}", b"another's")
    assert carried_out(uploads, store) == ({f"m/{number}" for number in range(15, 20)},
                                           {"list_page": 1, "head": 5, "put": 5})  # fmt: skip


def test_without_a_comparison_all_are_uploaded(tmp_path):
    contents = {f"m/{number}": b"%d" % number for number in range(20)}
    assert carried_out(uploads_of(tmp_path, contents), Store(), compare=False) == (set(contents), {"put": 20})


def test_different_files_are_uploaded_while_others_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(changed_uploads, "SMALL", 0)
    contents = {f"m/{number}": b"%d" % number for number in range(20)}
    uploads, store, uploaded = uploads_of(tmp_path, contents), Store(), threading.Event()
    for key, data in contents.items():
        store.add(key, data)
    del store["m/7"]

    def compare(*_):
        assert uploaded.wait(30)
        return True

    monkeypatch.setattr(changed_uploads, "has_etag", compare)
    with HashThreads(30) as hashing:  # a thread for each, so that none waits in a queue
        plan = ChangedUploads(uploads, STEP, make=uploads.__getitem__, hashing=hashing)
        queue = JobQueue(plan)
        while queue.is_held:
            job = queue.take()
            if job:
                queue.receive(job, Outcome(job.number, store(job)))
                if job.operation == "put":
                    uploaded.set()
    assert [upload.key for upload, stored in zip(uploads, plan.stored) if stored] == ["m/7"]


@pytest.mark.parametrize(
    ("size", "is_here"), [(10, True), (changed_uploads.SMALL, True), (changed_uploads.SMALL + 1, False)]
)
def test_small_files_are_compared_without_threads(tmp_path, monkeypatch, size, is_here):
    contents = {f"m/{number}": b"%d".ljust(size, b".") % number for number in range(100)}
    uploads, store, threads = uploads_of(tmp_path, contents), Store(), set()
    for key, data in contents.items():
        store.add(key, data)

    def compare(*_):
        threads.add(threading.current_thread())
        return True

    monkeypatch.setattr(changed_uploads, "has_etag", compare)
    with HashThreads(2) as hashing:
        plan = ChangedUploads(uploads, 2**20, make=uploads.__getitem__, hashing=hashing)
        queue = JobQueue(plan)
        while queue.is_held:
            job = queue.take()
            if job:
                queue.receive(job, Outcome(job.number, store(job)))
    assert not any(plan.stored)
    assert (threading.current_thread() in threads) is is_here
    assert len(threads) == 1 or not is_here


def test_requests_are_sent_before_small_files_are_compared(tmp_path, monkeypatch):
    contents = {f"m/{number}": b"%d" % number for number in range(20)}
    uploads, compared = uploads_of(tmp_path, contents), []
    listed = [DetailedObject(key, len(data), md5(data), 1.5) for key, data in contents.items() if key != "m/7"]
    monkeypatch.setattr(changed_uploads, "has_etag", lambda *_: compared.append(1) or True)
    with HashThreads(0) as hashing:
        plan = ChangedUploads(uploads, STEP, make=uploads.__getitem__, hashing=hashing, listed=listed)
        jobs = plan.start()
        assert (next(jobs).key, compared) == ("m/7", [])
        assert (next(jobs, None), len(compared)) == (None, 19)
    assert not any(plan.stored)


def test_small_files_of_a_slow_file_system_are_read_in_threads(monkeypatch):
    clock, results = iter([0.0, 1.0]), []
    monkeypatch.setattr(hashing_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with HashThreads(1) as hashing:
        hashing.give_small(threading.current_thread, results.append)
        assert results == [threading.current_thread()]
        hashing.give_small(threading.current_thread, results.append)
        while len(results) < 2:
            hashing.settle()
    assert results[1] is not threading.current_thread()


def test_work_ends_when_the_call_does():
    begun, ended = threading.Event(), threading.Event()
    with HashThreads(1) as hashing:

        def work():
            begun.set()
            try:
                while True:
                    hashing.check()
            except Stopped:
                ended.set()
                raise

        hashing.give(work, lambda _: None)
        hashing.give(work, lambda _: None)  # never begun
        assert begun.wait(30)
    assert ended.wait(30)


def test_without_threads_the_caller_computes_hashes(monkeypatch):
    def start(_):
        raise RuntimeError("can't start new thread")

    results = []
    monkeypatch.setattr(threading.Thread, "start", start)
    with HashThreads(2) as hashing:
        hashing.give(lambda: 1, results.append)
        hashing.settle()
        hashing.give(lambda: 1 / 0, results.append)
        with pytest.raises(ZeroDivisionError):
            hashing.settle()
    assert (results, hashing.under_way) == ([1], 0)


@pytest.mark.parametrize("condition", [None, ABSENT])
@pytest.mark.parametrize("count", [3, 8])
def test_a_dry_run_stores_nothing_and_reports_what_it_would_store(tmp_path, condition, count):
    contents = {f"m/{number}": b"%d" % number for number in range(count)}
    uploads, store = uploads_of(tmp_path, contents, condition), Store()
    store.add("m/0", contents["m/0"])
    store.add("m/1", b"other")
    before = set(store)
    stored, jobs = carried_out(uploads, store, dry_run=True)
    assert stored == set(contents) - ({"m/0", "m/1"} if condition else {"m/0"})
    assert set(store) == before
    assert set(jobs) <= {"head", "list_page"}


def test_a_dry_run_without_comparison_sends_no_requests(tmp_path):
    uploads = uploads_of(tmp_path, {"m/0": b"0", "m/1": b"1"})
    assert carried_out(uploads, Store(), dry_run=True, compare=False) == ({"m/0", "m/1"}, {})
