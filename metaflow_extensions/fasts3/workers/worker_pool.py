"""This process's workers: leased to one call at a time, kept warm between calls, dropped in a forked child."""

import atexit
import contextlib
import os
import threading
import weakref
from typing import Callable, Optional

from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.workers.inherited import inherited
from metaflow_extensions.fasts3.workers.worker_process import WorkerProcess

LOST_WORKER_CHECK_INTERVAL = 0.25  # seconds between checks for lost workers during a wait


class WorkerPool:
    """Leases workers.

    Parameters
    ----------
    limit : int
        Maximum number of workers; if all are leased, a call waits for its first one.
    warm : int
        How many idle workers are kept.
    """

    def __init__(self, limit: int, warm: int) -> None:
        self._limit = limit
        self._warm = warm
        self._lock = threading.Condition()
        self._idle: list[WorkerProcess] = []
        # Weak, because an interrupted call may lose a worker, which ends with its last reference.
        self._leased: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()

    def lease(self, wait: bool = True, check: Callable[[], None] = lambda: None) -> Optional[WorkerProcess]:
        """Lease a worker; return None if all are leased and `wait` is False.

        Parameters
        ----------
        wait : bool
        check : callable
            Called repeatedly during the wait; raises to end it.

        Raises
        ------
        OSError
            No process can be started.
        """
        mine = inherited()
        with self._lock:
            while True:
                while self._idle:
                    worker = self._idle.pop()
                    if worker.is_alive() and worker.inherited == mine:
                        self._leased.add(worker)
                        return worker
                    worker.close()
                if len(self._leased) < self._limit:
                    worker = WorkerProcess()
                    self._leased.add(worker)
                    return worker
                if not wait:
                    return None
                check()
                self._lock.wait(LOST_WORKER_CHECK_INTERVAL)

    def start(self, count: int) -> None:
        """Start workers that will be leased soon, while the caller continues."""
        started: list[WorkerProcess] = []
        with contextlib.suppress(OSError):  # `lease` will raise it
            for _ in range(min(count, self._warm)):
                worker = self.lease(wait=False)
                if worker is None:
                    break
                started.append(worker)
        for worker in started:
            self.give_back(worker)

    def is_warm(self) -> bool:
        """Whether an idle worker has started."""
        with self._lock:
            return any(worker.is_ready() for worker in self._idle)

    def is_ready(self) -> bool:
        """Whether to lease now: an idle worker has started, or there is none to wait for."""
        with self._lock:
            return not self._idle or self.is_warm()

    def give_back(self, worker: WorkerProcess) -> None:
        """Return a leased worker without jobs."""
        with self._lock:
            self._leased.discard(worker)
            keep = len(self._idle) < self._warm and not worker.jobs
            if keep:
                self._idle.append(worker)
            self._lock.notify()
        if not keep:
            worker.close()

    def discard(self, worker: WorkerProcess) -> None:
        """Kill a leased worker."""
        with self._lock:
            self._leased.discard(worker)
            self._lock.notify()
        worker.kill()

    def close(self) -> None:
        """End all idle workers."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:  # in parallel
            worker.close_pipes()
        for worker in idle:
            worker.close()

    def hold(self) -> None:
        """Before a fork: wait until no worker is being started, or the child would keep its pipes open."""
        self._lock.acquire()

    def release(self) -> None:
        """After a fork, in the parent: allow leases again."""
        self._lock.release()

    def forget(self) -> None:
        """After a fork, in the child: start with an empty pool."""
        workers = [*self._idle, *self._leased]
        self._lock = threading.Condition()
        self._idle = []
        self._leased = weakref.WeakSet()
        for worker in workers:
            worker.forget()


_PROCESSORS = processors()

shared = WorkerPool(limit=max(16, 4 * _PROCESSORS), warm=min(16, max(2, _PROCESSORS)))
"""The pool of this process."""

atexit.register(shared.close)
os.register_at_fork(before=shared.hold, after_in_parent=shared.release, after_in_child=shared.forget)
