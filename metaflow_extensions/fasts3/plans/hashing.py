"""Hashes local files in threads, in parallel with a plan's requests; small files in the plan's own thread."""

import threading
import time
from typing import Any, Callable

from metaflow_extensions.fasts3.machine.threads import Threads

PATIENCE = 0.3  # seconds for the threads to end; each checks between reads
SMALL = 16 * 1024  # bytes of a file; reading and hashing more takes longer than opening it
# Seconds for a few small files; if the file system takes that long, threads wait for it in parallel. More than the
# waits for the interpreter's lock: at each system call, a thread that reads a page of a listing may take it for 5 ms.
SLOW = 0.1


class Stopped(Exception):
    """The call has ended, so the result is not needed."""


class HashThreads(Threads):
    """Runs functions in threads, which start on demand; a context manager that ends its threads.

    The tag of each function is a callable for its result; `settle` calls it in the plan's thread.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count, "fasts3-hashing")
        self._stopped = threading.Event()
        self._is_slow = False  # the file system

    def __enter__(self) -> "HashThreads":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.close()
        self.join(PATIENCE)

    def check(self) -> None:
        """Raise `Stopped` if the call has ended; long functions call this repeatedly."""
        if self._stopped.is_set():
            raise Stopped

    def give_small(self, function: Callable[[], Any], then: Callable[[Any], object]) -> None:
        """Call a function that reads a few small files, at once and in this thread, unless the file system is slow.

        In threads it would take several times as long: after each system call, they wait for the interpreter's lock.
        """
        if self._is_slow:
            self.give(function, then)
            return
        began = time.monotonic()
        value = function()
        self._is_slow = time.monotonic() - began > SLOW
        then(value)

    def settle(self) -> None:
        """Process results in the caller's thread. Exceptions of functions propagate."""
        for then, value, error, _ in self.results():
            if error:
                raise error
            then(value)
