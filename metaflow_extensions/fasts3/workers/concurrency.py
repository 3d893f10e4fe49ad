"""How much is done at a time. Pure functions of what was measured; see docs/architecture.md for the figures.

Two levels. The parent decides how many jobs a worker may have: enough that it never waits, and not so many that at the
end one worker sits on them while others are idle. A worker decides how many of them it does side by side: more only
while that is faster, for every connection costs memory here and work at the server.
"""

import math
from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.plans.pieces import CARRIED

FIRST_ROOM = 16  # jobs of unknown size that a worker is given
LEAST_ROOM = 8  # jobs; with 8 MiB each, more than a worker's share of a fast network
WAITING_BYTES = 32 * 2**20  # that a worker may have before it; at 1 GB/s the others wait 32 ms for it at the end
WAITING_SECONDS = 1.0  # worth of work that a worker may have, where S3 lets it do little; others may be let do more
# Requests under way in a worker at the beginning. Too few cost a call of small objects a tenth of its time; too many
# for a server are fewer soon; and of large objects no worker has so many.
FIRST_WIDTH = 64
WORTH_IT = 1.15  # twice the requests have to bring so much more, or they are not worth their cost
PROBE_AFTER = 30  # measurements after which more, or fewer, are tried again
ANOTHER_WORLD = 2.0  # times as fast or slow as when it settled, twice in a row: nobody knows any more what fits
BYTES_LIKE_A_REQUEST = 64 * 1024  # bytes that cost about as much as a small request does
CARRIED_BY_ONE = 200e6  # bytes a second that one worker is sure to carry, a slow machine's too
SLOWEST = 1e6  # bytes a second for each connection, or a server might take it for dead
# Bytes: of a worker, with what its connections hold; of the bodies that all workers have, for uploads; and of those
# that each may have even so, or it would wait for its parent between two parts of the usual size.
WORKER_BYTES = 24 * 2**20
BODY_BYTES = 128 * 2**20
LEAST_BODY_BYTES = CARRIED
LOST = 0.2  # of the connections that were chosen, by dividing them
LEAST_CONNECTIONS = 8  # that are made even so: small objects would wait for one another


class Share(NamedTuple):
    """What each of the workers of a call may do."""

    workers: int  # at the most
    connections: int  # requests that each may have under way
    bandwidth: Optional[float]  # bytes a second of each; None: no limit


