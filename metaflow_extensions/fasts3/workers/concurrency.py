"""Decides how much runs in parallel. Pure functions of measurements; docs/architecture.md has the figures.

There are two levels. The parent decides how many jobs a worker has: enough to keep it busy, but few enough that
at the end no worker holds jobs while others are idle. A worker decides how many of them run in parallel: more only
while that is faster, because every connection costs memory here and work at the server.
"""

import math
from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.plans.pieces import CARRIED

FIRST_ROOM = 16  # jobs of unknown size that a worker is given
LEAST_ROOM = 8  # jobs; with 8 MiB each, more than a worker's share of a fast network
WAITING_BYTES = 32 * 2**20  # that a worker may hold; at 1 GB/s, others wait 32 ms for it at the end
WAITING_SECONDS = 1.0  # of work that a worker may hold if S3 limits its rate, because other workers may be faster
# Initial parallel requests per worker. Too few cost a call of small objects a tenth of its time; too many for a
# server are soon reduced, and workers never hold so many large objects.
FIRST_WIDTH = 64
WORTH_IT = 1.15  # doubling the requests must raise the rate by this factor to be worth its cost
PROBE_AFTER = 30  # measurements after which another width is tried again
CHANGED_RATE = 2.0  # times the settled rate, or the inverse: twice in a row, it starts new trials
BYTES_LIKE_A_REQUEST = 64 * 1024  # bytes that cost about as much as a small request
WORKER_BANDWIDTH = 200e6  # bytes a second that one worker can transfer even on a slow machine
SLOWEST = 1e6  # bytes a second per connection; servers may close slower ones
# Bytes: memory of a worker with its connections; bodies of uploads for all workers together; and the minimum per
# worker, because with less it would wait for its parent between two parts of the usual size.
WORKER_BYTES = 24 * 2**20
BODY_BYTES = 128 * 2**20
LEAST_BODY_BYTES = CARRIED
LOST = 0.2  # fraction of the connections that division may lose
LEAST_CONNECTIONS = 8  # minimum, so that small objects do not wait for each other


class Share(NamedTuple):
    """Limits of each worker of a call."""

    workers: int  # at most
    connections: int  # parallel requests of each
    bandwidth: Optional[float]  # bytes a second of each; None: unlimited


def share(workers: int, connections: int, bandwidth: Optional[float]) -> Share:
    """Divide a call's limits among its workers.

    Each worker gets an equal share, even if fewer workers start, so the number of workers is the lowest sufficient one.

    Parameters
    ----------
    workers : int
        Maximum number of workers.
    connections : int
        Parallel requests of all workers together, at least 1.
    bandwidth : float or None
        Bytes a second of all workers; None: unlimited.
    """
    if bandwidth is not None:
        workers = min(workers, math.ceil(bandwidth / WORKER_BANDWIDTH))
        connections = min(connections, max(LEAST_CONNECTIONS, int(bandwidth / SLOWEST)))
    # Few enough that the division loses no connections: 3 go to one worker, not to two.
    workers = next(few for few in range(min(workers, connections), 0, -1) if connections % few <= LOST * connections)
    return Share(workers, connections // workers, None if bandwidth is None else bandwidth / workers)


def room(jobs: int, size: int, connections: int, rate: float) -> int:
    """Return the number of jobs that a worker may hold, running or waiting.

    Parameters
    ----------
    jobs : int
        Jobs done in this call.
    size : int
        Bytes that they moved.
    connections : int
        Parallel requests of a worker.
    rate : float
        This worker's jobs a second.
    """
    if not jobs:
        return min(FIRST_ROOM, 2 * connections)
    fitting = min(WAITING_BYTES * jobs // max(size, 1), max(FIRST_ROOM, int(WAITING_SECONDS * rate)))
    return max(min(LEAST_ROOM, 2 * connections), min(2 * connections, fitting))


class MemoryLimits(NamedTuple):
    """Memory limits of a call's workers."""

    workers: int  # at most
    body_bytes: int  # of bodies per worker


def memory_limits(memory: float, workers: int) -> MemoryLimits:
    """Fit the workers of a call and their bodies into a quarter of the memory; the rest is the user's.

    Parameters
    ----------
    memory : float
        Bytes available to all processes together.
    workers : int
        At most.
    """
    workers = max(1, int(min(workers, memory / 4 / WORKER_BYTES)))
    bodies = min(BODY_BYTES, memory / 4 - workers * WORKER_BYTES / 2)
    least = min(LEAST_BODY_BYTES, max(1.0, memory / 16 / workers))
    return MemoryLimits(workers, int(max(least, bodies / workers)))


class Speed:
    """A worker's jobs a second, over the last second or two."""

    def __init__(self, now: float) -> None:
        self._before, self._begun, self._count = 0, now, 0
        self._earlier = now  # when the jobs `before` began

    def count(self, now: float) -> None:
        """Count one finished job."""
        if now - self._begun > WAITING_SECONDS:
            self._before, self._earlier = self._count, self._begun
            self._begun, self._count = now, 0
        self._count += 1

    def rate(self, now: float) -> float:
        """Return jobs a second."""
        return (self._before + self._count) / max(now - self._earlier, 0.001)


class Width(NamedTuple):
    """A worker's number of parallel requests, and the state of its adaptation."""

    width: int  # current
    most: int  # maximum
    rate: float = 0.0  # requests a second, of the previous measurement or the settled width
    instead_of: Optional[int] = None  # the previous width, while this one is on trial
    settled: int = 0  # measurements to skip before the next trial
    strange: int = 0  # whether the last rate was far above (1) or below (-1) the settled one


def begin(most: int, known: Optional[Width] = None) -> Width:
    """Return the width for a new call: the last call's result, within this call's maximum."""
    start = (known.instead_of or known.width) if known else FIRST_WIDTH
    return Width(min(start, most), most)


def adapt(state: Width, rate: float) -> Width:
    """Return the width after a measurement.

    The width doubles while that raises the rate enough. Otherwise it is halved while that raises the rate enough, as
    with an overloaded server. Then it stays for a while. A rate that differs twice from the settled one starts new
    trials, because the earlier measurement may have been disturbed.

    Parameters
    ----------
    state : Width
    rate : float
        Requests a second since the last measurement, which always had requests waiting.
    """
    before = state.instead_of
    if before is None:
        strange = (rate > state.rate * CHANGED_RATE) - (rate < state.rate / CHANGED_RATE)
        if state.settled > 1 and not (
            strange and strange == state.strange
        ):  # one stall and the burst after it do not count
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
    """Return the width while there are descriptors for only this many requests: until the worker has no more jobs."""
    return Width(max(1, width), max(1, width))


def weight(requests: int, size: int) -> float:
    """Return the weight of requests in a rate.

    Parameters
    ----------
    requests : int
    size : int
        Bytes that they moved together.
    """
    return requests + size / BYTES_LIKE_A_REQUEST
