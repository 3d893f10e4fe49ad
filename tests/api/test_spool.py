"""Tests of the buffer for a generator's values: a few in memory, the others in an unnamed file."""

import io
import os
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.api import unnamed_files as module
from metaflow_extensions.fasts3.api import upload_sources
from metaflow_extensions.fasts3.api.unnamed_files import Spool, Spooled
from metaflow_extensions.fasts3.api.upload_sources import kept_value, value_source
from metaflow_extensions.fasts3.plans.pieces import Piece, pieces
from metaflow_extensions.fasts3.wire.blocking import Interrupted


@pytest.fixture(autouse=True)
def few_are_held(monkeypatch):
    monkeypatch.setattr(module, "HELD", 100)


def whole(kept, step=7):
    source = value_source("k", kept, rewind=False)
    if source.data is not None:
        return source.data
    return b"".join(bytes(source.read(piece)) for piece in pieces(0, source.size, step))


@given(st.lists(st.binary(max_size=60) | st.text(max_size=60)))
def test_kept_values_are_returned(tmp_path_factory, values):
    with Spool(lambda: str(tmp_path_factory.getbasetemp())) as spool:
        kept = [spool.keep(value) for value in values]
        assert [whole(one) for one in kept] == [one if isinstance(one, bytes) else one.encode() for one in values]
        in_memory = sum(
            len(one if isinstance(one, bytes) else one.encode()) for one in kept if not isinstance(one, Spooled)
        )
        assert in_memory <= 100


def test_the_first_are_held_as_they_are(tmp_path):
    values = [b"x" * 50, "y" * 50]
    with Spool(lambda: pytest.fail("a file was made")) as spool:
        assert all(spool.keep(value) is value for value in values)


def test_the_file_has_no_name_and_is_deleted_at_the_end(tmp_path):
    with Spool(lambda: str(tmp_path)) as spool:
        kept = spool.keep(b"x" * 101)
        assert isinstance(kept, Spooled)
        assert os.listdir(tmp_path) == []
        descriptor = spool._file.fileno()
        assert os.fstat(descriptor).st_size == 101
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_threads_after_the_end_read_no_other_file(tmp_path):
    with Spool(lambda: str(tmp_path)) as spool:
        kept = spool.keep(b"x" * 101)
        descriptor = spool._file.fileno()
    (tmp_path / "other").write_bytes(b"y" * 101)
    with open(tmp_path / "other", "rb") as other:
        assert other.fileno() == descriptor
        with pytest.raises(Interrupted):
            kept.read(Piece(0, 101))


@pytest.mark.parametrize(
    "value",
    [io.BytesIO(b"x" * 200), None, 5, "\ud800" * 200, memoryview(array("d", [1.5] * 30))],
    ids=lambda value: type(value).__name__,
)
def test_invalid_values_are_passed_on(tmp_path, value):
    with Spool(lambda: str(tmp_path)) as spool:
        assert spool.keep(value) is value


def test_without_a_directory_or_room_they_are_held_all_the_same(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    for folder, patches in ((str(tmp_path / "no"), {}), (str(tmp_path), {"pwrite": full})):
        with monkeypatch.context() as patched, Spool(lambda folder=folder: folder) as spool:
            for name, function in patches.items():
                patched.setattr(os, name, function)
            values = [b"x" * 101, b"y" * 101]
            assert [spool.keep(value) for value in values] == values


class Stream:
    """Brings bytes of unknown number."""

    def __init__(self, data):
        self.read = io.BytesIO(data).read


@pytest.mark.parametrize("kind", [io.BytesIO, Stream])
@pytest.mark.parametrize("size", [0, 5, 99, 101, 1000])
@pytest.mark.parametrize("room", [0, 150, 10_000])
def test_files_are_read_at_once(tmp_path, monkeypatch, kind, size, room):
    def limited(descriptor, data, position, write=os.pwrite):
        if position + len(data) > room:
            raise OSError(28, "No space left on device")
        return write(descriptor, data, position)

    monkeypatch.setattr(upload_sources, "STEP", 40)
    monkeypatch.setattr(os, "pwrite", limited)
    data = os.urandom(size)
    with Spool(lambda: str(tmp_path)) as spool:
        kept = [kept_value(spool, "k", value) for value in (kind(data), b"x" * 50, kind(data))]
        assert [whole(one) for one in kept] == [data, b"x" * 50, data]
        if size > 100 and room > 2000:
            assert [type(one) for one in kept[::2]] == [Spooled] * 2


def test_less_than_was_kept_is_never_given(tmp_path):
    with Spool(lambda: str(tmp_path)) as spool:
        kept = spool.keep(b"x" * 200)
        os.ftruncate(spool._file.fileno(), 100)
        with pytest.raises(OSError, match="Input/output error"):
            kept.read(Piece(0, 200))
