"""Decides whether a plan runs in this process or in workers, and when workers take over."""

from enum import Enum
from typing import Callable, Optional

from metaflow_extensions.fasts3.boto.settings import Settings
from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE
from metaflow_extensions.fasts3.plans.plan import JobQueue
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.workers import concurrency, worker_pool
from metaflow_extensions.fasts3.workers.inline_runner import InlineRunner
from metaflow_extensions.fasts3.workers.interpreter import why_no_workers

# Limits below which a plan does not need workers. Starting a worker takes as long as about a hundred small requests, of
# which each transfers at most a range of the default size.
FEW_PIECES = 4  # of one object
FEW_REQUESTS = 4  # of several
MANY_REQUESTS = 64  # of any size; more are always worth starting workers
# Processors that the threads of this process can use for large objects: receiving, decrypting and writing bytes release
# the interpreter's lock. With no more processors than that, two workers cost 0.2 s to start, without a benefit.
FILLED_PROCESSORS = 2


class Place(Enum):
    """Where a plan runs."""

    HERE = "in this process"
    LISTING = "in this process, with as many concurrent requests as suit pages of listings"
    WORKERS = "in workers, except for a few requests"
    HERE_FIRST = "its first job in this process, the rest in workers if there are many"


def few_jobs(place: Place, settings: Settings) -> Optional[int]:
    """The number of jobs up to which a plan runs in this process; None for any number."""
    few = {Place.HERE_FIRST: FEW_PIECES, Place.WORKERS: FEW_REQUESTS}.get(place)
    return None if few is None else min(few, max(1, few * PART_SIZE // settings.part_size))


def start_workers(queue: JobQueue) -> None:
    """Start the first workers; others start when they are leased."""
    worker_pool.shared.start(2 if processors() > 1 and queue.at_least(concurrency.FIRST_ROOM + 1) else 1)


def may_leave(here: InlineRunner, queue: JobQueue, few: int) -> Callable[[], bool]:
    """Return a function that decides when workers take over: for many jobs, once workers and the endpoint respond."""
    starting = False
    able: Optional[bool] = None  # to start workers; not yet known

    def leave() -> bool:
        nonlocal starting, able
        pool = worker_pool.shared
        if not queue.at_least(few + 1):
            return False
        able = _can_start_workers() if able is None else able
        if not able:
            return False
        if not starting and not pool.is_warm():
            large = here.moves_much and processors() > FILLED_PROCESSORS
            if not (large or queue.at_least(MANY_REQUESTS)):
                return False
            start_workers(queue)
        starting = True
        return here.responded and pool.is_ready()

    return leave


def _can_start_workers() -> bool:
    reason = why_no_workers()
    if reason:
        log.debug("no workers: %s", reason)
    return not reason
