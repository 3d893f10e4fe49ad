"""The datastore through Metaflow's own layers: its requests, and that each class reads the other's data."""

import os
from io import BufferedReader, BytesIO
from pathlib import Path

import pytest
from metaflow.datastore import FlowDataStore
from metaflow.datastore.content_addressed_store import ContentAddressedStore
from metaflow.plugins import DATASTORES
from servers import faults

from metaflow_extensions.fasts3.datastore import blobs
from metaflow_extensions.fasts3.datastore import storage as module

FLOW = "TestFlow"
VALUES = {
    "none": None,
    "again": None,
    "text": "text" * 1000,
    "large": os.urandom(2 * 2**20),
    **{f"number_{n}": n for n in range(12)},
}


def task_of(storage, mode="r", attempt=0, **more):
    flow = FlowDataStore(FLOW, None, None, storage_impl=lambda _: storage)
    return flow.get_task_datastore("1", "start", "2", attempt=attempt if mode == "w" else None, mode=mode, **more)


def store(storage, values=VALUES, attempt=0):
    task = task_of(storage, "w", attempt)
    task.init_task()
    task.save_artifacts(iter(values.items()), len_hint=len(values))
    task.done()
    return task


def requested(proxy, operation, text=""):
    return [one.key for one in proxy.requests if one.operation == operation and text in one.key]


def pairs(number):
    return [(f"{FLOW}/{n}", BytesIO(b"%d" % n)) for n in range(number)]


def loaded(storage, paths):
    with storage.load_bytes(paths) as results:
        return [(path, file and Path(file).read_bytes(), metadata) for path, file, metadata in results]


def test_metaflow_uses_it():
    assert [one for one in DATASTORES if one.TYPE == "s3"] == [module.S3Storage]


def test_few_objects_are_transferred_in_parallel(make, together):
    storage, paths = make(), [path for path, _ in pairs(5)]
    together("PutObject", 5)
    storage.save_bytes(iter(pairs(5)), overwrite=True)
    together("HeadObject", 6)
    assert storage.is_file([*paths, "missing"]) == [True] * 5 + [False]
    together("GetObject", 6)
    assert loaded(storage, [*paths, "missing", paths[0]]) == [
        *((path, b"%d" % n, None) for n, path in enumerate(paths)),
        ("missing", None, None),
        (paths[0], b"0", None),
    ]


@pytest.mark.usefixtures("in_workers")
def test_many_objects_are_handled_by_workers(make):
    storage = make()
    storage.save_bytes(iter(pairs(20)), overwrite=True)
    assert storage.is_file([path for path, _ in pairs(20)]) == [True] * 20
    assert [data for _, data, _ in loaded(storage, [path for path, _ in pairs(20)])] == [b"%d" % n for n in range(20)]


def test_without_keys_there_are_no_requests(make, proxy):
    storage = make()
    storage.save_bytes(iter([]))
    assert storage.is_file([]) == []
    assert loaded(storage, []) == []
    assert proxy.requests == []


def test_existing_objects_stay_without_overwrite(make):
    storage = make()
    storage.save_bytes(iter([("key", BytesIO(b"first"))]))
    storage.save_bytes(iter([("key", (BytesIO(b"second"), {"a": 1})), ("other", (BytesIO(b"third"), {"a": 1}))]))
    assert loaded(storage, ["key", "other"]) == [("key", b"first", None), ("other", b"third", {"a": 1})]


def test_a_file_may_be_closed_before_the_next(make, tmp_path):
    def from_files():
        for name in ("a", "b"):
            path = tmp_path / name
            path.write_text(name)
            with path.open("rb", buffering=0) as file:
                yield name, file
            path.unlink()

    storage = make()
    storage.save_bytes(from_files(), overwrite=True)
    assert [data for _, data, _ in loaded(storage, ["a", "b"])] == [b"a", b"b"]


class Unread:
    """A file that must not be read, such as one of a package that would be downloaded first."""

    def __getattr__(self, name):
        raise AssertionError(f"{name} was read")


def test_a_file_is_not_read_if_its_object_exists(make, proxy):
    storage = make()
    storage.save_bytes([("key", BytesIO(b"first"))])
    for given in ([("key", Unread())], iter([("key", (Unread(), {"a": 1}))])):
        storage.save_bytes(given, overwrite=False)
    assert loaded(storage, ["key"]) == [("key", b"first", None)]
    assert len(requested(proxy, "PutObject")) == 1


def test_files_of_a_list_are_stored_in_parallel(make, together):
    storage, files = make(), [(path, BufferedReader(value)) for path, value in pairs(8)]
    together("PutObject", len(files))
    storage.save_bytes(files, overwrite=True)
    assert [data for _, data, _ in loaded(storage, dict(files))] == [b"%d" % n for n in range(8)]


@pytest.mark.parametrize(("writer", "reader"), [(False, False), (False, True), (True, False)])
def test_artifacts_of_one_class_are_read_with_the_other(make, writer, reader):
    store(make(own_class=writer))
    assert dict(task_of(make(own_class=reader)).load_artifacts(VALUES)) == VALUES


def test_both_classes_store_the_same(make, proxy):
    stored = []
    for own_class in (True, False):
        proxy.clear()
        store(make(own_class, f"own class {own_class}"))
        puts = [one for one in proxy.requests if one.operation == "PutObject"]
        stored.append(
            {one.key.partition(FLOW)[2]: {k: v for k, v in one.headers.items() if "meta" in k} for one in puts}
        )
    assert stored[0] == stored[1]


