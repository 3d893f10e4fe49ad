"""Drives one coroutine of the wire in the calling thread."""

import select
import time
from collections.abc import Coroutine
from typing import Any, Callable, Optional, TypeVar

from metaflow_extensions.fasts3.wire.waiting import READ, Aside, Pause, Readiness

T = TypeVar("T")


def complete(coroutine: "Coroutine[Any, Any, T]", pause: "Callable[[float], Optional[bool]]" = time.sleep) -> T:
    """Drive a coroutine to its end.

    Parameters
    ----------
    coroutine : coroutine
        Of the wire.
    pause : callable
        Waits so many seconds; True from it means that nobody wants to go on.

    Returns
    -------
    What the coroutine returns. What it raises is raised; and what is raised in this thread while it waits, Ctrl-C for
    one, is raised in the coroutine as well, so that it lets go of what it holds.
    """
    answer: Any = None
    problem: Optional[BaseException] = None
    while True:
        try:
            wanted = coroutine.throw(problem) if problem else coroutine.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value
        answer, problem = None, None
        try:
            answer = _answer(wanted, pause)
        except BaseException as error:
            problem = error


def _answer(wanted: Any, pause: "Callable[[float], Optional[bool]]") -> Any:
    if isinstance(wanted, Readiness):
        poll = select.poll()
        poll.register(wanted.descriptor, select.POLLIN if wanted.direction == READ else select.POLLOUT)
        if not poll.poll(wanted.timeout * 1000):
            raise TimeoutError
        return None
    if isinstance(wanted, Pause):
        return pause(wanted.seconds)
    if isinstance(wanted, Aside):
        return wanted.function()
    raise TypeError(f"nobody can wait for a {type(wanted).__name__}")
