"""Tests of the sources of an upload's bytes."""

import bz2
import gzip
import http.client
import io
import lzma
import socket
import tarfile
import tempfile
import tracemalloc
from array import array
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.api import upload_sources
from metaflow_extensions.fasts3.api.errors import MetaflowS3InvalidObject, MetaflowS3NotFound
from metaflow_extensions.fasts3.api.unnamed_files import Spool
from metaflow_extensions.fasts3.api.upload_sources import UNSIZED, path_source, value_source
from metaflow_extensions.fasts3.plans.pieces import Piece, pieces


def whole(source, step):
    if source.data is not None:
        return source.data
    return b"".join(bytes(source.read(piece)) for piece in pieces(0, source.size, step))


@given(st.text(max_size=50), st.integers(1, 60), st.sampled_from([10, 1000]))
def test_text_is_utf_8_at_any_split(text, step, part_size):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(upload_sources, "PART_SIZE", part_size)
        source = value_source("k", text, rewind=False)
        assert source.size == len(text.encode())
        assert whole(source, step) == text.encode()


def test_text_and_bytes_are_not_held_twice():
    values = ["x" * 10_000, "é" * 5_000, b"x" * 10_000] * 100
    tracemalloc.start()
    kept = [value_source("k", value, rewind=False) for value in values]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == 300
    assert size < 300 * 1000


def having(*names):
    """A value with these methods, as tables and arrays of other packages have them."""
    return type("Table", (), dict.fromkeys(names, lambda self: None))()


def test_text_that_is_none():
    with pytest.raises(MetaflowS3InvalidObject, match="'the-key' is not valid Unicode"):
        value_source("the-key", "\ud800", rewind=False)


@pytest.mark.parametrize(("rewind", "expected"), [(True, b"0123456789"), (False, b"3456789")])
def test_a_file_from_its_beginning_or_its_position(rewind, expected):
    file = io.BytesIO(b"0123456789")
    file.seek(3)
    assert whole(value_source("k", file, rewind), 4) == expected


# Wrappers of tempfile: they are no classes of io, or not of bytes.
@pytest.mark.parametrize("make", [tempfile.NamedTemporaryFile, tempfile.SpooledTemporaryFile, tempfile.TemporaryFile])
@pytest.mark.parametrize(("rewind", "expected"), [(True, b"0123456789"), (False, b"3456789")])
def test_a_temporary_file_is_accepted_only_in_binary_mode(make, rewind, expected):
    with make() as file:
        file.write(b"0123456789")
        file.seek(3)
        assert whole(value_source("k", file, rewind), 4) == expected
    with make(mode="w+") as text, pytest.raises(MetaflowS3InvalidObject, match=r"text file.*mode 'rb'"):
        value_source("k", text, rewind)
    with pytest.raises(MetaflowS3InvalidObject, match="mode 'rb'"):  # closed
        value_source("k", file, rewind)


def test_a_spooled_file_stays_in_memory(monkeypatch):
    def refuse(_):
        raise OSError("no space left")

    with tempfile.SpooledTemporaryFile() as file:
        monkeypatch.setattr(file, "rollover", refuse)
        file.write(b"0123456789")
        assert whole(value_source("k", file, rewind=True), 4) == b"0123456789"


def read_stream(source, step=4):
    assert source.size == UNSIZED
    data = bytearray()
    while more := source.read(Piece(0, step)):
        data += more
    return bytes(data)


class OnlyRead:
    """An object that has only `read`."""

    def __init__(self, data):
        self.read = io.BytesIO(data).read


def test_a_connection_is_a_stream():
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        theirs.sendall(b"0123456789")
        theirs.shutdown(socket.SHUT_WR)
        assert read_stream(value_source("k", stream, rewind=True)) == b"0123456789"


@pytest.mark.parametrize("rewind", [True, False])
def test_unseekable_files_are_streams(rewind):
    assert read_stream(value_source("k", OnlyRead(b"0123456789"), rewind)) == b"0123456789"