def share(workers: int, connections: int, bandwidth: Optional[float]) -> Share:
    """Divide among workers what a call may do.

    Each has its part of a limit, however many of the others there are in the end, so there are as few of them as can
    carry it.

    Parameters
    ----------
    workers : int
        At the most.
    connections : int
        Requests of all that may be under way, at least 1.
    bandwidth : float or None
        Bytes a second of all.
    """
    if bandwidth is not None:
        workers = min(workers, math.ceil(bandwidth / CARRIED_BY_ONE))
        connections = min(connections, max(LEAST_CONNECTIONS, int(bandwidth / SLOWEST)))
    # Not so many that dividing loses connections: 3 are one worker's, not one of each of two.
    workers = next(few for few in range(min(workers, connections), 0, -1) if connections % few <= LOST * connections)
    return Share(workers, connections // workers, None if bandwidth is None else bandwidth / workers)


def room(jobs: int, size: int, connections: int, rate: float) -> int:
    """Jobs that a worker may have, those under way and those that wait.

    Parameters
    ----------
    jobs : int
        That have been done in this call.
    size : int
        Bytes that they have moved.
    connections : int
        Requests that a worker may have under way.
    rate : float
        Jobs a second that this worker does.
    """
    if not jobs:
        return min(FIRST_ROOM, 2 * connections)
    fitting = min(WAITING_BYTES * jobs // max(size, 1), max(FIRST_ROOM, int(WAITING_SECONDS * rate)))
    return max(min(LEAST_ROOM, 2 * connections), min(2 * connections, fitting))


class Windows(NamedTuple):
    """What may be in memory at a time for the workers of a call."""

    workers: int  # at the most
    body_bytes: int  # of bodies that each worker may have


def windows(memory: float, workers: int) -> Windows:
    """Fit the workers of a call, and what they are given, into a quarter of the memory; the rest is the user's.

    Parameters
    ----------
    memory : float
        Bytes that all processes together may take.
    workers : int
        At the most.
    """
    workers = max(1, int(min(workers, memory / 4 / WORKER_BYTES)))
    bodies = min(BODY_BYTES, memory / 4 - workers * WORKER_BYTES / 2)
    least = min(LEAST_BODY_BYTES, max(1.0, memory / 16 / workers))
    return Windows(workers, int(max(least, bodies / workers)))


class Speed:
    """How many jobs a second one worker does, over the last second or two."""

    def __init__(self, now: float) -> None:
        self._before, self._begun, self._count = 0, now, 0
        self._earlier = now  # when those `before` began

    def count(self, now: float) -> None:
        """One more job is done."""
        if now - self._begun > WAITING_SECONDS:
            self._before, self._earlier = self._count, self._begun
            self._begun, self._count = now, 0
        self._count += 1

    def rate(self, now: float) -> float:
        """Jobs a second."""
        return (self._before + self._count) / max(now - self._earlier, 0.001)


class Width(NamedTuple):
    """How many requests a worker has under way, and what is known of that."""

    width: int  # now
    most: int  # that are allowed
    rate: float = 0.0  # in requests a second; of the measurement before, or that at which it has settled
    instead_of: Optional[int] = None  # the width for which this one is on trial
    settled: int = 0  # measurements for which nothing is tried any more
    strange: int = 0  # the last rate was not at all that at which it has settled: 1 far above, -1 far below


def begin(most: int, known: Optional[Width] = None) -> Width:
    """The width of a call: what the last one came to, within what this one allows."""
    start = (known.instead_of or known.width) if known else FIRST_WIDTH
    return Width(min(start, most), most)


def adapt(state: Width, rate: float) -> Width:
    """The width after a measurement.

    It doubles while that brings much more. Where that does not, it is halved while that brings much more, as it does
    where a server has too much to do; then it stays for a while. What was measured while something else held all up
    must not hold for as long: another rate, and not just once, has it try again.

    Parameters
    ----------
    state : Width
    rate : float
        Requests done a second, since the last measurement, while there were always some waiting.
    """
    before = state.instead_of
    if before is None:
        strange = (rate > state.rate * ANOTHER_WORLD) - (rate < state.rate / ANOTHER_WORLD)
        if state.settled > 1 and not (
            strange and strange == state.strange
        ):  # a stall and the burst after it are no news
            return state._replace(settled=state.settled - 1, strange=strange)
        state = Width(state.width, state.most, rate)
        return _wider(state) or _narrower(state)
    grew = state.width > before
    if rate >= state.rate * WORTH_IT:
        state = Width(state.width, state.most, rate, settled=PROBE_AFTER)
        return (_wider(state) or state) if grew else _narrower(state)
    back = Width(before, state.most, max(rate, state.rate), settled=PROBE_AFTER)
    return _narrower(back) if grew else back


def _wider(state: Width) -> Optional[Width]:
    width = min(2 * state.width, state.most)
    return Width(width, state.most, state.rate, state.width) if width > state.width else None


def _narrower(state: Width) -> Width:
    width = max(1, state.width // 2)
    if width == state.width:
        return state._replace(settled=PROBE_AFTER)
    return Width(width, state.most, state.rate, state.width)


def narrow(width: int) -> Width:
    """The width where there are descriptors for so many requests only; no more are tried in this call."""
    return Width(max(1, width), max(1, width))


def weight(size: int) -> float:
    """What one request counts in a rate.

    Parameters
    ----------
    size : int
        Bytes that it moved.
    """
    return 1.0 + size / BYTES_LIKE_A_REQUEST
