"""Threads for blocking functions; if no thread can be started, the caller runs the function.

They are daemons: the process does not wait at its exit for one that hangs in a resolver, a file system or boto3.
"""

import contextlib
import threading
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Any, Callable, NamedTuple, Optional, TypeVar

T = TypeVar("T")


def get_within(queue: "SimpleQueue[T]", seconds: Optional[float]) -> T:
    """Return the next item of a queue that only this thread reads.

    `SimpleQueue.get` with a timeout may wait forever, up to Python 3.12. It takes the lock of an empty queue, which is
    free at first, and computes the time that is left. If the thread has not run in the meantime, on a busy machine,
    this is negative, which means no limit. Here the first call takes the lock, so the second one waits for an item.

    Parameters
    ----------
    queue : SimpleQueue
    seconds : float or None
        Maximum time to wait; None: no limit.

    Raises
    ------
    queue.Empty
        No item has come in this time.
    """
    try:
        return queue.get_nowait()
    except Empty:
        if seconds == 0.0:
            raise
    return queue.get(timeout=seconds)


def within(seconds: float, function: Callable[[], object], name: str) -> None:
    """Call a function in a thread, and wait at most `seconds` for its end.

    If no thread can be started, the caller runs it, however long that takes.

    Parameters
    ----------
    seconds : float
    function : callable
    name : str
        Name of the thread.
    """
    thread = threading.Thread(target=function, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        function()
    else:
        thread.join(seconds)


class Result(NamedTuple):
    """What a function has returned or raised."""

    tag: Any  # given with the function
    value: Any = None
    error: Optional[BaseException] = None
    ended: bool = True  # False: reported by a function that continues


class Threads:
    """Calls functions in threads, which start on demand.

    Only one thread may call the methods, except `report`.

    Parameters
    ----------
    size : int
        Maximum number of threads; with 0 the caller runs all functions.
    name : str
        Name of the threads.
    wake : callable, optional
        Called in a thread when there is a result.

    Attributes
    ----------
    under_way : int
        Functions whose results were not taken.
    """

    def __init__(self, size: int, name: str, wake: Callable[[], object] = lambda: None) -> None:
        self.size = size
        self.under_way = 0
        self._name = name
        self._wake = wake
        self._calls: SimpleQueue[Optional[tuple[Callable[[], Any], Any]]] = SimpleQueue()
        self._results: SimpleQueue[Result] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def give(self, function: Callable[[], Any], tag: Any = None) -> None:
        """Call a function in a thread; its result has the same tag."""
        self.under_way += 1
        if len(self._threads) < min(self.under_way, self.size):
            self._start_thread()
        if self._threads:
            self._calls.put((function, tag))
        else:
            self._call(function, tag)

    def report(self, tag: Any, value: Any) -> None:
        """Add a result of a function that continues."""
        self._results.put(Result(tag, value, ended=False))
        self._wake()

    def results(self, timeout: Optional[float] = 0.0) -> Iterator[Result]:
        """Yield all results as soon as there are any; nothing after `timeout` seconds. None: no limit."""
        with contextlib.suppress(Empty):
            result = get_within(self._results, timeout)
            while True:
                self.under_way -= result.ended
                yield result
                result = self._results.get_nowait()

    def close(self) -> None:
        """End each thread as soon as its function does; call no others."""
        self._closed = True
        for _thread in self._threads:
            self._calls.put(None)

    def join(self, timeout: Optional[float] = None) -> None:
        """Wait until the threads have ended, for at most so many seconds each."""
        for thread in self._threads:
            thread.join(timeout)

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # can't start a thread, or the interpreter is shutting down
            self.size = max(1, len(self._threads))
        else:
            self._threads.append(thread)

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            if call is None or self._closed:
                return
            self._call(*call)
            del call  # the next one may take long to come

    def _call(self, function: Callable[[], Any], tag: Any) -> None:
        try:
            result = Result(tag, function())
        except BaseException as error:  # for whoever takes the results
            result = Result(tag, error=error)
        self._results.put(result)
        self._wake()
