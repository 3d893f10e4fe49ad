"""Deletions of objects that must have an ETag, as S3 does them: the proxy compares, and not all real servers do."""

from xml.etree import ElementTree

import pytest
from botocore.exceptions import ClientError
from metaflow.datatools.s3 import MetaflowS3PreconditionFailed
from servers import faults
from servers.faulty import Response, pass_through

from metaflow_extensions.fasts3.api import mirrors

S3 = "{http://s3.amazonaws.com/doc/2006-03-01/}"
KEYS = [f"dir/{number}" for number in range(4)]


def etag_of(world, key):
    try:
        return world.stored.head(key)["ETag"]
    except ClientError:
        return None


@pytest.fixture
def lost():
    """Has an item while the next response is to be lost."""
    return []


@pytest.fixture(params=["PreconditionFailed", "NoSuchKey"])
def comparing(request, world, lost):
    """Compare ETags before the real server deletes; the parameter is the error code for a missing object."""

    def refusal(key, etag):
        now = etag_of(world, key)
        if not etag or etag == now:
            return None
        return request.param if now is None else "PreconditionFailed"

    def one(exchange):
        request = exchange.request
        code = refusal(request.key[len(world.stored.prefix) :], request.headers.get("if-match"))
        if code:
            faults.error(404 if code == "NoSuchKey" else 412, code)(exchange)
        else:
            (faults.after_execution(faults.reset_before_the_head) if lost else pass_through)(exchange)
            lost.clear()

    def many(exchange):
        rows = []
        for wanted in ElementTree.fromstring(exchange.request.body).iter(f"{S3}Object"):
            name = wanted.findtext(f"{S3}Key")
            key = name[len(world.stored.prefix) :]
            code = refusal(key, wanted.findtext(f"{S3}ETag"))
            if code:
                rows.append(f"<Error><Key>{name}</Key><Code>{code}</Code></Error>")
            else:
                world.stored.delete(key)
        body = f"<DeleteResult>{''.join(rows)}</DeleteResult>".encode()
        response = Response(200, {"Content-Length": str(len(body))}, body)
        if lost:
            lost.clear()
            exchange.reset()
        else:
            exchange.send(response.head + response.body)

    world.stored.put_all({**dict.fromkeys(KEYS, b"x"), "neighbour": b"x"})
    world.proxy.inject("DeleteObject", one, times=None)
    world.proxy.inject("DeleteObjects", many, times=None)
    return world


@pytest.mark.parametrize("count", [1, len(KEYS)])
def test_unchanged_objects_are_deleted_and_replaced_ones_stay(comparing, count):
    read = comparing.s3.info_many(KEYS[:count])
    comparing.stored.put(KEYS[0], b"another")
    with pytest.raises(MetaflowS3PreconditionFailed, match="has been replaced since it was read") as raised:
        comparing.s3.delete_many(read)
    assert list(raised.value.failed) == [f"{comparing.root}/{KEYS[0]}"]
    assert comparing.stored.list() == {KEYS[0], *KEYS[count:], "neighbour"}


def test_missing_objects_are_no_failure(comparing):
    read = comparing.s3.info_many(KEYS)
    comparing.stored.delete(KEYS[1])
    assert comparing.s3.delete_many(read) == len(KEYS)
    assert comparing.stored.list() == {"neighbour"}


@pytest.mark.parametrize("count", [1, len(KEYS)])
def test_a_lost_response_is_no_failure(comparing, lost, count):
    read = comparing.s3.info_many(KEYS[:count])
    lost.append(True)
    assert comparing.s3.delete_many(read) == count
    assert comparing.stored.list() == {*KEYS[count:], "neighbour"}


def test_a_server_without_this_condition_deletes(world):
    world.stored.put_all(dict.fromkeys(KEYS, b"x"))

    def refuse(exchange):
        (faults.error(501, "NotImplemented") if "if-match" in exchange.request.headers else pass_through)(exchange)

    world.proxy.inject("DeleteObject", refuse, times=None)
    world.s3.delete(world.s3.info(KEYS[0]))
    assert world.stored.list() == set(KEYS[1:])


def test_a_mirror_keeps_what_was_replaced_since_its_listing(comparing, monkeypatch):
    folder = comparing.folder / "up"
    folder.mkdir()
    (folder / "0").write_bytes(b"x")
    others = mirrors.StoredDestination.others

    def meanwhile(self, *arguments):
        found = others(self, *arguments)
        comparing.stored.put(KEYS[2], b"theirs")
        comparing.stored.delete(KEYS[3])
        return found

    monkeypatch.setattr(mirrors.StoredDestination, "others", meanwhile)
    found = comparing.s3.upload(folder, "dir", delete=True)
    assert found.deleted == [f"{comparing.root}/{key}" for key in (KEYS[1], KEYS[3])]
    assert comparing.stored.blobs() == {KEYS[0]: b"x", KEYS[2]: b"theirs", "neighbour": b"x"}
