"""The workers of this process: leased to one call at a time, warm between calls, forgotten by a forked child."""

import atexit
import contextlib
import os
import threading
import weakref
from typing import Callable, Optional

from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.workers.inherited import inherited
from metaflow_extensions.fasts3.workers.worker_process import WorkerProcess

LOOK = 0.25  # seconds between two looks, by who waits, for workers that were lost


class WorkerPool:
    """Lends workers.

    Parameters
    ----------
    limit : int
        How many there may be at most; a call that finds them all lent waits for its first one.
    warm : int
        How many are kept while nobody needs them.
    """

    def __init__(self, limit: int, warm: int) -> None:
        self._limit = limit
        self._warm = warm
        self._lock = threading.Condition()
        self._idle: list[WorkerProcess] = []
        # Weak, because a call that was interrupted at the wrong moment may have lost one; with it, it ends.
        self._lent: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()

    def lease(self, wait: bool = True, look: Callable[[], None] = lambda: None) -> Optional[WorkerProcess]:
        """A worker for the caller alone; None where all are lent and it is not to wait.

        Parameters
        ----------
        wait : bool
        look : callable
            Called now and then while it waits; raises where that is to end.

        Raises
        ------
        OSError
            None can be started.
        """
        mine = inherited()
        with self._lock:
            while True:
                while self._idle:
                    worker = self._idle.pop()
                    if worker.is_alive() and worker.inherited == mine:
                        self._lent.add(worker)
                        return worker
                    worker.close()
                if len(self._lent) < self._limit:
                    worker = WorkerProcess()
                    self._lent.add(worker)
                    return worker
                if not wait:
                    return None
                look()
                self._lock.wait(LOOK)

    def start(self, count: int) -> None:
        """Have workers that somebody will lease soon: they start while the caller does something else."""
        started: list[WorkerProcess] = []
        with contextlib.suppress(OSError):  # then it is who leases them that hears of it
            for _ in range(min(count, self._warm)):
                worker = self.lease(wait=False)
                if worker is None:
                    break
                started.append(worker)
        for worker in started:
            self.give_back(worker)

    def is_warm(self) -> bool:
        """Whether a worker is there that has started."""
        with self._lock:
            return any(worker.is_ready() for worker in self._idle)

    def is_ready(self) -> bool:
        """Whether it is time to lease: a worker has started, or none is going to."""
        with self._lock:
            return not self._idle or any(worker.is_ready() for worker in self._idle)

    def give_back(self, worker: WorkerProcess) -> None:
        """Return a worker that has no jobs left."""
        with self._lock:
            self._lent.discard(worker)
            keep = len(self._idle) < self._warm and not worker.jobs
            if keep:
                self._idle.append(worker)
            self._lock.notify()
        if not keep:
            worker.close()

    def discard(self, worker: WorkerProcess) -> None:
        """End a worker, whatever it does."""
        with self._lock:
            self._lent.discard(worker)
            self._lock.notify()
        worker.kill()

    def close(self) -> None:
        """End the workers that nobody has leased."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:  # all at once
            worker.hang_up()
        for worker in idle:
            worker.close()

    def hold(self) -> None:
        """Before a fork: no worker is being started, or the child would keep the ends of its pipes for ever."""
        self._lock.acquire()

    def release(self) -> None:
        """After a fork, in the parent."""
        self._lock.release()

    def forget(self) -> None:
        """In a forked child: begin anew."""
        workers = [*self._idle, *self._lent]
        self._lock = threading.Condition()
        self._idle = []
        self._lent = weakref.WeakSet()
        for worker in workers:
            worker.forget()


_PROCESSORS = processors()

shared = WorkerPool(limit=max(16, 4 * _PROCESSORS), warm=min(16, max(2, _PROCESSORS)))
"""The pool of this process."""

atexit.register(shared.close)
os.register_at_fork(before=shared.hold, after_in_parent=shared.release, after_in_child=shared.forget)
