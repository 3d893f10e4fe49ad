"""A server's addresses, resolved once for all connections of a process; addresses that do not respond come last."""

import errno
import ipaddress
import itertools
import os
import socket
import threading
import time
from typing import Any, Optional

from metaflow_extensions.fasts3.wire.waiting import InThread, wait_for

RESOLVED_FOR = 30.0  # seconds; S3 changes its addresses and rotates them to spread the load
STALE_FOR = (
    300.0  # seconds for which known addresses are used while the name is looked up again, without an error so far
)
RESOLVE_LIMIT = 8.0  # seconds; a resolver may wait for minutes
LEFT_OUT_FOR = 60.0  # seconds for which an address that did not respond is tried last


class Addresses:
    """The addresses of one server. Threads share it.

    Parameters
    ----------
    host : str
        A name or an address.
    port : int
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._found: list[Any] = []
        self._found_at = self._looked_up_at = 0.0
        self._lookups = 0  # number of lookups
        self._problem: Optional[Exception] = None  # of the last lookup
        self._lookup_lock = threading.Lock()
        self._left_out: dict[Any, float] = {}  # addresses that did not respond, and until when they come last
        self._turn = itertools.count(os.getpid())  # workers start with different addresses

    async def in_order(self) -> "list[Any]":
        """Return what `getaddrinfo` returned, in the order in which to try it.

        Raises
        ------
        OSError, UnicodeError
            The name does not resolve.
        """
        found, now = self._found, time.monotonic()
        usable = found and (now - self._found_at <= STALE_FOR or self._problem is not None)
        if not usable:
            # InThread, because a name server may take seconds; a literal address takes none.
            if is_address(self._host):
                self._look_up(self._lookups)
            else:
                await wait_for(InThread(self._look_up_in_time))
            found, problem = self._found, self._problem  # perhaps outdated: the name server is down, the server not
            if problem is not None and not found:
                raise problem
        elif now - self._looked_up_at > RESOLVED_FOR and not self._lookup_lock.locked():
            self._looked_up_at = now
            if not is_address(self._host) and not self._start_lookup(self._lookups):  # in the background
                self._looked_up_at = 0.0  # the next connection tries again
        return self._ordered(found)

    def note(self, address: Any, responds: bool) -> None:
        """Record whether an address responds."""
        if responds:
            self._left_out.pop(address, None)
        else:
            self._left_out[address] = time.monotonic() + LEFT_OUT_FOR

    def forget(self) -> None:
        """Resolve the name before the next connection, because no address responds."""
        self._found_at, self._problem = -STALE_FOR, None

    def _look_up_in_time(self) -> None:
        """Resolve the name; raise TimeoutError if it takes more than `RESOLVE_LIMIT` seconds."""
        lookups = self._lookups
        thread = self._start_lookup(lookups)
        if thread:
            thread.join(RESOLVE_LIMIT)
        else:
            self._look_up(lookups)
        if self._lookups == lookups:
            message = f"the name server has not responded within {RESOLVE_LIMIT:.0f} seconds"
            raise TimeoutError(errno.ETIMEDOUT, message)

    def _start_lookup(self, lookups: int) -> Optional[threading.Thread]:
        """Resolve the name in another thread; return None if no more threads can be started."""
        thread = threading.Thread(target=self._look_up, args=(lookups,), name="fasts3-resolve", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return None
        return thread

    def _look_up(self, lookups_before: int) -> None:
        """Resolve the name, unless another thread has done so meanwhile."""
        with self._lookup_lock:
            if self._lookups == lookups_before:
                try:
                    self._found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
                    self._found_at, self._problem = time.monotonic(), None
                except (OSError, UnicodeError) as error:  # UnicodeError: not a valid host name
                    self._problem = error
                self._looked_up_at = time.monotonic()
                self._lookups += 1

    def _ordered(self, found: "list[Any]") -> "list[Any]":
        """Rotate addresses within a family and alternate families in the system's order (RFC 8305 section 4)."""
        if len(found) == 1:
            return found
        turn = next(self._turn)
        families: dict[Any, list[Any]] = {}
        for one in found:
            families.setdefault(one[0], []).append(one)
        rotated = [family[turn % len(family) :] + family[: turn % len(family)] for family in families.values()]
        ordered = [one for row in itertools.zip_longest(*rotated) for one in row if one is not None]
        if self._left_out:
            now = time.monotonic()
            ordered.sort(key=lambda one: self._left_out.get(one[4], 0.0) > now)
        return ordered


_known: dict[tuple[str, int], Addresses] = {}


def addresses_of(host: str, port: int) -> Addresses:
    """Return the addresses of a server, shared by the whole process."""
    return _known.setdefault((host, port), Addresses(host, port))


# A forked child has no lookup thread, and locks that such a thread held would stay locked.
os.register_at_fork(after_in_child=_known.clear)


def is_address(host: str) -> bool:
    """Whether a host is an address and needs no lookup."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
