"""Hashes local files in threads, in parallel with a plan's requests."""

import threading
from collections import deque
from queue import SimpleQueue
from typing import Any, Callable, Optional, Union

PATIENCE = 0.3  # seconds for the threads to end; each checks between reads


class Stopped(Exception):
    """The call has ended, so the result is not needed."""


class HashThreads:
    """Runs functions in threads; a context manager that ends its threads.

    Only the plan's thread may call its methods.

    Parameters
    ----------
    count : int
        Maximum number of threads; they start on demand.

    Attributes
    ----------
    under_way : int
        Functions given and not yet settled.
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
        """Raise `Stopped` if the call has ended; long functions call this repeatedly."""
        if self._stopped.is_set():
            raise Stopped

    def give(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Run a function in a thread.

        Parameters
        ----------
        work : callable
            The function.
        then : callable
            Called with its result, by `settle`.
        """
        self.under_way += 1
        if len(self._threads) < min(self._count, self.under_way):
            self._begin_thread()
        if self._threads:
            self._work.put((work, then))
        else:  # no thread can be started
            self._do(work, then)

    def settle(self) -> None:
        """Process results in the caller's thread. Exceptions of functions propagate."""
        while self._done:
            then, result = self._done.popleft()
            self.under_way -= 1
            if isinstance(result, BaseException):
                raise result
            then(result)

    def _begin_thread(self) -> None:
        # A daemon, so that a hanging file system does not delay the process's exit.
        thread = threading.Thread(target=self._run, name="fasts3-hashing", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # can't start a thread
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
        except BaseException as error:  # `settle` raises it
            self._done.append((then, error))
