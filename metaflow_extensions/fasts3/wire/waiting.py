"""How the wire waits: it does not. Its coroutines say what they wait for, and whoever drives them sees to it.

Two drive them: `blocking.complete`, one coroutine in one thread, and `workers/loop.py`, hundreds in one thread. Threads
that share an interpreter would spend more on handing it over to one another than on the requests.
"""

import types
from collections.abc import Generator
from typing import Any, Callable

READ = 1
WRITE = 2


class Readiness:
    """Wait until a socket can be read or written.

    Attributes
    ----------
    descriptor : int
    owner : object
        Who has the socket: descriptors are given out again, and so a driver knows that this is another one.
    direction : int
        READ or WRITE.
    timeout : float
        Seconds, after which `TimeoutError` is raised where it is awaited.
    """

    __slots__ = ("descriptor", "direction", "owner", "timeout")

    def __init__(self, descriptor: int, owner: object, direction: int, timeout: float) -> None:
        self.descriptor = descriptor
        self.owner = owner
        self.direction = direction
        self.timeout = timeout


class Pause:
    """Wait so many seconds. The answer is whether nobody wants to go on."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class InThread:
    """Have a function called that blocks, where that stops nobody else. The answer is what it returned."""

    __slots__ = ("function",)

    def __init__(self, function: "Callable[[], Any]") -> None:
        self.function = function


@types.coroutine
def wait_for(what: "Readiness | Pause | InThread") -> "Generator[Any, Any, Any]":
    """Hand to the driver what is waited for; give its answer."""
    return (yield what)
