"""The process of one turn: one client does the work of one row once, and reports its times.

`contest` starts it as ``python -m benchmarks.race.turn ORDER``. Each turn is a new process, so that all begin under the
same conditions: after a call of `WARM_UP` that is not measured, or without one.
"""

import json
import os
import sys
import time
from typing import Any, NamedTuple, Optional

from .. import processor_time
from ..calls import WrongResult, key_of
from ..content import content, is_content, names
from ..peers import peer_class
from ..peers.peer import Peer
from ..servers.place import Place

WARM_UP = (100, 2**10)  # objects, bytes of each; enough to start workers


def set_name(objects: int, size: int) -> str:
    """Name the prefix of a set of objects."""
    return f"{objects}x{size}"


class Order(NamedTuple):
    """The work of a turn."""

    client: str  # which of peers.PEERS
    place: Place
    verb: str
    prefix: str  # of the objects to read or write
    objects: int
    size: int
    warm_up: int  # objects of `WARM_UP` to get before
    folder: str  # for downloads
    files: Optional[str]  # folder of the local files to upload
    check: bool  # compare what was downloaded, byte by byte


def main() -> None:
    """Run the order in the first argument, and print the result on standard output."""
    fields = json.loads(sys.argv[1])
    order = Order(**{**fields, "place": Place(*fields["place"])})
    # Other output of this process must not mix with the result.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps(measure(order)), file=results, flush=True)


def measure(order: Order) -> "dict[str, float]":
    """Run an order.

    Returns
    -------
    dict
        ``seconds`` and ``cpu_seconds`` of the call, every size checked.
    """
    keys = [f"{order.prefix}/{key_of(name)}" for name in names(order.objects)]
    named = list(zip(keys, names(order.objects)))
    paths = [(key, f"{order.files}/{name}") for key, name in named if order.files]
    pairs = [(key, content(name, order.size)) for key, name in named if order.verb == "put"]
    os.mkdir(order.folder)
    import metaflow  # noqa: F401  # every step has imported it already

    spent, started = processor_time.of_process_tree(), time.perf_counter()
    peer = peer_class(order.client)(order.place, order.size)  # imports the client
    peer.open()
    if order.warm_up:
        _warm_up(peer, order)
        spent, started = processor_time.of_process_tree(), time.perf_counter()
    result = _call(peer, order, keys, pairs, paths)
    sizes = peer.sizes(order.verb, result)
    seconds = time.perf_counter() - started
    cpu_seconds = processor_time.of_process_tree() - spent
    if sizes != [order.size] * order.objects:
        raise WrongResult(f"{len(sizes)} objects, or one of the wrong size")
    if order.check and order.verb.startswith("get"):
        for path, name in zip(peer.downloaded(result), names(order.objects)):
            if not is_content(path, name, order.size):
                raise WrongResult(f"the content of {name} is wrong")
    peer.close()
    return {"seconds": seconds, "cpu_seconds": cpu_seconds}


def _warm_up(peer: Peer, order: Order) -> None:
    elsewhere = f"{order.folder}/warm-up"
    os.mkdir(elsewhere)
    large, peer.large = peer.large, False
    peer.get([f"{set_name(*WARM_UP)}/{key_of(name)}" for name in names(order.warm_up)], elsewhere)
    peer.large = large


def _call(peer: Peer, order: Order, keys: "list[str]", pairs: "list[Any]", paths: "list[Any]") -> Any:
    if order.verb == "get_one":
        return peer.get_one(keys[0], order.folder)
    if order.verb == "get":
        return peer.get(keys, order.folder)
    if order.verb == "put":
        return peer.put(pairs, paths)
    if order.verb == "put_files":
        return peer.put_files(paths)
    if order.verb == "info":
        return peer.info(keys)
    assert order.verb == "list", order.verb
    return peer.list(order.prefix)


if __name__ == "__main__":
    main()
