"""The addresses of a server: looked up once for all connections of a process; those that do not answer come last."""

import errno
import ipaddress
import itertools
import os
import socket
import threading
import time
from typing import Any, Optional

from metaflow_extensions.fasts3.wire.waiting import InThread, wait_for

RESOLVED_FOR = 30.0  # seconds; S3 changes its addresses, and gives other ones to spread the load
STALE_FOR = 300.0  # seconds for which addresses are used while the name server is asked again
RESOLVE_LIMIT = 8.0  # seconds for a name server; a resolver may wait for minutes
LEFT_OUT_FOR = 60.0  # seconds for which an address that did not answer is tried after all others


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
        self._found_at = self._asked_at = 0.0
        self._asked = 0  # times that the name server was asked
        self._problem: Optional[Exception] = None  # of the last time
        self._asking = threading.Lock()
        self._left_out: dict[Any, float] = {}  # addresses that did not answer, until when
        self._turn = itertools.count(os.getpid())  # workers begin with different addresses

    async def in_order(self) -> "list[Any]":
        """What `getaddrinfo` gives, in the order in which to try them.

        Raises
        ------
        OSError, UnicodeError
            The name does not resolve.
        """
        found, now = self._found, time.monotonic()
        usable = found and (now - self._found_at <= STALE_FOR or self._problem is not None)
        if not usable:
            # InThread, because a name server may take seconds; what is an address already takes none.
            found = self._look_up(self._asked) if is_address(self._host) else await wait_for(InThread(self.look_up))
        elif now - self._asked_at > RESOLVED_FOR:
            self._refresh()
        return self._ordered(found)

    def note(self, address: Any, answers: bool) -> None:
        """Remember whether there was an answer at an address."""
        if answers:
            self._left_out.pop(address, None)
        else:
            self._left_out[address] = time.monotonic() + LEFT_OUT_FOR

    def forget(self) -> None:
        """None of them answers: have the name server asked before the next connection."""
        self._found_at, self._problem = -STALE_FOR, None

    def look_up(self) -> "list[Any]":
        """Ask the name server, and wait for it no longer than it may take.

        Raises
        ------
        OSError, UnicodeError
        """
        found: list[Any] = []
        problems: list[Exception] = []

        def look(asked_before: int) -> None:
            try:
                found.extend(self._look_up(asked_before))
            except (OSError, UnicodeError) as error:
                problems.append(error)

        thread = threading.Thread(target=look, args=(self._asked,), name="fasts3-resolve", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads can be started
            look(self._asked)
        else:
            thread.join(RESOLVE_LIMIT)
        if not found:
            told = f"the name server has not answered in {RESOLVE_LIMIT:.0f} seconds"
            raise problems[0] if problems else TimeoutError(errno.ETIMEDOUT, told)
        return found

    def _look_up(self, asked_before: int) -> "list[Any]":
        """Ask the name server, unless another thread has asked it meanwhile."""
        with self._asking:
            if self._asked == asked_before:
                try:
                    self._found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
                    self._found_at, self._problem = time.monotonic(), None
                except (OSError, UnicodeError) as error:  # the latter where it can't be a name at all
                    self._problem = error
                self._asked_at = time.monotonic()
                self._asked += 1
            if self._problem is not None and not self._found:
                raise self._problem
            return self._found  # perhaps old ones: the name server is away, not the server

    def _refresh(self) -> None:
        """Ask the name server again, while the addresses that are known are used."""
        if self._asking.locked():
            return
        self._asked_at = time.monotonic()
        if is_address(self._host):
            return
        thread = threading.Thread(target=self._look_up, args=(self._asked,), name="fasts3-resolve", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads can be started; the next connection tries again
            self._asked_at = 0.0

    def _ordered(self, found: "list[Any]") -> "list[Any]":
        """By turns within a family, the families in the order of the system, alternating (RFC 8305 section 4)."""
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
    """The addresses of a server, the same for all that ask in this process."""
    return _known.setdefault((host, port), Addresses(host, port))


# A thread that looks up a name does not exist in a forked child, and what it has locked stays locked.
os.register_at_fork(after_in_child=_known.clear)


def is_address(host: str) -> bool:
    """Whether a host is an address, so that there is no name to look up."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
