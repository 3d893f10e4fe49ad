"""A few threads for what blocks; where the system gives no more of them, whoever asks does the work itself."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, TypeVar

T = TypeVar("T")


def within(seconds: float, function: Callable[[], object], name: str) -> None:
    """Have a function called in a thread, and wait so long for its end; then nobody waits for it any more.

    Where no thread can be started, the caller does it itself, however long that takes.

    Parameters
    ----------
    seconds : float
    function : callable
    name : str
        Of the thread.
    """
    # A daemon, because nothing can stop a resolver that hangs, or boto3: nobody is to be kept from leaving.
    thread = threading.Thread(target=function, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        function()
    else:
        thread.join(seconds)


class Threads:
    """Calls functions aside.

    Parameters
    ----------
    count : int
        Threads at the most.
    """

    def __init__(self, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="fasts3")

    def submit(self, function: "Callable[[], T]") -> "Future[T]":
        """Have a function called by a thread, or call it now where no thread can be started.

        What it returns or raises is the future's.
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
            except BaseException as stop:  # Ctrl-C is for whoever is interrupted; and nobody is to wait in vain
                future.set_exception(stop)
                raise

        try:
            self._executor.submit(call)
        except RuntimeError:  # it is in the executor's queue all the same: a thread that there is may be faster
            call()
        return future

    def close(self) -> None:
        """Take no more functions, and wait for those that were begun."""
        self._executor.shutdown()
