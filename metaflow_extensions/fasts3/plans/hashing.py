"""Hashes local files in threads, in parallel with a plan's requests."""

import threading

from metaflow_extensions.fasts3.machine.threads import Threads

PATIENCE = 0.3  # seconds for the threads to end; each checks between reads


class Stopped(Exception):
    """The call has ended, so the result is not needed."""


class HashThreads(Threads):
    """Runs functions in threads, which start on demand; a context manager that ends its threads.

    The tag of each function is a callable for its result; `settle` calls it in the plan's thread.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count, "fasts3-hashing")
        self._stopped = threading.Event()

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

    def settle(self) -> None:
        """Process results in the caller's thread. Exceptions of functions propagate."""
        for then, value, error, _ in self.results():
            if error:
                raise error
            then(value)
