"""Where a plan is carried out: in this process or in workers, and when workers take over."""

from enum import Enum
from typing import Callable, Optional

from metaflow_extensions.fasts3.boto.settings import Settings
from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE
from metaflow_extensions.fasts3.plans.plan import JobQueue
from metaflow_extensions.fasts3.workers import concurrency, worker_pool
from metaflow_extensions.fasts3.workers.inline_runner import InlineRunner

# What is not worth a worker's start, which takes as long as some hundred small requests, where each of them moves a
# piece of the usual size at the most.
FEW_PIECES = 4  # of one object
FEW_REQUESTS = 4  # of several
MANY_REQUESTS = 64  # of whatever size: worth it in any case
# Processors that the threads of this process keep busy with large objects, whose bytes are received, decrypted and
# written without the interpreter's lock. With no more of them, two workers cost 0.2 s to start, and bring nothing.
FILLED_PROCESSORS = 2


class Place(Enum):
    """Where a plan is carried out."""

    HERE = "in this process"
    LISTING = "in this process, with as many requests side by side as fit pages of listings"
    WORKERS = "in workers, but for a few requests"
    HERE_FIRST = "its first job here, and the rest in workers if there is much of it"


def few_jobs(place: Place, settings: Settings) -> Optional[int]:
    """Jobs up to which a plan is carried out in this process; None: however many there are."""
    few = {Place.HERE_FIRST: FEW_PIECES, Place.WORKERS: FEW_REQUESTS}.get(place)
    return None if few is None else min(few, max(1, few * PART_SIZE // settings.part_size))


def start_workers(queue: JobQueue) -> None:
    """Start the workers that are needed first; others follow as they are leased."""
    worker_pool.shared.start(2 if processors() > 1 and queue.at_least(concurrency.FIRST_ROOM + 1) else 1)


def may_leave(here: InlineRunner, queue: JobQueue, few: int) -> Callable[[], bool]:
    """Tells when workers can take over: it is worth it, they have started, and the endpoint has answered a request."""
    starting = False

    def leave() -> bool:
        nonlocal starting
        pool = worker_pool.shared
        if not queue.at_least(few + 1):
            return False
        if not starting and not pool.is_warm():
            large = here.moves_much and processors() > FILLED_PROCESSORS
            if not (large or queue.at_least(MANY_REQUESTS)):
                return False
            start_workers(queue)
        starting = True
        return here.answered and pool.is_ready()

    return leave
