"""What goes wrong while users work: requests meet faults, and workers are killed."""

import contextlib
import random
import signal
import threading
from collections import Counter

import psutil
from servers.faulty import Asked, Fault, FaultyS3, passed_on
from servers.transient import TRANSIENT

SHARE = 0.03  # of the requests
PAUSES = (0.5, 1.5)  # seconds between two kills


class RandomFaults(FaultyS3):
    """A proxy where some of the requests meet one of the faults that a user must not notice."""

    def __init__(self, real, seed):
        super().__init__(real)
        self.kinds: Counter[str] = Counter()
        self._chance = random.Random(seed)

    def fault_for(self, asked: Asked) -> Fault:
        """Choose; and keep nothing, unlike in tests, for there are millions of requests."""
        with self._lock:
            if self._chance.random() > SHARE:
                return passed_on
            name = self._chance.choice([name for name, trouble in TRANSIENT.items() if trouble.meets(asked)])
            self.kinds[name] += 1
            return TRANSIENT[name].fault


class Killer:
    """Kills a worker of some processes every now and then; a context manager."""

    def __init__(self, pids, seed):
        self.kills = 0
        self._pids = pids
        self._chance = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _run(self):
        while not self._over.wait(self._chance.uniform(*PAUSES)):
            workers = [worker for pid in self._pids() for worker in workers_of(pid)]
            if workers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    self._chance.choice(workers).send_signal(signal.SIGKILL)
                    self.kills += 1


def workers_of(pid):
    """The processes in which another one's transfers run."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if any(part.endswith("s3op.py") for part in child.cmdline()):
                    found.append(child)
    return found
