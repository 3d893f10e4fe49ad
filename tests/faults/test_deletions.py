"""Deletions that a server refuses: of single keys, or because it lacks DeleteObjects."""

from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3AccessDenied, MetaflowS3Exception, MetaflowS3NotFound
from servers import faults
from servers.faulty import Response, pass_through

KEYS = [f"dir/{number}" for number in range(6)]
CALLS = {
    "delete_many": lambda world: world.s3.delete_many(KEYS),
    "delete_recursive": lambda world: world.s3.delete_recursive(["dir"]),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture(autouse=True)
def few_tries(monkeypatch):
    monkeypatch.setattr("metaflow.metaflow_config.S3_RETRY_COUNT", 1)
    monkeypatch.setattr("metaflow.metaflow_config.S3_TRANSIENT_RETRY_COUNT", 1)


@pytest.fixture
def refuse(world):
    """Have some keys refused, each with a code, in requests for many and for one."""

    def refused(codes, status=403):
        def many(exchange):
            rows = []
            for one in ElementTree.fromstring(exchange.request.body).iter(
                "{http://s3.amazonaws.com/doc/2006-03-01/}Key"
            ):
                key = one.text[len(world.stored.prefix) :]
                if key in codes:
                    rows.append(f"<Error><Key>{escape(one.text)}</Key><Code>{codes[key]}</Code></Error>")
                else:
                    world.stored.delete(key)
            body = f"<DeleteResult>{''.join(rows)}</DeleteResult>".encode()
            response = Response(200, {"Content-Length": str(len(body))}, body)
            exchange.send(response.head + response.body)

        world.proxy.inject("DeleteObjects", many, times=None)
        for key, code in codes.items():
            ends = world.stored.prefix + key
            world.proxy.inject_where(
                lambda request, ends=ends: request.operation == "DeleteObject" and request.key.endswith(ends),
                faults.error(status, code),
                times=None,
            )

    return refused


@pytest.fixture
def stored(world):
    world.stored.put_all({**dict.fromkeys(KEYS, b"x"), "neighbour": b"x"})
    return world.stored


@each_call
def test_refused_keys_are_named_and_the_others_are_deleted(world, stored, refuse, call):
    refuse({"dir/1": "AccessDenied", "dir/4": "AccessDenied"})
    with pytest.raises(MetaflowS3AccessDenied) as raised:
        call(world)
    assert stored.list() == {"dir/1", "dir/4", "neighbour"}
    urls = [f"{world.root}/{key}" for key in ("dir/1", "dir/4")]
    assert set(raised.value.failed) == set(urls)
    assert all(reason.startswith("AccessDenied") for reason in raised.value.failed.values())
    message = str(raised.value)
    assert all(f"{url}: AccessDenied" in message for url in urls)
    assert "2 of 6 objects were not deleted" in message
    assert "DeleteObject of " in message
    assert (raised.value.url in urls, raised.value.s3_code, raised.value.status) == (True, "AccessDenied", 403)


@each_call
def test_the_error_names_an_object_that_was_not_deleted_and_the_reason(world, stored, refuse, call):
    refuse({"dir/3": "InternalError"}, status=500)
    with pytest.raises(MetaflowS3Exception) as raised:
        call(world)
    assert stored.list() == {"dir/3", "neighbour"}
    assert list(raised.value.failed) == [f"{world.root}/dir/3"]
    assert f"DeleteObject of {world.root}/dir/3 failed: InternalError" in str(raised.value)
    assert "2 tries in " in str(raised.value)


def test_different_reasons_are_one_exception(world, stored, refuse):
    refuse({"dir/0": "AccessDenied", "dir/5": "InvalidRequest"})
    with pytest.raises(MetaflowS3Exception) as raised:
        world.s3.delete_many([*KEYS, "missing"], missing_ok=False)
    assert stored.list() == {"dir/0", "dir/5", "neighbour"}
    assert set(raised.value.failed) == {f"{world.root}/{key}" for key in ("dir/0", "dir/5", "missing")}


@each_call
@pytest.mark.parametrize(
    ("status", "code", "requests"),
    [
        (501, "NotImplemented", 2),  # with Content-MD5, too: it may be about another checksum
        (405, "MethodNotAllowed", 1),
        (400, "MalformedXML", 1),
        (400, "InvalidArgument", 2),
    ],
)
def test_without_delete_objects_they_go_one_by_one(world, stored, call, status, code, requests):
    world.proxy.inject("DeleteObjects", faults.error(status, code), times=None)
    assert call(world) == len(KEYS)
    assert stored.list() == {"neighbour"}
    assert [one.operation for one in world.proxy.requests].count("DeleteObjects") == requests


@each_call
def test_an_html_page_for_delete_objects_does_not_affect_other_requests(world, stored, call):
    page = b"<html><body>405 Not Allowed</body></html>"
    head = f"HTTP/1.1 405 Not Allowed\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n\r\n".encode()
    world.proxy.inject("DeleteObjects", lambda exchange: exchange.send(head + page), times=None)
    assert call(world) == len(KEYS)
    assert stored.list() == {"neighbour"}


@each_call
@pytest.mark.parametrize(
    ("status", "code"), [(400, "MissingContentMD5"), (400, "InvalidRequest"), (501, "NotImplemented")]
)
def test_a_server_that_knows_no_other_checksum_gets_md5(world, stored, call, status, code):
    """The error code varies; the client sends one such request for each bucket."""

    def only_md5(exchange):
        headers = exchange.request.headers
        refused = "content-md5" not in headers or any(name.startswith("x-amz-checksum") for name in headers)
        (faults.error(status, code) if refused else pass_through)(exchange)

    world.proxy.inject("DeleteObjects", only_md5, times=None)
    assert call(world) == len(KEYS)
    assert stored.list() == {"neighbour"}
    stored.put_all(dict.fromkeys(KEYS, b"x"))
    assert call(world) == len(KEYS)
    deletions = [one for one in world.proxy.requests if one.operation.startswith("DeleteObject")]
    assert {one.operation for one in deletions} == {"DeleteObjects"}
    assert ["content-md5" in one.headers for one in deletions][-2:] == [True, True]  # a test before may have learned it
    assert len(deletions) <= 3


@each_call
def test_an_identity_without_permissions_fails_at_once(world, stored, call):
    world.proxy.inject("DeleteObjects", faults.error(403, "InvalidAccessKeyId"), times=None)
    with pytest.raises(MetaflowS3AccessDenied, match=r"DeleteObjects of .*InvalidAccessKeyId") as raised:
        call(world)
    assert raised.value.failed == {}
    assert stored.list() == {*KEYS, "neighbour"}
    assert "DeleteObject" not in [request.operation for request in world.proxy.requests]


@pytest.mark.parametrize("keys", [KEYS, ["dir/0\n", "dir/1\n"]], ids=["together", "alone"])
def test_an_unreachable_server_gets_no_request_for_each_key(world, stored, keys):
    for operation in ("DeleteObject", "DeleteObjects"):
        world.proxy.inject(operation, faults.reset_before_the_head, times=None)
    with pytest.raises(MetaflowS3Exception, match=r"DeleteObjects? of ") as raised:
        world.s3.delete_many([*keys, *(f"{key}\n" for key in range(500))])
    assert raised.value.failed == {}
    assert stored.list() == {*KEYS, "neighbour"}
    assert sum(request.operation.startswith("DeleteObject") for request in world.proxy.requests) < 200  # of 1,000


def test_refusals_before_a_listing_failed_are_reported(world, stored, refuse):
    refuse({"dir/2": "AccessDenied"})
    no_bucket = f"s3://no-{world.stored.bucket}/x"
    with (
        S3(client_params=world.proxy.client_params(), tmproot=str(world.folder)) as bare,
        pytest.raises(MetaflowS3NotFound, match="ListObjectsV2 of s3://no-") as raised,
    ):
        bare.delete_recursive([f"{world.root}/dir", no_bucket])
    assert set(raised.value.failed) <= {f"{world.root}/dir/2"}
    assert "neighbour" in stored.list()
