"""How the wire waits: its coroutines yield what they wait for, and a driver does the waiting.

There are two drivers: `blocking.complete` runs one coroutine in one thread, `workers/loop.py` hundreds in one thread.
A thread per request would spend more time on switching threads than on requests.
"""

import types
from collections.abc import Generator
from typing import Any, Callable

READ = 1
WRITE = 2


class Readiness:
    """Wait until a socket is readable or writable.

    Attributes
    ----------
    descriptor : int
    owner : object
        The socket. Descriptors are reused; a new owner shows the driver that this is another socket.
    direction : int
        READ or WRITE.
    timeout : float
        Seconds; then `TimeoutError` is raised where it is awaited.
    """

    __slots__ = ("descriptor", "direction", "owner", "timeout")

    def __init__(self, descriptor: int, owner: object, direction: int, timeout: float) -> None:
        self.descriptor = descriptor
        self.owner = owner
        self.direction = direction
        self.timeout = timeout


class Pause:
    """Wait this many seconds. The result is whether the call was interrupted."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class InThread:
    """Call a blocking function where it blocks no other coroutine. The result is the function's."""

    __slots__ = ("function",)

    def __init__(self, function: "Callable[[], Any]") -> None:
        self.function = function


@types.coroutine
def wait_for(what: "Readiness | Pause | InThread") -> "Generator[Any, Any, Any]":
    """Yield a wait to the driver and return its result."""
    return (yield what)
