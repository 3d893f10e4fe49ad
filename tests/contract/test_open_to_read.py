"""`S3.open` in the modes that read."""

import errno
import gc
import io
import os
import pickle
import random
import threading

import pytest
from contract.content import noise
from metaflow.datatools.s3 import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3NotFound,
    MetaflowS3PreconditionFailed,
    MetaflowS3URLException,
    S3GetObject,
)
from servers import faults
from servers.faulty import FaultyS3

MIB = 2**20
BLOB = noise(9 * MIB + 12_345)


@pytest.fixture(scope="module")
def large(server, oracle):
    """The URL of an object that all tests of this module read."""
    key = f"open-{os.getpid()}/large"
    oracle.put_object(Bucket=server.bucket, Key=key, Body=BLOB)
    yield f"s3://{server.bucket}/{key}"
    oracle.delete_object(Bucket=server.bucket, Key=key)


def threads_of_files():
    return [thread for thread in threading.enumerate() if thread.name == "fasts3-file"]


def test_it_is_a_real_file(bare, large):
    with bare.open(large) as file:
        assert isinstance(file, io.BufferedReader)
        assert (file.name, file.mode) == (large, "rb")
        assert file.readable()
        assert file.seekable()
        assert not file.writable()
        assert file.tell() == 0
        assert file.read(10) == BLOB[:10]
        assert file.tell() == 10
        assert file.seek(-5, os.SEEK_END) == len(BLOB) - 5
        assert file.read() == BLOB[-5:]
        assert file.read(1) == b""
        assert file.seek(-3, os.SEEK_CUR) == len(BLOB) - 3
        assert file.peek(3)[:3] == BLOB[-3:]
        assert file.seek(100 * MIB) == 100 * MIB
        assert file.read(3) == b""
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"")
        with pytest.raises(io.UnsupportedOperation):
            file.fileno()
        with pytest.raises(ValueError, match="negative"):
            file.seek(-1)
    assert file.closed
    with pytest.raises(ValueError, match="closed file"):
        file.read(1)


@pytest.mark.parametrize("amount", [-1, 3 * MIB, 100_000, 7])
def test_sequential_reads(bare, large, amount):
    most = len(BLOB) if amount > 7 or amount < 0 else 10_000
    with bare.open(large) as file:
        read = bytearray()
        while len(read) < most and (more := file.read(amount)):
            read += more
    assert bytes(read) == BLOB[: len(read)]
    assert len(read) >= most


def test_random_reads(bare, large):
    chance = random.Random(5)
    with bare.open(large, look_ahead=MIB) as file:
        for _ in range(40):
            start, length = chance.randrange(len(BLOB)), chance.choice([1, 100, 65_536, 300_000])
            file.seek(start)
            assert file.read(length) == BLOB[start : start + length]


def test_readinto(bare, large):
    with bare.open(large) as file:
        buffer = bytearray(2 * MIB)
        assert file.readinto(buffer) == len(buffer)
        assert buffer == BLOB[: 2 * MIB]
        assert file.readinto1(memoryview(buffer)[:10]) == 10
        assert buffer[:10] == BLOB[2 * MIB : 2 * MIB + 10]
        file.seek(-7, os.SEEK_END)
        assert file.readinto(buffer) == 7


def test_a_small_object(s3, stored):
    stored.put("small", b"a line\nand another\n")
    with s3.open("small") as file:
        assert list(file) == [b"a line\n", b"and another\n"]
        file.seek(2)
        assert file.readline() == b"line\n"


def test_an_empty_object(s3, stored):
    stored.put("empty", b"")
    with s3.open("empty") as file:
        assert file.read() == b""
        assert file.seek(0, os.SEEK_END) == 0
    with s3.open("empty", "r") as file:
        assert list(file) == []


def test_text(s3, stored):
    stored.put("text", "zwölf\r\nBoxkämpfer\r\n".encode())
    with s3.open("text", "r") as file:
        assert isinstance(file, io.TextIOWrapper)
        assert file.encoding == "utf-8"
        assert list(file) == ["zwölf\n", "Boxkämpfer\n"]
    with s3.open("text", "rt", encoding="latin-1", newline="") as file:
        assert file.readline() == "zwÃ¶lf\r\n"
    stored.put("text", b"\xff\n")
    with s3.open("text", "r", errors="replace") as file:
        assert file.read() == "\ufffd\n"
    with s3.open("text", "r") as file, pytest.raises(UnicodeDecodeError):
        file.read()


