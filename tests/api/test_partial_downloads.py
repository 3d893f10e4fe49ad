"""Tests of partial files: what is used of them, and how long they stay."""

import fcntl
import json
import os
import zlib

import pytest

from metaflow_extensions.fasts3.api import partial_downloads
from metaflow_extensions.fasts3.api.partial_downloads import KEPT_FOR, PARTIAL, PartialDownloads, Resumable
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo

URL = "s3://b/k"
BODY = bytes(range(100))
LEAST = 50
INFO = ObjectInfo(len(BODY), '"e"', None, {}, 5, None)
RESPONSE = GetResponse(INFO, 0, len(BODY), 10, None, "crc")


@pytest.fixture
def begin(tmp_path):
    """Begin a download, write these pieces, and leave it."""

    def begin(*pieces, response=RESPONSE, url=URL):
        with opened(tmp_path, url) as partials:
            found = partials.claim(0)
            fill(found.data, pieces)
            found.begin(found.data, response)
            for first, end in pieces:
                found.note(first, end - first, zlib.crc32(BODY[first:end]))

    return begin


def opened(folder, url=URL, size=len(BODY), name="file"):
    return PartialDownloads(str(folder), [Resumable(url, str(folder / name), size)], LEAST)


def fill(path, pieces):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    for first, end in pieces:
        os.pwrite(descriptor, BODY[first:end], first)
    os.close(descriptor)


def kept(folder, **given):
    """The pieces that the next download can use, each given by its first byte and the byte after its last."""
    with opened(folder, **given) as partials:
        found = partials.claim(0)
        pieces = found.kept.pieces if found and found.kept else {}
        return [(first, first + length) for first, (_, length) in sorted(pieces.items())]


def directory(folder):
    [found] = folder.glob(f"{PARTIAL}*")
    return found


def test_a_partial_file_is_found(tmp_path, begin):
    begin((0, 10), (30, 40))
    with opened(tmp_path) as partials:
        found = partials.claim(0).kept
    assert found.response == RESPONSE._replace(received=0)
    assert found.pieces == {at: (zlib.crc32(BODY[at : at + 10]), 10) for at in (0, 30)}
    with open(found.path, "rb") as file:
        assert file.read(10) == BODY[:10]
    assert kept(tmp_path) == [(0, 10), (30, 40)]  # looking does not change it


def test_only_the_owner_can_read_it(tmp_path, begin):
    begin((0, 10))
    there = directory(tmp_path)
    assert there.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in there.iterdir()} == {0o600}


def test_it_is_removed_when_the_download_is_complete(tmp_path, begin):
    begin((0, 10))
    with opened(tmp_path) as partials:
        partials.claim(0)
        partials.done(0)
    assert os.listdir(tmp_path) == []


def test_without_complete_pieces_no_partial_file_stays(tmp_path, begin):
    begin()
    assert os.listdir(tmp_path) == []


def test_after_all_pieces_the_last_is_requested_again(tmp_path, begin):
    """Its request shows whether the object is still the same."""
    begin((0, 60), (60, 100))
    assert kept(tmp_path) == [(0, 60)]


def test_a_continued_download_can_be_interrupted_again(tmp_path, begin):
    begin((0, 10))
    with opened(tmp_path) as partials:
        found = partials.claim(0)
        fill(found.kept.path, [(20, 30)])
        found.note(20, 10, zlib.crc32(BODY[20:30]))
    assert kept(tmp_path) == [(0, 10), (20, 30)]


