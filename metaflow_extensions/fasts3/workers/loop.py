"""Runs hundreds of the wire's coroutines in one thread; see `wire/waiting.py`."""

import heapq
import itertools
import os
import selectors
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.machine.threads import Threads
from metaflow_extensions.fasts3.wire.waiting import READ, InThread, Pause, Readiness

DEADLINE_CHECK_INTERVAL = 0.25  # seconds
_EVENTS = {READ: selectors.EVENT_READ}


class _Task:
    """A coroutine, and the callback for its end."""

    __slots__ = ("coroutine", "deadline", "done")

    def __init__(self, coroutine: "Coroutine[Any, Any, Any]", done: "Callable[[Any], None]") -> None:
        self.coroutine = coroutine
        self.done = done
        self.deadline = 0.0


class Loop:
    """Runs coroutines.

    Parameters
    ----------
    threads : int
        Maximum number of blocking functions that run in threads at a time.
    """

    def __init__(self, threads: int = 16) -> None:
        self._selector = selectors.DefaultSelector()
        self._waiting: dict[int, _Task] = {}  # by descriptor
        self._known: dict[int, tuple[object, int]] = {}  # registered descriptors: their owners and directions
        self._pauses: list[tuple[float, int, _Task]] = []  # a heap
        self._numbers = itertools.count()
        self._wake_in, self._wake_out = os.pipe()
        self._threads = Threads(threads, "fasts3-blocking", lambda: os.write(self._wake_out, b"!"))
        self._deadlines_checked = 0.0
        self.watch(self._wake_in, READ, lambda: os.read(self._wake_in, 4096))

    def close(self) -> None:
        """Release resources; coroutines that have not ended are dropped."""
        self._threads.close()
        self._threads.join()
        self._selector.close()
        os.close(self._wake_in)
        os.close(self._wake_out)

    def watch(self, descriptor: int, direction: int, callback: "Optional[Callable[[], object]]") -> None:
        """Call a function whenever a descriptor is ready; None stops that."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)
        if callback:
            self._selector.register(descriptor, _EVENTS.get(direction, selectors.EVENT_WRITE), callback)

    def spawn(self, coroutine: "Coroutine[Any, Any, Any]", done: "Callable[[Any], None]") -> None:
        """Start a coroutine; `done` is called with its result, or with the exception that it raised."""
        self._resume(_Task(coroutine, done))

    def turn(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for events, and handle them."""
        ready: list[Callable[[], object]] = []
        for key, _ in self._selector.select(self._patience(timeout)):
            # All before any runs: a descriptor that one closes may be that of a new socket for the next.
            if key.data:
                ready.append(key.data)
                continue
            task = self._waiting.pop(key.fd, None)
            if task is None:  # the server closed an idle connection
                self._forget(key.fd)
            else:
                ready.append(partial(self._resume, task))
        for run in ready:
            run()
        if self._threads.under_way:
            for task, result, error, _ in self._threads.results():
                self._resume(task, result, error)
        now = time.monotonic()
        while self._pauses and self._pauses[0][0] <= now:
            self._resume(heapq.heappop(self._pauses)[2], False)
        if now - self._deadlines_checked > DEADLINE_CHECK_INTERVAL:
            self._deadlines_checked = now
            for descriptor in [fd for fd, task in self._waiting.items() if task.deadline < now]:
                self._resume(self._waiting.pop(descriptor), problem=TimeoutError())

    def _patience(self, timeout: float) -> float:
        if self._waiting:
            timeout = min(timeout, DEADLINE_CHECK_INTERVAL)
        if self._pauses:
            timeout = min(timeout, max(0.0, self._pauses[0][0] - time.monotonic()))
        return timeout

    def _resume(self, task: _Task, result: Any = None, problem: Optional[BaseException] = None) -> None:
        try:
            wanted = task.coroutine.throw(problem) if problem else task.coroutine.send(result)
        except StopIteration as end:
            task.done(end.value)
            return
        except Exception as error:
            task.done(error)
            return
        if type(wanted) is Readiness:
            self._wait(task, wanted)
        elif type(wanted) is Pause:
            heapq.heappush(self._pauses, (time.monotonic() + wanted.seconds, next(self._numbers), task))
        elif type(wanted) is InThread:
            self._threads.give(wanted.function, task)
        else:
            raise TypeError(f"not a wait: {type(wanted).__name__}")

    def _wait(self, task: _Task, wanted: Readiness) -> None:
        descriptor = wanted.descriptor
        task.deadline = time.monotonic() + wanted.timeout
        self._waiting[descriptor] = task
        known = self._known.get(descriptor)
        if known and known[0] is wanted.owner and known[1] == wanted.direction:
            return
        if known:  # the other direction, or a new socket with a reused descriptor that the kernel has unregistered
            self._forget(descriptor)
        self._selector.register(descriptor, _EVENTS.get(wanted.direction, selectors.EVENT_WRITE))
        self._known[descriptor] = (wanted.owner, wanted.direction)

    def _forget(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        self._known.pop(descriptor, None)