def test_keys_and_urls(s3, bare, stored, root):
    stored.put("a/b", b"bytes")
    assert s3.open("/a/b").read() == b"bytes"
    assert s3.open(b"a/b").read() == b"bytes"
    assert bare.open(f"{root}/a/b").read() == b"bytes"
    with pytest.raises(MetaflowS3URLException):
        s3.open(f"{root}/a/b")
    with pytest.raises(MetaflowS3URLException):
        bare.open("a/b")


def test_missing_objects_raise_in_open(s3, bare, root):
    with pytest.raises(MetaflowS3NotFound, match="GetObject") as raised:
        s3.open("missing")
    assert raised.value.url == f"{root}/missing"
    assert isinstance(raised.value, FileNotFoundError)
    assert raised.value.errno == errno.ENOENT
    with pytest.raises(MetaflowS3NotFound):
        bare.open("s3://no-such-bucket-here/key")
    with pytest.raises(FileNotFoundError, match="means the root of this client itself"):
        s3.open()


def test_a_missing_permission_is_that_of_a_file(make_s3, server, root):
    with FaultyS3(server) as proxy:
        proxy.inject("GetObject", faults.error(403, "AccessDenied"), times=None)
        s3 = make_s3(s3root=root, client_params=proxy.client_params())
        with pytest.raises(MetaflowS3AccessDenied, match="GetObject") as raised:
            s3.open("key")
    assert isinstance(raised.value, PermissionError)
    assert (raised.value.errno, raised.value.status) == (errno.EACCES, 403)


@pytest.mark.parametrize(
    ("status", "code", "kind"), [(403, "AccessDenied", PermissionError), (404, "NoSuchKey", FileNotFoundError)]
)
def test_errors_of_a_file_that_is_stored_are_those_of_its_object(make_s3, server, root, stored, status, code, kind):
    stored.put("source", bytes(MIB))
    with FaultyS3(server) as proxy:
        s3 = make_s3(s3root=root, client_params=proxy.client_params())
        file = s3.open("source")
        proxy.inject("GetObject", faults.error(status, code), times=None)
        with pytest.raises(kind, match=r"GetObject of .*/source failed") as raised:
            s3.put("target", file)
    copied = pickle.loads(pickle.dumps(raised.value))
    for error in (raised.value, copied):
        assert (error.url, error.s3_code, error.status) == (f"{root}/source", code, status)
    assert (type(copied), str(copied)) == (type(raised.value), str(raised.value))
    assert stored.blobs().keys() == {"source"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "a"}, "mode is 'a'"),
        ({"mode": "r+"}, "mode is 'r[+]'"),
        ({"mode": None}, "mode is None"),
        ({"encoding": "utf-8"}, "encoding is for text"),
        ({"look_ahead": 0}, "look_ahead is 0"),
        ({"look_ahead": True}, "look_ahead is True"),
        ({"encryption": "AES256"}, "encryption is for writing"),
        ({"extra_args": {}}, "extra_args is for writing"),
        ({"if_match": "*"}, "if_match of 'key' is"),
    ],
)
def test_invalid_arguments(s3, arguments, message):
    with pytest.raises((MetaflowS3Exception, MetaflowS3InvalidObject), match=message):
        s3.open("key", **arguments)


def test_a_range_is_no_file(s3):
    with pytest.raises(MetaflowS3Exception, match="is a range"):
        s3.open(S3GetObject("key", 5, 10))


@pytest.mark.parametrize("data", [b"before", b""], ids=["some bytes", "empty"])
def test_a_file_that_must_have_an_etag(s3, root, stored, data):
    stored.put("key", data)
    etag = s3.info("key").etag
    with s3.open("key", if_match=etag) as file:
        assert file.read() == data
    with s3.open("key", "r", if_match=etag.strip('"')) as file:
        assert file.read() == data.decode()
    stored.put("key", b"after" if data else b"more")
    with pytest.raises(MetaflowS3PreconditionFailed, match="Omit if_match") as raised:
        s3.open("key", if_match=etag)
    assert raised.value.url == f"{root}/key"
    stored.put("key", b"")
    if data:
        with pytest.raises(MetaflowS3PreconditionFailed):
            s3.open("key", if_match=etag)
    stored.delete("key")
    with pytest.raises(MetaflowS3NotFound):
        s3.open("key", if_match=etag)


