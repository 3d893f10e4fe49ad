"""One `S3` in several threads, and across a fork."""

import multiprocessing
import os
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
from metaflow.datatools.s3 import MetaflowS3AccessDenied, MetaflowS3Exception

THREADS = 8


def in_threads(work):
    """Run `work(number)` in all threads at the same time; return the results in the order of the numbers."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


def test_threads_read_and_write_with_one_client(s3, root, stored, tmp_path):
    local = tmp_path / "local"
    local.write_bytes(b"from a file")
    keys = [f"common/{number:02}" for number in range(24)]
    stored.put_all({key: key.encode() for key in keys})

    def work(number):
        mine = keys[number:] + keys[:number]
        return (
            s3.put(f"{number}/put", b"%d" % number),
            s3.put_many([(f"{number}/many/{place}", b"%d" % (number * place)) for place in range(10)]),
            s3.put_files([(f"{number}/file", str(local))], overwrite=False),
            s3.get(mine[0]).text,
            [o.text for o in s3.get_many(mine)],
            [o.key for o in s3.info_many(mine)],
            [o.key for o in s3.list_recursive(["common"])],
            [o.text for o in s3.get_recursive([str(number)])],
        )

    expected = {key: key.encode() for key in keys}
    for number, result in enumerate(in_threads(work)):
        mine = keys[number:] + keys[:number]
        products = [str(number * place) for place in range(10)]
        assert result == (
            f"{root}/{number}/put",
            [(f"{number}/many/{place}", f"{root}/{number}/many/{place}") for place in range(10)],
            [(f"{number}/file", f"{root}/{number}/file")],
            mine[0],
            mine,
            mine,
            [key[len("common/") :] for key in keys],
            ["from a file", *products, str(number)],
        )
        expected.update({f"{number}/put": b"%d" % number, f"{number}/file": b"from a file"})
        expected.update({f"{number}/many/{place}": product.encode() for place, product in enumerate(products)})
    assert stored.blobs() == expected


def test_an_error_in_one_thread_is_only_its_own(s3, stored):
    stored.put_all({"a": b"1", "b": b"2"})

    def read(number):
        if number % 2:
            return [o.blob for o in s3.get_many(["a", "b"])]
        try:
            return s3.get_many(["a", "nowhere", "b"])
        except Exception as error:
            return type(error).__name__

    assert in_threads(read) == ["MetaflowS3NotFound", [b"1", b"2"]] * (THREADS // 2)


def test_clients_with_different_settings_do_not_mix(make_s3, server, root, stored):
    # They take turns on the same workers, which may remember nothing of the one before.
    stored.put_all({"a": b"1", "b": b"2"})
    right = make_s3(s3root=root)
    failing = make_s3(s3root=root, inject_failure_rate=100)
    stranger = make_s3(s3root=root, client_params={**server.client_params(), "endpoint_url": "http://127.0.0.1:9"})
    for _ in range(3):
        for other in (failing, stranger):
            with pytest.raises(MetaflowS3Exception):
                other.get_many(["a", "b"])
            assert [o.blob for o in right.get_many(["a", "b"])] == [b"1", b"2"]
            assert [o.size for o in right.info_many(["b", "a"])] == [1, 1]


@pytest.mark.needs("signatures")
def test_clients_with_different_credentials_do_not_mix(make_s3, server, root, stored):
    stored.put_all({"a": b"1", "b": b"2"})
    right = make_s3(s3root=root)
    wrong = make_s3(s3root=root, client_params={**server.client_params(), "aws_secret_access_key": "wrong"})
    for _ in range(3):
        with pytest.raises(MetaflowS3AccessDenied):
            wrong.get_many(["a", "b"])
        assert [o.blob for o in right.get_many(["a", "b"])] == [b"1", b"2"]
        with pytest.raises(MetaflowS3AccessDenied):
            wrong.get("a")
        assert right.get("a").blob == b"1"


def everything(s3):
    """A bit of each kind of call."""
    assert s3.get("a").blob == b"1"
    assert [o.blob for o in s3.get_many(["b", "a"])] == [b"2", b"1"]
    assert [o.key for o in s3.list_recursive(["dir"])] == ["c"]
    s3.put("put", b"put")
    assert [key for key, _ in s3.put_many([("many/1", b"1"), ("many/2", b"2")])] == ["many/1", "many/2"]


# Forking while threads run is what newer Pythons warn of; a flow that does it must still work.
forks = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@forks
@pytest.mark.parametrize("used_before", [True, False], ids=["used before", "fresh"])
def test_a_forked_child_uses_the_client_of_its_parent(s3, stored, used_before):
    stored.put_all({"a": b"1", "b": b"2", "dir/c": b"3"})
    if used_before:
        everything(s3)

    child = os.fork()
    if not child:
        try:
            everything(s3)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert os.WIFEXITED(status)
    assert os.WEXITSTATUS(status) == 0
    assert stored.list() == {"a", "b", "dir/c", "put", "many/1", "many/2"}
    everything(s3)


@forks
def test_files_of_the_parent_survive_its_children(s3, stored):
    stored.put_all({"a": b"1", "b": b"2", "dir/c": b"3"})
    before = s3.get_many(["a", "b"])
    children = [multiprocessing.get_context("fork").Process(target=everything, args=(s3,)) for _ in range(3)]
    for child in children:
        child.start()
    everything(s3)
    for child in children:
        child.join(200)
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert [o.blob for o in before] == [b"1", b"2"]


@forks
def test_a_child_that_closes_takes_nothing_from_its_parent(s3, stored):
    stored.put("a", b"1")
    got = s3.get("a")
    child = os.fork()
    if not child:
        try:
            s3.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert got.blob == b"1"
    assert s3.get_many(["a"])[0].blob == b"1"
