"""How a large object is divided among responses, and what follows if the first response breaks."""

import re

import pytest
from contract.content import noise
from servers.faulty import Exchange, Fault

from metaflow_extensions.fasts3.plans import object_downloads
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

PIECES = 8
LARGE = noise(PIECES * PART_SIZE)  # 64 MiB


def ranges(world):
    """The bytes that each GET after the first one requested, as (first, last)."""
    first, *others = (request for request in world.proxy.requests if request.operation == "GetObject")
    assert "range" not in first.headers
    assert all(request.headers["if-match"] == others[0].headers["if-match"] for request in others)
    return sorted(tuple(map(int, re.findall(r"\d+", request.headers["range"]))) for request in others)


def breaks_after(size: int) -> Fault:
    """Reset the connection after this many bytes of the body."""

    def do(exchange: Exchange) -> None:
        response = exchange.forward()
        exchange.send(response.head + response.body[:size])
        exchange.wait_until_received()
        exchange.reset()

    return do


@pytest.mark.parametrize("processors", [1, 16])
def test_each_byte_is_requested_once(world, monkeypatch, processors):
    """The first response continues with its share; no response is discarded for another one with the same bytes."""
    monkeypatch.setattr(object_downloads, "processors", lambda: processors)
    world.stored.put("a", LARGE)
    assert world.s3.get("a").blob == LARGE
    assert ranges(world) == [(number * PART_SIZE, (number + 1) * PART_SIZE - 1) for number in range(1, PIECES)]
    # The first response closes its connection at the end of its share; the others keep theirs.
    assert world.proxy.accepted <= PIECES + 1


@pytest.mark.parametrize("size", [0, 1, 3 * 2**20, 4 * PART_SIZE - 5], ids="{} bytes".format)
def test_missing_bytes_of_a_broken_first_response_are_requested(world, implementation, monkeypatch, size):
    """Its share is four pieces here. On boto3 it is one piece, which is requested again as a whole."""
    monkeypatch.setattr(object_downloads, "SIDE_BY_SIDE", 2)
    monkeypatch.setattr(object_downloads, "processors", lambda: 1)
    world.stored.put("a", LARGE)
    world.proxy.inject("GetObject", breaks_after(size))
    assert world.s3.get("a").blob == LARGE
    if implementation == "wire":
        again = ranges(world)
        assert again[0][0] <= size
        assert again[-1][1] == len(LARGE) - 1
        assert all(end + 1 == first for (_, end), (first, _) in zip(again, again[1:]))
        assert size - again[0][0] < 2**20, "what the response brought was requested again"
