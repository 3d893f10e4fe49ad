"""Threads for blocking functions; if no thread can be started, the caller runs the function."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, TypeVar

T = TypeVar("T")


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
    # A daemon, because a hanging resolver, or boto3, can't be stopped, and must not delay the process's exit.
    thread = threading.Thread(target=function, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        function()
    else:
        thread.join(seconds)


class Threads:
    """Calls functions in threads.

    Parameters
    ----------
    count : int
        Maximum number of threads.
    """

    def __init__(self, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="fasts3")

    def submit(self, function: "Callable[[], T]") -> "Future[T]":
        """Call a function in a thread, or now if no thread can be started.

        The future receives its result or exception.
        """
        future: Future[T] = Future()
        mine = threading.Lock()

        def call() -> None:
            if not mine.acquire(blocking=False):
                return
            try:
                future.set_result(function())
            except Exception as error:
                future.set_exception(error)
            except BaseException as stop:  # Ctrl-C propagates; but a thread may also wait for the future
                future.set_exception(stop)
                raise

        try:
            self._executor.submit(call)
        except RuntimeError:  # it is in the executor's queue all the same, and an existing thread may run it first
            call()
        return future

    def close(self) -> None:
        """Accept no more functions, and wait for running ones."""
        self._executor.shutdown()
