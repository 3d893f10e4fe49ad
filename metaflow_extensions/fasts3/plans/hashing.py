"""Work for processors, done in threads beside a plan's requests: hashes of local files."""

import threading
from collections import deque
from queue import SimpleQueue
from typing import Any, Callable, Optional, Union

PATIENCE = 0.3  # seconds for the threads to end; each looks between two reads


class Stopped(Exception):
    """The call is over, and what this work would find out is of no use any more."""


class HashThreads:
    """Does work in threads; a context manager, at whose end its threads end.

    All methods are for one thread at a time, that of the plan.

    Parameters
    ----------
    count : int
        Threads at the most, started as there is work for them.

    Attributes
    ----------
    under_way : int
        Work that was given and not settled yet.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._work: SimpleQueue[Optional[tuple[Callable[[], Any], Callable[[Any], None]]]] = SimpleQueue()
        self._done: deque[tuple[Callable[[Any], None], Union[Any, BaseException]]] = deque()
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()
        self.under_way = 0

    def __enter__(self) -> "HashThreads":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for _thread in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(PATIENCE)

    def check(self) -> None:
        """Raise `Stopped` where the call is over; for work that takes long."""
        if self._stopped.is_set():
            raise Stopped

    def give(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Have work done.

        Parameters
        ----------
        work : callable
            Is called in a thread.
        then : callable
            Is called with what `work` has returned, by `settle`.
        """
        self.under_way += 1
        if len(self._threads) < min(self._count, self.under_way):
            self._begin_thread()
        if self._threads:
            self._work.put((work, then))
        else:  # the system gives none
            self._do(work, then)

    def settle(self) -> None:
        """Have what was done taken note of, by the caller's thread. What work has raised is raised."""
        while self._done:
            then, result = self._done.popleft()
            self.under_way -= 1
            if isinstance(result, BaseException):
                raise result
            then(result)

    def _begin_thread(self) -> None:
        # A daemon: a file system that hangs keeps nobody from leaving.
        thread = threading.Thread(target=self._run, name="fasts3-hashing", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads
            self._count = len(self._threads)
        else:
            self._threads.append(thread)

    def _run(self) -> None:
        while True:
            given = self._work.get()
            if given is None or self._stopped.is_set():
                return
            self._do(*given)

    def _do(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        try:
            self._done.append((then, work()))
        except BaseException as error:  # whoever waits for the result raises it
            self._done.append((then, error))
