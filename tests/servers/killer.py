"""Kills workers at random during a test."""

import contextlib
import os
import random
import signal
import threading
from collections.abc import Sequence
from typing import Callable, Optional

import psutil


class Killer:
    """Repeatedly kills one of several processes; a context manager.

    Parameters
    ----------
    victims : callable
        Returns the current process ids to choose from. Its argument is a random number from 0 to 1.
    pauses : pair of float
        Seconds between two kills, at least and at most.
    seed : int
    most : int, optional
        Kills after which it stops.

    Attributes
    ----------
    kills : int
        So far.
    """

    def __init__(
        self,
        victims: Callable[[float], Sequence[int]],
        pauses: "tuple[float, float]",
        seed: int,
        most: Optional[int] = None,
    ) -> None:
        self.kills = 0
        self._victims = victims
        self._pauses = pauses
        self._most = most
        self._chance = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Killer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def goes_on(self) -> bool:
        """Whether it should kill more."""
        return self._most is None or self.kills < self._most

    def _run(self) -> None:
        while self.goes_on and not self._over.wait(self._chance.uniform(*self._pauses)):
            victims = self._victims(self._chance.random())
            if victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._chance.choice(victims), signal.SIGKILL)
                    self.kills += 1


def workers_of(pid: int) -> "list[psutil.Process]":
    """The worker processes of another process."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if any(part.endswith("s3op.py") for part in child.cmdline()):
                    found.append(child)
    return found