@pytest.mark.parametrize("rewind", [True, False])
def test_a_file_that_seems_to_be_empty_is_a_stream(rewind):
    with open("/proc/self/maps", "rb") as file:
        assert read_stream(value_source("k", file, rewind)).count(b"\n") > 10
    with open("/dev/zero", "rb") as device:
        source = value_source("k", device, rewind)
        assert (source.size, source.read(Piece(0, 4))) == (UNSIZED, bytes(4))
    assert whole(value_source("k", io.BytesIO(), rewind), 4) == b""


class OneWay(io.BytesIO):
    """A file that can't seek back."""

    def seek(self, position, whence=0):
        if whence == 0:
            raise OSError("can't seek back")
        return super().seek(position, whence)


def test_a_file_that_can_not_seek_back_is_not_stored_as_an_empty_object():
    with pytest.raises(OSError, match="can't seek back"):
        value_source("k", OneWay(b"0123456789"), rewind=False)


def test_a_member_of_a_streamed_archive_is_a_stream():
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo("member")
        member.size = 10
        tar.addfile(member, io.BytesIO(b"0123456789"))
    with tarfile.open(fileobj=io.BytesIO(archive.getvalue()), mode="r|") as tar:
        file = tar.extractfile(tar.next())
        assert whole_or_stream(value_source("k", file, rewind=False)) == b"0123456789"


def whole_or_stream(source):
    return read_stream(source) if source.size == UNSIZED else whole(source, 4)


def test_the_path_of_a_file_that_seems_to_be_empty_is_refused(tmp_path):
    with pytest.raises(MetaflowS3InvalidObject, match=r"has bytes although its size is 0.*with put"):
        path_source("k", "/proc/self/maps")
    (tmp_path / "empty").touch()
    assert path_source("k", tmp_path / "empty")[1].size == 0


@pytest.mark.parametrize("module", [gzip, bz2, lzma])
@pytest.mark.parametrize(("rewind", "expected"), [(True, b"0123456789"), (False, b"3456789")])
def test_decompressing_files_are_streams(module, rewind, expected):
    # Its end can only be found by decompressing all of it, and its beginning again after that.
    with module.open(io.BytesIO(module.compress(b"0123456789"))) as file:
        file.read(3)
        assert read_stream(value_source("k", file, rewind)) == expected


@contextmanager
def http_response(length):
    """The response of a server that ends the connection after ten bytes; without a length, it sends them in a chunk."""
    size = b"Content-Length: %d" % length if length else b"Transfer-Encoding: chunked"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        body = b"0123456789" if length else b"a\r\n0123456789\r\n0\r\n\r\n"
        theirs.sendall(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (size, body))
        theirs.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(ours)
        response.begin()
        yield response
        response.close()


@pytest.mark.parametrize("wrapped", [lambda one: one, io.BufferedReader], ids=["plain", "buffered"])
@pytest.mark.parametrize("length", [None, 10, 12])
def test_an_http_response_that_is_cut_short_is_an_error(length, wrapped):
    with http_response(length) as response:
        source = value_source("k", wrapped(response), rewind=True)
        if length == 12:
            with pytest.raises((MetaflowS3InvalidObject, http.client.IncompleteRead)):
                read_stream(source)
        else:
            assert read_stream(source) == b"0123456789"


@pytest.mark.parametrize("missing", [0, 2])
def test_a_response_of_an_old_urllib3_that_is_cut_short_is_an_error(missing):
    response = OnlyRead(b"0123456789")
    response.length_remaining = missing
    source = value_source("k", response, rewind=True)
    if missing:
        with pytest.raises(MetaflowS3InvalidObject, match="'k' ended early"):
            read_stream(source)
    else:
        assert read_stream(source) == b"0123456789"


@pytest.mark.parametrize("length", [None, 10])
@pytest.mark.parametrize("end", ["close", "read"])
def test_an_http_response_that_has_ended_is_an_error(length, end):
    with http_response(length) as response:
        getattr(response, end)()
        with pytest.raises(MetaflowS3InvalidObject, match="'the-key' is not readable"):
            value_source("the-key", response, rewind=True)