def test_artifacts_are_checked_and_stored_together_and_once(make, proxy, together):
    values = {name: value for name, value in VALUES.items() if name != "large"}
    different = len(values) - 1
    together("HeadObject", 8)
    store(make(), values)
    assert len(requested(proxy, "HeadObject")) == different
    data = requested(proxy, "PutObject", "/data/")
    assert len(data) == len(set(data)) == different

    proxy.clear()
    store(make(), values, attempt=1)
    assert requested(proxy, "PutObject", "/data/") == []


def test_a_large_artifact_that_exists_is_not_compressed(make, monkeypatch):
    store(make(), {"large": VALUES["large"]})
    monkeypatch.setattr(module, "QUICK", 0.0)  # as if it had taken long to make
    monkeypatch.setattr(ContentAddressedStore, "_pack_v1", lambda *_: pytest.fail("it was compressed"))
    store(make(), {"large": VALUES["large"], "again": VALUES["large"]}, attempt=1)
    with pytest.raises(pytest.fail.Exception, match="it was compressed"):
        store(make(), {"another": os.urandom(2 * 2**20)}, attempt=2)


def test_streams_are_stored_in_parts_with_limited_memory(make, monkeypatch, proxy):
    monkeypatch.setattr(module, "BATCH", 4000)
    written = []

    def values():
        for n in range(6):
            written.append(len(requested(proxy, "PutObject")))
            yield f"key_{n}", BytesIO(bytes(2000))

    make().save_bytes(values(), overwrite=True)
    assert written == [0, 0, 2, 2, 4, 4]


def test_a_small_artifact_is_loaded_once_and_known_to_exist(make, proxy):
    store(make())
    storage = make()
    task = task_of(storage)
    proxy.clear()
    for _ in range(3):
        assert (task["text"], task["large"]) == (VALUES["text"], VALUES["large"])
    assert len(requested(proxy, "GetObject")) == 1 + 3  # a large one is not kept
    proxy.clear()
    store(storage, {"text": VALUES["text"], "large": VALUES["large"]}, attempt=1)
    assert requested(proxy, "HeadObject") == []
    assert requested(proxy, "PutObject", "/data/") == []


def test_loaded_objects_are_files_until_the_result_is_closed(make, monkeypatch):
    store(make(), {"text": "a text"})
    storage = make()
    path = f"{FLOW}/data/" + next("/".join([key[:2], key]) for _, key in task_of(storage).items())
    [(_, data, metadata)] = loaded(storage, [path])
    before = os.listdir("/proc/self/fd")
    with storage.load_bytes([path, path]) as results:
        files = [file for _, file, _ in results]
        assert [Path(file).read_bytes() for file in files] == [data, data]
    assert not any(map(os.path.exists, files))
    assert os.listdir("/proc/self/fd") == before
    monkeypatch.delattr(os, "memfd_create")
    assert loaded(storage, [path]) == [(path, data, metadata)]


def test_an_artifact_that_was_seen_long_ago_gets_another_head(make, proxy, monkeypatch):
    storage = make()
    store(storage, {"text": "a text"})
    monkeypatch.setattr(blobs, "TRUSTED", 0.0)
    proxy.clear()
    store(storage, {"text": "a text"}, attempt=1)
    assert len(requested(proxy, "HeadObject")) == 1


def test_a_task_is_done_only_after_all_else_is_stored(make, proxy):
    proxy.inject_where(lambda one: one.key.endswith("0.data.json"), faults.error(403, "AccessDenied"))
    with pytest.raises(Exception, match="AccessDenied"):
        store(make(), {})
    assert not requested(proxy, "PutObject", "DONE.lock")
    store(make(), {})
    assert [key.rpartition("/")[2] for key in requested(proxy, "PutObject")[-2:]] == ["0.data.json", "0.DONE.lock"]


def test_a_task_is_opened_with_one_request_each_time(make, proxy, together):
    writer, reader = make(), make()
    store(writer, {"text": "first"})
    proxy.clear()
    together("GetObject", 4)
    assert task_of(reader).attempt == 0
    assert len(requested(proxy, "GetObject")) == 4  # an old Metaflow looks for further attempts, too
    store(writer, {"text": "second"}, attempt=1)
    assert task_of(reader)["text"] == "second"
    assert task_of(reader, attempt=1).attempt == 1


def test_what_was_stored_after_a_task_was_opened_is_read(make):
    storage, opening = make(), "F/1/s/2/0.attempt.json"
    data, done = "F/1/s/2/0.data.json", "F/1/s/2/0.DONE.lock"
    storage.save_bytes([(opening, BytesIO(b"")), (data, BytesIO(b"old"))])
    assert storage.is_file([opening]) == [True]
    storage.save_bytes([(data, BytesIO(b"new")), (done, BytesIO(b""))], overwrite=True)
    assert storage.is_file([done]) == [True]
    with storage.load_bytes([data]) as loaded:
        assert [Path(file).read_bytes() for _, file, _ in loaded] == [b"new"]


def test_a_task_that_has_not_begun_or_is_not_done_can_be_opened_later(make):
    writer, reader = make(), make()
    with pytest.raises(Exception, match="No completed attempts"):
        task_of(reader)
    begun = task_of(writer, "w")
    begun.init_task()
    with pytest.raises(Exception, match="No completed attempts"):
        task_of(reader)
    assert task_of(reader, allow_not_done=True).attempt == 0
    begun.save_logs("task", {"stdout": b"out", "stderr": b"err"})
    begun.done()
    assert task_of(reader).load_logs(["task"], "stderr") == [("task", b"err")]