def test_the_check_of_its_pieces_can_be_interrupted(tmp_path, begin, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    begin((0, 10), (30, 40))
    with monkeypatch.context() as patched:
        patched.setattr(partial_downloads, "_crc_of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            kept(tmp_path)
    assert kept(tmp_path) == [(0, 10), (30, 40)]


def test_a_restarted_download_drops_its_pieces(tmp_path, begin):
    begin((0, 10))
    with opened(tmp_path) as partials:
        found = partials.claim(0)
        fill(f"{found.data}.1", [(50, 60)])
        found.begin(f"{found.data}.1", RESPONSE._replace(info=INFO._replace(etag='"f"')))
        found.note(50, 10, zlib.crc32(BODY[50:60]))
    assert kept(tmp_path) == [(50, 60)]
    assert len(list(directory(tmp_path).iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data, record: data.write_bytes(bytes(100)), id="other bytes"),
        pytest.param(lambda data, record: data.write_bytes(b""), id="no bytes"),
        pytest.param(lambda data, record: data.unlink(), id="no file"),
        pytest.param(lambda data, record: record.unlink(), id="no record"),
        pytest.param(lambda data, record: record.write_bytes(b""), id="empty record"),
        pytest.param(lambda data, record: record.write_bytes(b"\xff\n[0, 10, 1]\n"), id="no text"),
        pytest.param(lambda data, record: record.write_bytes(b"[" * 100_000 + b"\n"), id="deep"),
        pytest.param(lambda data, record: record.write_text("[]\n"), id="another record"),
        pytest.param(lambda data, record: _change(record, url="s3://b/other"), id="another object"),
        pytest.param(lambda data, record: _change(record, format=2), id="a later version"),
        pytest.param(lambda data, record: _change(record, data="../../precious"), id="another file"),
        pytest.param(lambda data, record: _change(record, data="record"), id="the record itself"),
        pytest.param(lambda data, record: _change(record, size=-1), id="no size"),
        pytest.param(lambda data, record: _change(record, size=True), id="a boolean"),
        pytest.param(lambda data, record: _change(record, etag="a\r\nb: c"), id="a header in the ETag"),
        pytest.param(lambda data, record: _change(record, etag=None), id="no ETag"),
        pytest.param(lambda data, record: _change(record, crc32=[]), id="no checksum"),
        pytest.param(lambda data, record: data.chmod(0o644), id="readable by others"),
        pytest.param(lambda data, record: record.chmod(0o622), id="a record that others can write"),
        pytest.param(lambda data, record: (data.parent.parent / "link").hardlink_to(data), id="a second name"),
    ],
)
def test_a_changed_partial_file_is_not_used(tmp_path, begin, damage):
    begin((0, 10), (20, 30))
    there = directory(tmp_path)
    [data] = there.glob("data-*")
    damage(data, there / "record")
    assert kept(tmp_path) == []
    assert not list(tmp_path.glob(f"{PARTIAL}*"))


def _change(record, **fields):
    head, *rows = record.read_text().split("\n")
    record.write_text("\n".join([json.dumps({**json.loads(head), **fields}), *rows]))


def test_a_link_is_not_followed(tmp_path, begin):
    begin((0, 10))
    there = directory(tmp_path)
    [data] = there.glob("data-*")
    precious = tmp_path / "precious"
    precious.write_bytes(BODY)
    precious.chmod(0o600)
    data.unlink()
    data.symlink_to(precious)
    assert kept(tmp_path) == []
    assert precious.read_bytes() == BODY


def test_a_piece_with_other_bytes_is_downloaded_again(tmp_path, begin):
    begin((0, 10), (20, 30))
    [data] = directory(tmp_path).glob("data-*")
    with open(data, "r+b") as file:
        file.seek(25)
        file.write(b"X")
    assert kept(tmp_path) == [(0, 10)]


@pytest.mark.parametrize("cut", [1, 3, 8])
def test_a_line_that_was_cut_short(tmp_path, begin, cut):
    begin((0, 10), (20, 30))
    record = directory(tmp_path) / "record"
    record.write_bytes(record.read_bytes()[:-cut])
    expected = [(0, 10)] if cut > 1 else [(0, 10), (20, 30)]
    assert kept(tmp_path) == expected
    with opened(tmp_path) as partials:
        found = partials.claim(0)
        fill(found.kept.path, [(40, 50)])
        found.note(40, 10, zlib.crc32(BODY[40:50]))
    assert kept(tmp_path) == [*expected, (40, 50)]


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_an_object_without_a_usable_etag_is_not_recorded(tmp_path, begin, etag):
    begin((0, 10), response=RESPONSE._replace(info=INFO._replace(etag=etag)))
    assert os.listdir(tmp_path) == []


def test_it_belongs_to_one_object_and_one_file(tmp_path, begin):
    begin((0, 10))
    assert kept(tmp_path, url="s3://b/other") == []
    assert kept(tmp_path, name="other") == []
    assert kept(tmp_path) == [(0, 10)]


def test_small_objects_have_none(tmp_path):
    with opened(tmp_path, size=LEAST - 1) as partials:
        assert partials.claim(0) is None
    with opened(tmp_path, size=None) as partials:
        assert partials.claim(0) is not None
    assert os.listdir(tmp_path) == []


def test_another_process_has_it(tmp_path, begin):
    """Then this one uses a temporary file."""
    begin((0, 10))
    descriptor = os.open(directory(tmp_path), os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with opened(tmp_path) as partials:
        assert partials.claim(0) is None
    os.close(descriptor)
    assert kept(tmp_path) == [(0, 10)]


def test_a_directory_that_others_can_change_is_not_used(tmp_path, begin):
    begin((0, 10))
    directory(tmp_path).chmod(0o770)
    assert kept(tmp_path) == []
    with opened(tmp_path) as partials:
        assert partials.claim(0) is None


def test_old_ones_are_removed_by_the_next_download(tmp_path, begin, monkeypatch):
    begin((0, 10))
    begin((0, 10), url="s3://b/other")
    recent, old = sorted(tmp_path.glob(f"{PARTIAL}*"))
    for path in (old, *old.iterdir()):
        os.utime(path, (path.stat().st_mtime - KEPT_FOR - 60,) * 2)
    (tmp_path / "mine").write_bytes(b"")
    partial_downloads.remove_old(str(tmp_path))
    assert sorted(tmp_path.iterdir()) == sorted([recent, tmp_path / "mine"])


def test_only_a_few_are_open_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(partial_downloads, "MOST_LOCKS", 2)
    wanted = [Resumable(f"s3://b/{number}", str(tmp_path / str(number)), None) for number in range(4)]
    with PartialDownloads(str(tmp_path), wanted, LEAST) as partials:
        assert [partials.claim(index) is not None for index in range(4)] == [True, True, False, False]
        partials.done(0)
        assert partials.claim(2) is not None


def test_a_record_that_can_not_be_written_does_not_stop_the_download(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with opened(tmp_path) as partials:
        found = partials.claim(0)
        monkeypatch.setattr(partial_downloads.os, "write", full)
        found.begin(found.data, RESPONSE)
        found.note(0, 10, 1)
        monkeypatch.undo()
    assert os.listdir(tmp_path) == []


def test_a_late_thread_writes_no_record(tmp_path, monkeypatch):
    """After Ctrl-C the call may leave before its thread; another file may then have the number of the directory."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "record").write_text("mine")
    with opened(tmp_path) as partials:
        found = partials.claim(0)
        number = found._directory
    descriptor = os.open(other, os.O_RDONLY)
    os.dup2(descriptor, number)
    found.begin(found.data, RESPONSE)
    found.note(0, 10, 0)
    found.close()
    assert os.fstat(number)
    assert (other / "record").read_text() == "mine"
    partials.done(0)
    assert partials.claim(0) is None
    for one in {descriptor, number}:
        os.close(one)
