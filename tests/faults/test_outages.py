"""Outages of a server, and an object that changes during a download."""

import threading

import pytest
from faults.cases import LARGE, SMALL
from metaflow.datatools.s3 import MetaflowS3Exception
from servers.faulty import FaultyS3, pass_through

AWAY = 5.0  # seconds


class GoesAway:
    """A fault: the server stops, and listens again after a while."""

    def __init__(self, proxy: FaultyS3) -> None:
        self._proxy = proxy
        self._gone = threading.Lock()
        self.back = threading.Event()

    def __call__(self, exchange):
        if self._gone.acquire(blocking=False):
            threading.Thread(target=self._vanish).start()
            exchange.reset()
        elif self.back.is_set():
            pass_through(exchange)
        else:
            exchange.reset()

    def _vanish(self) -> None:
        self._proxy.stop_listening()
        threading.Event().wait(AWAY)
        self._proxy.listen_again()
        self.back.set()


def uploads(world):
    blobs = {str(number): SMALL + bytes([number]) for number in range(50)}
    assert len(world.s3.put_many(blobs.items())) == len(blobs)
    assert {key: blob for key, blob in world.stored.blobs().items() if key != "here"} == blobs


def downloads(world):
    blobs = {str(number): SMALL + bytes([number]) for number in range(50)}
    world.stored.put_all(blobs)
    assert {got.key: got.blob for got in world.s3.get_many(blobs)} == blobs


def a_large_download(world):
    world.stored.put("a", LARGE)
    assert world.s3.get("a").blob == LARGE


@pytest.mark.parametrize(
    ("call", "operation", "after"),
    [(uploads, "PutObject", 10), (downloads, "GetObject", 10), (a_large_download, "GetObject", 1)],
)
def test_an_outage_is_waited_for(world, call, operation, after):
    world.stored.put("here", SMALL)
    assert world.s3.get("here").blob == SMALL  # so the endpoint is known to be right
    away = GoesAway(world.proxy)
    world.proxy.inject(operation, away, times=None, after=after)
    call(world)
    assert away.back.wait(30)


def test_an_endpoint_that_is_away_for_longer_than_allowed_is_an_error(world, monkeypatch):
    monkeypatch.setattr("metaflow.metaflow_config.S3_OUTAGE_TIMEOUT", 1, raising=False)
    world.stored.put("here", SMALL)
    assert world.s3.get("here").blob == SMALL
    world.proxy.stop_listening()
    try:
        for call in (lambda: world.s3.get("here"), lambda: world.s3.get_many(["here", "there"])):
            with pytest.raises(MetaflowS3Exception, match="tries in"):
                call()
    finally:
        world.proxy.listen_again()


def test_an_object_that_changes_between_two_ranges_is_never_mixed(world):
    """If-Match detects it, and the download begins again."""
    world.stored.put("a", LARGE)
    other = bytes(reversed(LARGE))

    changing, changed = threading.Lock(), threading.Event()

    def change(exchange):
        with changing:  # a client that repeats the request after a timeout also reads the new object
            if not changed.is_set():
                world.stored.put("a", other)
                changed.set()
        pass_through(exchange)

    world.proxy.inject("GetObject", change, times=None, after=1)
    assert world.s3.get("a").blob == other
