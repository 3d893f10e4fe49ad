"""A file that changes during its upload raises, or is stored as one version, never as a mixture."""

import io
import os
import threading
from contextlib import ExitStack

import metaflow.metaflow_config as configuration
import pytest
from limits.gate import Gate
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3InvalidObject, MetaflowS3NotFound
from servers.faulty import FaultyS3, pass_through

from metaflow_extensions.fasts3.api import executor, put
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

LARGE = 4 * PART_SIZE
OLD, NEW = b"old.", b"new."


def shrink(path):
    os.truncate(path, os.stat(path).st_size // 4 + 1)


def grow(path):
    with open(path, "ab") as file:
        file.write(b"more")


def rewrite(path):
    with open(path, "r+b") as file:
        file.write(NEW * (os.stat(path).st_size // len(NEW)))


def replace(path):
    with open(f"{path}.new", "wb") as file:
        file.write(NEW * (os.stat(path).st_size // len(NEW)))
    os.replace(f"{path}.new", path)


# Of one that shrinks, a part may have been read just before, and looked at again just after.
CHANGES = {
    shrink: (MetaflowS3InvalidObject, "(became shorter|was changed) while it was uploaded.*Upload the file again"),
    grow: (MetaflowS3InvalidObject, "was changed while it was uploaded.*Upload the file again"),
    rewrite: (MetaflowS3InvalidObject, "was changed while it was uploaded.*Upload the file again"),
    replace: (MetaflowS3InvalidObject, "was changed while it was uploaded.*Upload the file again"),
    os.unlink: (MetaflowS3NotFound, "No such file or directory"),
}


@pytest.fixture(autouse=True)
def one_after_the_other(monkeypatch):
    """Upload few parts at a time, so that some are read after the change."""
    monkeypatch.setattr(configuration, "S3_WORKER_COUNT", 1)
    monkeypatch.setattr(executor, "INLINE_THREADS", 2)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "data")


def fill(path, size):
    with open(path, "wb") as file:
        file.write(OLD * (size // len(OLD)))


@pytest.fixture(scope="module")
def proxy(seaweedfs):
    with FaultyS3(seaweedfs) as proxy:
        yield proxy


@pytest.fixture
def through(proxy, root, tmproot, implementation):
    proxy.clear()
    with S3(s3root=root, client_params=proxy.client_params(), tmproot=str(tmproot)) as s3:
        yield s3
    assert proxy.problems == []


def at_the_first_part(proxy, then):
    lock = threading.Lock()

    def fault(exchange):
        with lock:
            then()
        pass_through(exchange)

    proxy.inject("UploadPart", fault, times=1)


def nothing_is_left(stored):
    response = stored.client.list_multipart_uploads(Bucket=stored.bucket, Prefix=stored.prefix)
    return response.get("Uploads", []) == [] and stored.list() == set()


# --- In parts


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_put_files(change, through, proxy, stored, path):
    fill(path, LARGE)
    at_the_first_part(proxy, lambda: change(path))
    error, message = CHANGES[change]
    with pytest.raises(error, match=message) as raised:
        through.put_files([("key", path)])
    assert "UploadPart of s3://" in str(raised.value)
    assert path in str(raised.value)
    assert nothing_is_left(stored)
    fill(path, LARGE)
    assert len(through.put_files([("key", path)])) == 1


PUTS = {
    "put": lambda s3, file: s3.put("key", file),
    "put_many": lambda s3, file: s3.put_many([("key", file)]),
}


@pytest.mark.parametrize("verb", PUTS)
@pytest.mark.parametrize("change", [shrink, grow, rewrite], ids=lambda change: change.__name__)
def test_an_open_file(change, verb, through, proxy, stored, path):
    fill(path, LARGE)
    at_the_first_part(proxy, lambda: change(path))
    error, message = CHANGES[change]
    with open(path, "rb") as file, pytest.raises(error, match=message) as raised:
        PUTS[verb](through, file)
    assert "'key'" in str(raised.value)
    assert nothing_is_left(stored)


@pytest.mark.parametrize("verb", PUTS)
def test_a_file_in_memory_that_shrinks(verb, through, proxy, stored):
    file = io.BytesIO(OLD * (LARGE // len(OLD)))
    at_the_first_part(proxy, lambda: file.truncate(PART_SIZE))
    with pytest.raises(MetaflowS3InvalidObject, match="became shorter"):
        PUTS[verb](through, file)
    assert nothing_is_left(stored)


# --- In one request


class Acting(io.BytesIO):
    """A file that calls a function when it is read."""

    def __init__(self, act):
        super().__init__(b"x")
        self._act = act

    def read(self, size=-1):
        if size:  # of no bytes, it is only looked whether it can be read
            self._act()
        return super().read(size)


def test_small_open_files_that_shrink_or_grow_before_their_turn(s3, stored, path):
    fill(path, 1000)
    with open(path, "rb", buffering=0) as file:
        s3.put_many([("first", Acting(lambda: grow(path))), ("key", file)])
        assert stored.blob("key") == OLD * 250
        file.seek(0)
        with pytest.raises(MetaflowS3InvalidObject, match="'key' became shorter"):
            s3.put_many([("first", Acting(lambda: shrink(path))), ("key", file)])


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_small_files_that_change_before_their_turn_are_stored_as_they_are_then(change, s3, stored, path, monkeypatch):
    fill(path, 1000)
    look = put.path_source
    monkeypatch.setattr(put, "path_source", lambda key, path: (look(key, path), change(path))[0])
    if change is os.unlink:
        with pytest.raises(MetaflowS3NotFound, match=path):
            s3.put_files([("key", path)])
        assert nothing_is_left(stored)
    else:
        s3.put_files([("key", path)])
        with open(path, "rb") as file:
            assert stored.blob("key") == file.read()


@pytest.fixture
def through_gate(seaweedfs, root, tmproot, implementation):
    """Have something done in the middle of the first upload."""
    with ExitStack() as stack:

        def make(then):
            gate = stack.enter_context(Gate(seaweedfs, then))
            params = {**seaweedfs.client_params(), "endpoint_url": gate.url}
            return stack.enter_context(S3(s3root=root, client_params=params, tmproot=str(tmproot)))

        yield make


@pytest.mark.parametrize("change", [grow, replace, os.unlink], ids=lambda change: change.__name__)
def test_an_opened_file_is_stored(change, through_gate, stored, path):
    fill(path, PART_SIZE)
    through_gate(lambda: change(path)).put_files([("key", path)])
    assert stored.blob("key") == OLD * (PART_SIZE // len(OLD))


def test_a_file_that_shrinks_in_the_middle_of_its_only_request(through_gate, stored, path):
    fill(path, PART_SIZE)
    with pytest.raises(MetaflowS3InvalidObject, match=f"{path} became shorter"):
        through_gate(lambda: shrink(path)).put_files([("key", path)])
    assert nothing_is_left(stored)


def test_a_file_that_is_rewritten_in_the_middle_of_its_only_request(through_gate, stored, path):
    fill(path, PART_SIZE)
    # The server sees that the bytes are not those whose checksum was sent before them, and then they are sent again.
    through_gate(lambda: rewrite(path)).put_files([("key", path)])
    assert stored.blob("key") == NEW * (PART_SIZE // len(NEW))
