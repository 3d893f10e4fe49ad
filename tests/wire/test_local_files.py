"""Tests of the local files of downloads and uploads."""

import errno
import os
import stat

import pytest

from metaflow_extensions.fasts3.wire import local_files
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.local_files import (
    became_shorter,
    close_written,
    local_failure,
    open_to_read,
    open_to_write,
    version_of,
    write_all,
)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "f")


@pytest.fixture
def closed(monkeypatch):
    """Record the closed descriptors."""
    closed, close = [], os.close
    monkeypatch.setattr(local_files.os, "close", lambda file: (closed.append(file), close(file)))
    return closed


def content(path):
    with open(path, "rb") as file:
        return file.read()


def fill(path, data):
    with open(path, "wb") as file:
        file.write(data)


def failing(number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    return fail


# --- Meanings of errors


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, Code.DISK_FULL),
        (errno.EDQUOT, Code.DISK_FULL),
        (errno.EFBIG, Code.DISK_FULL),
        (errno.EMFILE, Code.NO_DESCRIPTORS),
        (errno.ENFILE, Code.NO_DESCRIPTORS),
        (errno.EIO, Code.LOCAL_FILE),
        (errno.EACCES, Code.LOCAL_FILE),
        (errno.EROFS, Code.LOCAL_FILE),
    ],
)
def test_codes_of_file_system_errors(number, code):
    failure = local_failure(OSError(number, "the reason", "/some/file"))
    assert failure == Failure(code, f"[Errno {number}] the reason: '/some/file'")


def test_an_error_without_a_number():
    assert local_failure(OSError("the reason")) == Failure(Code.LOCAL_FILE, "the reason")


# --- Downloads


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_file_is_made_for_its_owner_only(path, mask):
    before = os.umask(mask)
    try:
        os.close(open_to_write(path, 0))
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_position_0_empties_and_others_do_not(path):
    fill(path, b"before")
    os.close(open_to_write(path, 3))
    assert content(path) == b"before"
    os.close(open_to_write(path, 0))
    assert content(path) == b""


def test_a_range_may_begin_before_the_object(path):
    file = open_to_write(path, 5)
    write_all(file, memoryview(b"later"), 5)
    os.close(file)
    assert content(path) == b"\0\0\0\0\0later"


def test_a_file_of_a_download_is_not_left_to_children(path):
    file = open_to_write(path, 0)
    assert not os.get_inheritable(file)
    os.close(file)


@pytest.mark.parametrize("position", [0, 3])
def test_a_link_is_not_followed(path, tmp_path, position):
    (tmp_path / "target").write_bytes(b"untouched")
    os.symlink(tmp_path / "target", path)
    with pytest.raises(TransferError) as failed:
        open_to_write(path, position)
    assert failed.value.failure.code is Code.LOCAL_FILE
    assert content(tmp_path / "target") == b"untouched"


@pytest.mark.parametrize("where", ["", "no-directory/f"])
def test_no_file_can_be_created(tmp_path, where):
    with pytest.raises(TransferError) as failed:
        open_to_write(str(tmp_path / where), 0)
    assert failed.value.failure.code is Code.LOCAL_FILE
    assert str(tmp_path / where).rstrip("/") in failed.value.failure.message


def test_bytes_go_where_they_belong(path):
    file = open_to_write(path, 0)
    write_all(file, memoryview(b"world"), 6)
    write_all(file, memoryview(b"hello "), 0)
    write_all(file, memoryview(b""), 3)
    os.close(file)
    assert content(path) == b"hello world"


def test_short_writes_are_continued(path, monkeypatch):
    write = os.pwrite
    monkeypatch.setattr(local_files.os, "pwrite", lambda file, data, at: write(file, data[:3], at))
    file = open_to_write(path, 0)
    write_all(file, memoryview(b"hello world"), 2)
    os.close(file)
    assert content(path) == b"\0\0hello world"


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, Code.DISK_FULL), (errno.EIO, Code.LOCAL_FILE)])
@pytest.mark.parametrize("pieces", [0, 1])
def test_a_write_that_fails(path, monkeypatch, number, code, pieces):
    write, written = os.pwrite, []

    def pwrite(file, data, at):
        if len(written) == pieces:
            raise OSError(number, os.strerror(number))
        written.append(at)
        return write(file, data[:3], at)

    monkeypatch.setattr(local_files.os, "pwrite", pwrite)
    file = open_to_write(path, 0)
    with pytest.raises(TransferError) as failed:
        write_all(file, memoryview(b"hello"), 0)
    os.close(file)
    assert failed.value.failure.code is code
    assert isinstance(failed.value.__cause__, OSError)


@pytest.mark.parametrize(("number", "code"), [(errno.EDQUOT, Code.DISK_FULL), (errno.EIO, Code.LOCAL_FILE)])
def test_a_file_system_that_reports_a_full_disk_on_close(path, monkeypatch, number, code):
    file = open_to_write(path, 0)
    with monkeypatch.context() as patched:
        patched.setattr(local_files.os, "close", failing(number))
        with pytest.raises(TransferError) as failed:
            close_written(file)
    assert failed.value.failure.code is code
    close_written(file)


