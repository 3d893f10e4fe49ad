"""`S3.open` in the modes that write."""

import gc
import io
import os
import subprocess
import sys
import threading

import pytest
from contract.content import noise
from metaflow.datatools.s3 import (
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3NotFound,
    MetaflowS3ObjectExists,
    MetaflowS3PreconditionFailed,
    MetaflowS3URLException,
)

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

LARGE = noise(2 * PART_SIZE + 12_345)


@pytest.mark.parametrize("size", [1, 1000, PART_SIZE, PART_SIZE + 1, len(LARGE)])
@pytest.mark.parametrize("amount", [PART_SIZE * 3, 1_000_000])
def test_written_bytes_are_stored(s3, stored, size, amount):
    with s3.open("key", "wb") as file:
        for start in range(0, size, amount):
            assert file.write(LARGE[start : min(size, start + amount)]) == min(amount, size - start)
            assert file.tell() == min(size, start + amount)
        assert stored.list() == set()
    assert stored.blob("key") == LARGE[:size]
    assert stored.open_uploads() == []


def test_an_empty_object(s3, stored):
    with s3.open("key", "wb"):
        pass
    assert stored.blob("key") == b""


def test_it_is_a_real_file(s3, root):
    with s3.open("key", "wb") as file:
        assert isinstance(file, io.BufferedIOBase)
        assert (file.name, file.mode) == (f"{root}/key", "wb")
        assert file.writable()
        assert not file.readable()
        assert not file.seekable()
        file.flush()
        for value in (b"a", bytearray(b"b"), memoryview(b"cd")[1:]):
            file.write(value)
        with pytest.raises(TypeError):
            file.write("text")
        with pytest.raises(io.UnsupportedOperation):
            file.read()
        with pytest.raises(io.UnsupportedOperation):
            file.seek(0)
    file.close()
    with pytest.raises(ValueError, match="closed file"):
        file.write(b"")


def test_the_buffer_of_the_caller_may_change(s3, stored):
    buffer = bytearray(PART_SIZE)
    with s3.open("key", "wb") as file:
        for byte in range(3):
            buffer[:] = bytes([byte]) * PART_SIZE
            file.write(buffer)
        buffer[:] = bytes(PART_SIZE)
    assert stored.blob("key") == b"".join(bytes([byte]) * PART_SIZE for byte in range(3))


def test_text(s3, stored):
    with s3.open("key", "w") as file:
        assert isinstance(file, io.TextIOWrapper)
        file.write("zwölf\n")
        print("Boxkämpfer", file=file)
    assert stored.blob("key").decode() == "zwölf\nBoxkämpfer\n"
    with s3.open("key", "wt", encoding="ascii", errors="replace", newline="\r\n") as file:
        file.write("zwölf\n")
    assert stored.blob("key") == b"zw?lf\r\n"


@pytest.mark.needs("metadata")
def test_content_type_and_metadata(s3):
    with s3.open("key", "w", content_type="text/csv", metadata={"rows": 2}) as file:
        file.write("a,b\n")
    info = s3.info("key")
    assert info.content_type == "text/csv"
    assert info.metadata == {"rows": 2}
    with s3.open("key", "wb", content_type="a/b", metadata={"rows": 3}) as file:
        file.write(LARGE)
    info = s3.info("key")
    assert (info.content_type, info.metadata, info.size) == ("a/b", {"rows": 3}, len(LARGE))


@pytest.mark.needs("object-headers", "storage-classes")
@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_headers(make_s3, root, stored, data):
    s3 = make_s3(s3root=root, extra_args={"CacheControl": "no-cache", "ContentLanguage": "en"})
    given = {"CacheControl": "max-age=60", "StorageClass": "STANDARD_IA"}
    with s3.open("key", "wb", content_type="a/b", extra_args=given) as file:
        file.write(data)
    head = stored.head("key")
    expected = {**given, "ContentLanguage": "en", "ContentType": "a/b"}
    assert {name: head.get(name) for name in expected} == expected


@pytest.mark.needs("sse")
@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_encryption(s3, stored, data):
    with s3.open("key", "wb", encryption="AES256") as file:
        file.write(data)
    assert stored.head("key")["ServerSideEncryption"] == "AES256"
    assert stored.blob("key") == data


@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize(
    "data",
    [b"small", pytest.param(b"x" * len(LARGE), marks=pytest.mark.needs("conditional-multipart-replacements"))],
    ids=["small", "large"],
)
@pytest.mark.needs("conditional-replacements")
def test_only_one_version_is_replaced(s3, root, stored, mode, data):
    written = data if mode == "wb" else data.decode()
    stored.put("key", b"first")
    etag = s3.info("key").etag
    with s3.open("key", mode, if_match=etag) as file:
        file.write(written)
    assert stored.blob("key") == data

    stored.put("key", b"of another")
    # Raised by `close`, or by `write` if the first response arrives while it still writes.
    with pytest.raises(MetaflowS3PreconditionFailed) as raised, s3.open("key", mode, if_match=etag) as file:
        file.write(written)
    assert raised.value.url == f"{root}/key"
    file = s3.open("key", mode, if_match=s3.info("key").etag)
    file.write(data[:1] if mode == "wb" else written[:1])
    stored.put("key", b"meanwhile")
    with pytest.raises(MetaflowS3PreconditionFailed):
        file.close()
    assert stored.blob("key") == b"meanwhile"
    assert stored.open_uploads() == []


