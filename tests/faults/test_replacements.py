"""`if_match` with a fault between the HEAD, the upload and its response."""

from concurrent.futures import ThreadPoolExecutor

import metaflow.metaflow_config as configuration
import pytest
from faults.cases import LARGE, SMALL
from metaflow import S3
from metaflow.datatools import MetaflowS3PreconditionFailed
from metaflow.datatools.s3 import MetaflowS3Exception, MetaflowS3NotFound
from servers import faults
from servers.faulty import pass_through

STORES = {"PutObject": SMALL, "CompleteMultipartUpload": LARGE}
each_size = pytest.mark.parametrize(("operation", "blob"), STORES.items(), ids=["small", "in parts"])


@pytest.fixture
def etag(world):
    """The ETag of the object to replace."""
    world.stored.put("a", b"before")
    return world.s3.get("a").etag


def times_of(world, operation):
    return [request.operation for request in world.proxy.requests].count(operation)


@each_size
def test_another_writer_is_faster_after_the_head(world, etag, operation, blob):
    def somebody_else(exchange):
        world.stored.put("a", b"somebody else's")
        pass_through(exchange)

    world.proxy.inject(operation, somebody_else)
    with pytest.raises(MetaflowS3PreconditionFailed):
        world.s3.put("a", blob, if_match=etag)
    assert world.stored.blob("a") == b"somebody else's"
    assert world.stored.open_uploads() == []
    assert times_of(world, operation) == 1


@each_size
def test_one_of_many_concurrent_uploads_wins(world, etag, operation, blob):
    """Several clients have sent their HEAD. The proxy executes one write of a key at a time.

    SeaweedFS by itself looks and completes in two steps: of uploads in parts that end at the same moment, several win.
    """
    blobs = [blob + bytes([number]) for number in range(4)]
    params = world.proxy.client_params()

    def replaces(mine):
        with S3(s3root=world.root, client_params=params, tmproot=str(world.folder)) as s3:
            try:
                s3.put("a", mine, if_match=etag)
            except MetaflowS3PreconditionFailed:
                return False
            return True

    with ThreadPoolExecutor(len(blobs)) as pool:
        wins = list(pool.map(replaces, blobs))
    assert wins.count(True) == 1
    assert world.stored.blob("a") == blobs[wins.index(True)]
    assert world.stored.open_uploads() == []


@each_size
def test_the_object_is_deleted_after_the_head(world, etag, operation, blob):
    def delete(exchange):
        world.stored.delete("a")
        pass_through(exchange)

    world.proxy.inject(operation, delete)
    with pytest.raises(MetaflowS3NotFound):
        world.s3.put("a", blob, if_match=etag)
    assert world.stored.list() == set()
    assert world.stored.open_uploads() == []


@each_size
def test_another_writer_stores_the_same_bytes_while_a_response_is_lost(world, etag, operation, blob):
    """Our upload was not stored; the other object has the same ETag, and is not ours."""

    def somebody_else(exchange):
        world.s3.put("a", blob)
        exchange.reset()

    world.proxy.inject(operation, somebody_else)
    with pytest.raises(MetaflowS3PreconditionFailed):
        world.s3.put("a", blob, if_match=etag)
    assert world.stored.open_uploads() == []


@each_size
def test_a_response_is_lost_and_the_object_replaced_by_another(world, etag, operation, blob):
    """The upload was stored and then deleted by others: the error reports only that the object has changed."""

    def replaced(exchange):
        exchange.forward()
        world.stored.put("a", b"somebody else's")
        exchange.reset()

    world.proxy.inject(operation, replaced)
    with pytest.raises(MetaflowS3PreconditionFailed):
        world.s3.put("a", blob, if_match=etag)
    assert world.stored.blob("a") == b"somebody else's"


@each_size
def test_a_conflict_is_tried_again(world, etag, operation, blob):
    world.proxy.inject(operation, faults.error(409, "ConditionalRequestConflict"), times=2)
    world.s3.put("a", blob, if_match=etag)
    assert world.stored.blob("a") == blob
    assert times_of(world, operation) == 3


@each_size
def test_a_conflict_that_stays_is_an_error(world, etag, operation, blob, monkeypatch):
    monkeypatch.setattr(configuration, "S3_TRANSIENT_RETRY_COUNT", 1)
    monkeypatch.setattr(configuration, "S3_RETRY_COUNT", 1)
    world.proxy.inject(operation, faults.error(409, "ConditionalRequestConflict"), times=None)
    with pytest.raises(MetaflowS3Exception, match="ConditionalRequestConflict"):
        world.s3.put("a", blob, if_match=etag)
    assert world.stored.blob("a") == b"before"
    assert world.stored.open_uploads() == []


@each_size
def test_a_server_that_knows_no_if_match_is_an_error(world, etag, operation, blob):
    def unknown(exchange):
        (faults.error(501, "NotImplemented") if "if-match" in exchange.request.headers else pass_through)(exchange)

    world.proxy.inject(operation, unknown, times=None)
    with pytest.raises(MetaflowS3Exception, match=r"NotImplemented.*If-Match.*nothing was stored"):
        world.s3.put("a", blob, if_match=etag)
    assert world.stored.blob("a") == b"before"
    assert world.stored.open_uploads() == []
    assert times_of(world, operation) == 1


@each_size
def test_every_request_that_could_replace_it_has_the_condition(world, etag, operation, blob):
    world.proxy.inject(operation, faults.error(500, "InternalError"), times=2)
    world.s3.put("a", blob, if_match=etag)
    etags = [one.headers.get("if-match") for one in world.proxy.requests if one.operation in STORES]
    assert etags == [etag] * 3
