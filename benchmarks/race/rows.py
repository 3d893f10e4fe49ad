"""The rows of the comparison with other clients: the work, the server, and this project's targets.

A target is a ratio of times for a client, theirs / ours, or a limit for ours.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import NamedTuple, Optional

from ..cases import KB, MB
from ..peers import PEERS
from .turn import WARM_UP, set_name

# Clients that take half a minute for 10,000 objects. They are measured without TLS, which changes little for them.
SLOW = frozenset({"own", "boto3", "boto3-crt"})
NOTHING: Mapping[str, float] = MappingProxyType({})


class Row(NamedTuple):
    """One row."""

    name: str  # in the table, and for --rows
    server: str  # which of servers.SERVERS
    verb: str  # which method of peers.peer.Peer
    objects: int
    size: int = KB  # bytes of each object
    turns: int = 1  # of each client in a round
    fresh: bool = False  # the first call of a process
    warm_up: int = WARM_UP[0]  # objects of the call before it, otherwise
    clients: tuple[str, ...] = tuple(PEERS)  # those that can do it, of these
    ratios: Mapping[str, float] = NOTHING  # client -> theirs / ours in wall time, at least
    cpu_us: Optional[float] = None  # microseconds of processor time for an object, ours, at most
    cpu_of: Mapping[str, float] = NOTHING  # client -> theirs / ours in processor time, at least
    seconds: Optional[float] = None  # ours, at most
    memory_mb: Optional[float] = None  # ours, at most, at the peak
    memory_of: Mapping[str, float] = NOTHING  # client -> theirs / ours at the peak, at least

    @property
    def set_name(self) -> str:
        """The prefix of its objects; rows with the same number and size share them."""
        return set_name(self.objects, self.size)

    @property
    def uploads(self) -> bool:
        """Whether it writes objects, rather than reads them."""
        return self.verb.startswith("put")

    @property
    def bytes(self) -> int:
        """Bytes of content transferred in total."""
        return self.objects * self.size


ROWS = (
    Row(
        "get_many, 10,000 x 1 KB, nginx",
        "nginx",
        "get",
        10_000,
        ratios={"own": 20, "s5cmd": 5, "obstore": 2, "boto3": 12},
        cpu_us=80,
        memory_mb=250,
        memory_of={"own": 5},
    ),
    Row(
        "get_many, 10,000 x 1 KB, nginx TLS",
        "nginx TLS",
        "get",
        10_000,
        clients=tuple(name for name in PEERS if name not in SLOW),
        ratios={"s5cmd": 8, "obstore": 1.5},
    ),
    Row(
        "get_many, 10,000 x 1 KB, nginx 20 ms",
        "nginx 20 ms",
        "get",
        10_000,
        # The bare loop has one request in flight for each process, which is not what it is there to show.
        clients=tuple(name for name in PEERS if name not in {"bare", "boto3-crt"}),
        ratios={"own": 8, "s5cmd": 3, "obstore": 2},
    ),
    Row(
        "get_many, 1,000 x 1 MB, nginx",
        "nginx",
        "get",
        1000,
        MB,
        ratios={"own": 6, "s5cmd": 1.5, "obstore": 1, "boto3": 2},
    ),
    Row(
        "get_many, 4 x 256 MB, nginx",
        "nginx",
        "get",
        4,
        256 * MB,
        ratios={"own": 1.7, "s5cmd": 1.3, "obstore": 1, "boto3": 1.3, "bare": 0.75},
    ),
    Row(
        "get, 1 GB, nginx",
        "nginx",
        "get_one",
        1,
        1024 * MB,
        ratios={"own": 1.2, "s5cmd": 1.2, "obstore": 1, "boto3": 1.2},
    ),
    Row(
        "put_many, 5,000 x 1 KB, SeaweedFS",
        "SeaweedFS",
        "put",
        5000,
        ratios={"own": 10, "s5cmd": 1.7, "obstore": 1, "boto3": 6},
        cpu_us=120,
    ),
    Row(
        "put_files, 4 x 256 MB, SeaweedFS",
        "SeaweedFS",
        "put_files",
        4,
        256 * MB,
        ratios={"own": 1, "s5cmd": 1, "obstore": 1, "boto3": 1},
        cpu_of={"own": 1, "s5cmd": 1, "obstore": 1, "boto3": 1},
    ),
    Row("info_many, 5,000, SeaweedFS", "SeaweedFS", "info", 5000, ratios={"own": 15, "obstore": 1, "boto3": 6}),
    Row(
        "list_recursive, 10,000 keys, SeaweedFS",
        "SeaweedFS",
        "list",
        10_000,
        ratios={"own": 4, "s5cmd": 1, "obstore": 0.8, "boto3": 2},
    ),
    # The server lists and does nothing else: 200 pages, each 50 ms late.
    *(
        Row(
            f"list_recursive, 200,000 {server}",
            server,
            "list",
            200_000,
            clients=("ours", "s5cmd", "obstore"),  # the others take half a minute a turn
            ratios={"s5cmd": 4, "obstore": 4},
        )
        for server in ("numbered keys, 50 ms", "hashed keys, 50 ms", "deep trees, 50 ms")
    ),
    Row("get_many, 2 x 1 KB, fresh process, nginx", "nginx", "get", 2, turns=3, fresh=True, ratios={"own": 2}),
    Row("get_many, 10 x 1 KB, fresh process, nginx", "nginx", "get", 10, turns=3, fresh=True, ratios={"boto3": 2}),
    # Large objects, plain and encrypted, as the first call of a process and as a later one.
    *(
        Row(
            f"{name}{', fresh process' * fresh}, {server}",
            server,
            verb,
            objects,
            size * MB,
            fresh=fresh,
            # The summary shows this row with all clients, next to the same work in a process that is not fresh.
            clients=tuple(PEERS) if (server, fresh, size) == ("nginx", True, 256) else ("ours", "s5cmd", "obstore"),
            ratios={"s5cmd": 1, "obstore": 1},
        )
        for name, verb, objects, size in (
            ("get_many, 40 x 12 MB", "get", 40, 12),
            ("get_many, 4 x 64 MB", "get", 4, 64),
            ("get_many, 4 x 256 MB", "get", 4, 256),
            ("get, 1 GB", "get_one", 1, 1024),
        )
        for server in ("nginx", "nginx TLS")
        for fresh in (False, True)
        if (server, fresh, size) not in {("nginx", False, 256), ("nginx", False, 1024)}  # are above, with all clients
    ),
    Row("get_many, 2 x 1 KB, second call, nginx", "nginx", "get", 2, turns=3, warm_up=2, seconds=0.015),
)


def matching(pattern: str) -> "tuple[Row, ...]":
    """The rows whose name contains the pattern; ``*`` and ``?`` are wildcards."""
    return tuple(row for row in ROWS if fnmatchcase(row.name.lower(), f"*{pattern.lower()}*"))