def test_a_version_of_a_missing_object_is_not_replaced(s3, stored):
    with pytest.raises(MetaflowS3NotFound), s3.open("key", "w", if_match='"e"') as file:
        file.write("value")
    assert stored.list() == set()


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("mode", ["wb", "xb"])
def test_a_block_that_raises_stores_nothing(s3, stored, data, mode):
    def write():
        with s3.open("key", mode) as file:
            file.write(data)
            while data is LARGE and not stored.parts_of_open_uploads():
                pass  # otherwise the client may not know the id yet, with which it aborts the upload
            raise KeyError("of the user")

    with pytest.raises(KeyError):
        write()
    assert stored.list() == set()
    assert stored.open_uploads() == []


def test_a_text_block_that_raises_stores_nothing(s3, stored):
    def write():
        with s3.open("key", "w") as file:
            file.write("half")
            raise KeyError("of the user")

    with pytest.raises(KeyError):
        write()
    assert stored.list() == set()


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_lost_file_stores_nothing(s3, stored, data, mode, caplog):
    file = s3.open("key", mode, **({"encoding": "latin-1", "newline": ""} if mode == "w" else {}))
    file.write(data if mode == "wb" else data.decode("latin-1"))
    of_file = [thread for thread in threading.enumerate() if thread.name == "fasts3-file"]
    del file
    gc.collect()
    for thread in of_file:
        thread.join(10)
    assert "was not closed, so it was not stored" in caplog.text
    assert stored.list() == set()
    assert stored.open_uploads() == []


@pytest.mark.needs("conditional-writes")
@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_creating(s3, stored, root, data):
    with s3.open("key", "xb") as file:
        file.write(data)
    assert stored.blob("key") == data
    for mode in ("x", "xb", "xt"):
        with pytest.raises(FileExistsError, match=f"{root}/key exists") as raised:
            s3.open("key", mode)
        assert isinstance(raised.value, MetaflowS3ObjectExists)
    assert stored.blob("key") == data


@pytest.mark.needs("conditional-writes")
@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_another_writer_is_faster(s3, stored, data):
    file = s3.open("key", "xb")
    file.write(data)
    stored.put("key", b"of the other")
    with pytest.raises(MetaflowS3ObjectExists):
        file.close()
    assert file.closed
    file.close()
    assert stored.blob("key") == b"of the other"
    assert stored.open_uploads() == []


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_closing_the_client_aborts_its_files(make_s3, root, stored, data):
    s3 = make_s3(s3root=root)
    file = s3.open("key", "wb")
    file.write(data)
    s3.close()
    assert stored.open_uploads() == []
    with pytest.raises(MetaflowS3Exception, match="key is not stored: the S3 client was closed before this file"):
        file.write(b"more")
    with pytest.raises(MetaflowS3Exception, match="client was closed"):
        file.close()
    assert file.closed
    assert stored.list() == set()


def test_abort(s3, stored):
    file = s3.open("key", "wb")
    file.write(LARGE)
    file.abort()
    assert file.closed
    assert stored.list() == set()
    assert stored.open_uploads() == []


def test_a_missing_bucket(bare):
    for data in (b"small", LARGE):
        file = bare.open("s3://no-such-bucket-here/key", "wb")
        # Raised by `close`, or by `write` if the first response arrives while it still writes.
        with pytest.raises(Exception, match="no-such-bucket-here"), file:
            file.write(data)
        assert file.closed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "ab"}, "S3 can't append"),
        ({"mode": "rb", "content_type": "a/b"}, "content_type is for writing"),
        ({"mode": "wb", "newline": ""}, "newline is for text"),
        ({"mode": "x", "if_match": "e"}, "if_match replaces an object that exists"),
    ],
)
def test_invalid_arguments(s3, arguments, message):
    with pytest.raises(MetaflowS3Exception, match=message):
        s3.open("key", **arguments)


def test_invalid_metadata_and_keys(s3, bare):
    for wrong in ({"metadata": {"a": object()}}, {"extra_args": {"Storage": "x"}}, {"if_match": ""}):
        with pytest.raises(MetaflowS3InvalidObject):
            s3.open("key", "wb", **wrong)
    with pytest.raises(MetaflowS3URLException):
        bare.open("key", "wb")
    with pytest.raises(MetaflowS3URLException):
        bare.open("s3://bucket", "wb")


PROGRAM = """
import sys
from metaflow import S3
s3 = S3(s3root=sys.argv[1], client_params={params!r}, tmproot=sys.argv[2])
file = s3.open("key", "wb")
file.write(b"x" * int(sys.argv[3]))
print("written", flush=True)
"""


@pytest.mark.parametrize("size", [10, 20_000_000])
def test_the_end_of_the_process_stores_nothing(server, root, stored, tmproot, size):
    program = PROGRAM.format(params=server.client_params())
    ran = subprocess.run(
        [sys.executable, "-c", program, root, str(tmproot), str(size)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (0, "written\n"), ran.stderr
    assert "Traceback" not in ran.stderr
    assert stored.list() == set()
    assert stored.open_uploads() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_leaves_the_file_to_its_parent(s3, stored):
    file = s3.open("key", "wb")
    file.write(b"of the parent")
    child = os.fork()
    if not child:
        code = 1
        try:
            file.write(b"of the child")
        except MetaflowS3Exception as error:
            code = 0 if "before a fork" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    file.close()
    assert stored.blob("key") == b"of the parent"


def test_injected_failures(make_s3, root, stored):
    s3 = make_s3(s3root=root, inject_failure_rate=50)
    with s3.open("key", "wb") as file:
        file.write(LARGE)
    assert stored.blob("key") == LARGE