# --- Uploads


@pytest.mark.parametrize(
    ("position", "length", "expected"),
    [
        ((), (), 5),
        (0, -1, 5),
        (2, -1, 3),
        (5, -1, 0),
        (0, 5, 5),
        (1, 3, 3),
        (5, 0, 0),
        (0, 0, 0),
    ],
)
def test_how_many_bytes_are_uploaded(path, closed, position, length, expected):
    fill(path, b"hello")
    arguments = [value for value in (position, length) if value != ()]
    with open_to_read(path, *arguments) as (file, size):
        assert size == expected
        assert os.pread(file, 10, 0) == b"hello"
        assert not os.get_inheritable(file)
    assert closed == [file]


@pytest.mark.parametrize(("position", "length"), [(0, 6), (5, 1), (6, 0), (6, -1), (3, 3)])
def test_a_file_that_is_too_short(path, closed, position, length):
    fill(path, b"hello")
    with pytest.raises(TransferError) as failed, open_to_read(path, position, length):
        pytest.fail("it was opened")
    assert failed.value.failure == became_shorter(path)
    assert len(closed) == 1


def test_a_file_that_is_found_too_short_later(path, closed):
    fill(path, b"hello")
    with pytest.raises(TransferError) as failed, open_to_read(path):
        raise EOFError
    assert failed.value.failure == Failure(Code.CHANGED, f"{path} became shorter while it was uploaded")
    assert len(closed) == 1


def shorten(path):
    os.truncate(path, 3)


def lengthen(path):
    fill(path, b"hello, world")


def touch(path):
    os.utime(path, ns=(0, 0))


def upload(path, meanwhile, *which):
    """Read it, while something happens."""
    with open_to_read(path, *which):
        meanwhile(path)


@pytest.mark.parametrize(("change", "how"), [(shorten, "became shorter"), (touch, "was changed")])
def test_a_file_that_is_changed_meanwhile(path, closed, change, how):
    fill(path, b"hello")
    with pytest.raises(TransferError) as failed:
        upload(path, change)
    assert failed.value.failure == Failure(Code.CHANGED, f"{path} {how} while it was uploaded")
    assert len(closed) == 1


@pytest.mark.parametrize("change", [lengthen, os.unlink])
def test_an_open_file_is_one_version_while_it_grows_or_is_deleted(path, closed, change):
    fill(path, b"hello")
    upload(path, change)
    assert len(closed) == 1


CHANGES = [(shorten, "became shorter"), (lengthen, "was changed"), (touch, "was changed")]


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("change", "how"), CHANGES)
def test_a_part_of_a_file_that_is_changed(path, closed, change, how, before):
    fill(path, b"hello")
    version = list(version_of(os.stat(path)))
    meanwhile = change
    if before:
        change(path)
        meanwhile = lambda _: pytest.fail("it was opened")  # noqa: E731
    with pytest.raises(TransferError) as failed:
        upload(path, meanwhile, 0, 3, version)
    assert failed.value.failure == Failure(Code.CHANGED, f"{path} {how} while it was uploaded")
    assert len(closed) == 1


def test_a_part_of_a_file_that_stays_as_it_is(path, closed):
    fill(path, b"hello")
    with open_to_read(path, 1, 3, list(version_of(os.stat(path)))) as (_, size):
        assert size == 3
    assert len(closed) == 1


def test_a_file_that_can_t_be_read_later(path, closed):
    fill(path, b"hello")
    with pytest.raises(TransferError) as failed, open_to_read(path):
        raise OSError(errno.EIO, "Input/output error")
    assert failed.value.failure == Failure(Code.LOCAL_FILE, "[Errno 5] Input/output error")
    assert len(closed) == 1


def test_a_directory_is_no_file(tmp_path, closed):
    with pytest.raises(TransferError) as failed, open_to_read(str(tmp_path)) as (file, _):
        os.pread(file, 1, 0)
    assert failed.value.failure.code is Code.LOCAL_FILE
    assert len(closed) == 1


def test_a_file_that_is_not_there(path):
    with pytest.raises(TransferError) as failed, open_to_read(path):
        pytest.fail("it was opened")
    assert failed.value.failure.code is Code.NO_FILE
    assert path in failed.value.failure.message


@pytest.mark.parametrize("error", [TransferError(Failure(Code.BUSY)), KeyboardInterrupt(), RuntimeError()])
def test_other_exceptions_are_unchanged(path, closed, error):
    fill(path, b"hello")
    with pytest.raises(type(error)) as failed, open_to_read(path):
        raise error
    assert failed.value is error
    assert len(closed) == 1


def test_an_open_that_fails_leaves_nothing_to_close(path, closed, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(local_files.os, "open", failing(errno.EMFILE))
        with pytest.raises(TransferError) as failed, open_to_read(path):
            pytest.fail("it was opened")
    assert failed.value.failure.code is Code.NO_DESCRIPTORS
    assert closed == []