def test_an_empty_http_response():
    with http_response(10) as response:
        response.length = 0
        assert read_stream(value_source("k", response, rewind=True)) == b""


def test_a_stream_without_bytes_now_is_an_error():
    class NotNow:
        def read(self, amount):
            return None if amount else b""

    with pytest.raises(MetaflowS3InvalidObject, match=r"the-key.* returned NoneType instead of bytes"):
        read_stream(value_source("the-key", NotNow(), rewind=True))


@pytest.mark.parametrize("view", [lambda buffer: buffer, memoryview], ids=["bytearray", "memoryview"])
def test_a_buffer_that_is_filled_again_is_stored_as_it_was(view, tmp_path):
    def values():
        buffer = bytearray(4)
        for filling in (b"1111", b"2222"):
            buffer[:] = filling
            yield view(buffer)

    with Spool(lambda: str(tmp_path)) as spool:
        kept = [spool.keep(value) for value in values()]
        assert [whole(value_source("k", value, rewind=False), 3) for value in kept] == [b"1111", b"2222"]


def test_the_version_of_a_file(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    source, version = path_source("k", str(path).encode())
    assert source == str(path)
    assert (version.size, version.modified) == (5, path.stat().st_mtime_ns)
    with pytest.raises(MetaflowS3NotFound, match=f"{tmp_path}/no.*the-key"):
        path_source("the-key", tmp_path / "no")


def test_a_file_that_is_written_to_between_two_pieces_is_refused(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    with open(path, "rb") as file:
        source = value_source("the-key", file, rewind=True)
        assert source.read(Piece(0, 5)) == b"01234"
        path.write_bytes(b"abcdefghij")
        with pytest.raises(MetaflowS3InvalidObject, match="'the-key' was changed"):
            source.read(Piece(5, 5))
        assert source.read(Piece(0, 10)) == b"abcdefghij"  # in one piece it is one version, whichever


def test_names_do_not_steer_a_terminal(tmp_path):
    path = tmp_path / "\x1b[2J"
    for refusal in (MetaflowS3NotFound, MetaflowS3InvalidObject):  # it is not there, then it is a directory
        with pytest.raises(refusal) as refused:
            path_source("\x1b[2J", path)
        assert str(refused.value).count("\\x1b[2J") == 2
        assert "\x1b" not in str(refused.value)
        path.mkdir(exist_ok=True)
    with pytest.raises(MetaflowS3InvalidObject) as refused:
        value_source("\x1b[2J", 1, True)
    assert "\x1b" not in str(refused.value)


def test_the_error_explains_that_a_tilde_is_not_expanded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("~/data.csv", Path("~/data.csv"), "~me/data.csv"):
        with pytest.raises(MetaflowS3NotFound, match=r"Local file not found: ~.*expanduser"):
            path_source("k", path)
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "data.csv").write_text("1")
    assert path_source("k", "~/data.csv")[0] == str(tmp_path / "~" / "data.csv")


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (io.StringIO("text"), "mode 'rb'"),
        (Path("here"), "put_files"),
        (1, "json.dumps"),
        ({"a": [1]}, "json.dumps"),
        (memoryview(array("d", [1.5])), r"bytes\(\.\.\.\)"),
        (having("to_parquet", "to_csv", "__array__"), r"to_parquet\(\), which is bytes"),
        (having("to_csv", "__array__"), r"its to_csv\(\), which is text"),
        (having("write_parquet"), r"write_csv\(\), which is text; or write_parquet\(buffer\)"),
        (having("__array__"), r"numpy\.save.*buffer\.getvalue\(\)"),
    ],
    ids=["text file", "path", "number", "dict", "memoryview of numbers", "pandas", "pandas series", "Polars", "NumPy"],
)
def test_the_error_for_a_value_without_bytes_has_a_remedy(value, remedy):
    with pytest.raises(MetaflowS3InvalidObject, match=remedy):
        value_source("k", value, rewind=True)