def test_a_file_is_one_version(s3, stored):
    stored.put("changing", BLOB[: 3 * MIB])
    with s3.open("changing", look_ahead=MIB) as file:
        assert file.read(1000) == BLOB[:1000]
        stored.put("changing", BLOB[1 : 3 * MIB + 1])
        file.seek(2 * MIB)
        with pytest.raises(MetaflowS3PreconditionFailed, match="Open it again") as raised:
            file.read(1000)
        assert raised.value.url == file.name
        file.seek(0)
        assert file.read(1000) == BLOB[:1000]  # it is in memory
    with s3.open("changing") as file:
        assert file.read() == BLOB[1 : 3 * MIB + 1]


def test_a_file_whose_object_becomes_shorter(s3, stored):
    stored.put("changing", BLOB[: 3 * MIB])
    with s3.open("changing") as file:
        stored.put("changing", b"short")
        file.seek(-MIB, os.SEEK_END)
        with pytest.raises(MetaflowS3PreconditionFailed):
            file.read()


def test_a_file_whose_object_is_deleted(s3, stored):
    stored.put("going", BLOB[: 3 * MIB])
    with s3.open("going") as file:
        stored.delete("going")
        file.seek(-MIB, os.SEEK_END)
        for _ in range(2):  # a failure leaves the file as it was
            with pytest.raises((MetaflowS3NotFound, MetaflowS3PreconditionFailed)):
                file.read()


def test_closing_the_client_closes_its_files(make_s3, large):
    s3 = make_s3()
    file = s3.open(large)
    file.read(MIB)
    text = s3.open(large, "r", encoding="latin-1")
    s3.close()
    for use in (lambda: file.read(2 * MIB), text.read, lambda: file.seek(0), lambda: text.seek(0)):
        with pytest.raises(MetaflowS3Exception, match="client was closed before this file"):
            use()
    for one in (file, text):
        one.close()
    assert s3.open(large).read(3) == BLOB[:3]  # the client remains usable


def test_a_file_outlives_the_name_of_its_client(make_s3, large):
    file = make_s3().open(large)
    gc.collect()
    file.seek(-10, os.SEEK_END)
    assert file.read() == BLOB[-10:]


@pytest.mark.parametrize("leave", [lambda file: file.close(), lambda file: None], ids=["closed", "lost"])
def test_threads_end_with_the_file(bare, large, leave):
    file = bare.open(large)
    for _ in range(5):
        file.read(100_000)
    [thread] = threads_of_files()
    leave(file)
    del file
    thread.join(10)
    assert not thread.is_alive()


def test_several_threads_read_one_file(bare, large):
    lock = threading.Lock()
    wrong = []
    with bare.open(large) as file:

        def read(seed):
            chance = random.Random(seed)
            for _ in range(10):
                start, length = chance.randrange(len(BLOB)), chance.choice([10, 200_000, 2 * MIB])
                with lock:
                    file.seek(start)
                    got = file.read(length)
                if got != BLOB[start : start + length]:
                    wrong.append((start, length))

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_reads_on(bare, large):
    with bare.open(large) as file:
        for _ in range(5):
            file.read(100_000)
        for thread in threads_of_files():
            thread.join(10)  # a fork beside threads warns
        child = os.fork()
        if not child:
            code = 1
            try:
                file.seek(5 * MIB)
                code = 0 if file.read(MIB) == BLOB[5 * MIB : 6 * MIB] else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        file.seek(7 * MIB)
        assert file.read(MIB) == BLOB[7 * MIB : 8 * MIB]


def test_it_is_not_pickled(bare, large):
    with bare.open(large) as file, pytest.raises(TypeError, match="pickle"):
        pickle.dumps(file)


def test_injected_failures(make_s3, large):
    s3 = make_s3(inject_failure_rate=50)
    with s3.open(large) as file:
        assert file.read() == BLOB
