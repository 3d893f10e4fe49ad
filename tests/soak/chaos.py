"""Faults of requests, and kills of workers, while users work."""

import random
from collections import Counter

from servers.faulty import Fault, FaultyS3, Request, pass_through
from servers.killer import Killer, workers_of
from servers.transient import MALFORMED, TRANSIENT

SHARE = 0.03  # of the requests
PAUSES = (0.5, 1.5)  # seconds between two kills, at least and at most
# Operations between two kills: on a busy machine, each worker would be killed before it has done anything, and a call
# gives up after some.
BETWEEN_KILLS = 4


class RandomFaults(FaultyS3):
    """A proxy where some of the requests meet one of the faults that a user must not notice."""

    def __init__(self, real, seed):
        super().__init__(real)
        self.kinds: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._malformed: set[str] = set()  # targets whose last response was malformed

    def fault_for(self, request: Request) -> Fault:
        """Choose; and keep no requests, unlike in tests, for there are millions of them.

        No malformed response follows another one: the client gives up after the second.
        """
        with self._lock:
            excluded = MALFORMED if request.target in self._malformed else ()
            self._malformed.discard(request.target)
            if self._chance.random() > SHARE:
                return pass_through
            matching = [name for name, trouble in TRANSIENT.items() if trouble.matches(request)]
            name = self._chance.choice([name for name in matching if name not in excluded])
            if name in MALFORMED:
                self._malformed.add(request.target)
            self.kinds[name] += 1
            return TRANSIENT[name].fault


def killer(users, operations, seed):
    """Kills a worker of the users' processes, `users()`, from time to time, while the number `operations()` grows."""
    at_last_kill = 0

    def victims(_):
        nonlocal at_last_kill
        if operations() < at_last_kill + BETWEEN_KILLS:
            return []
        found = [worker.pid for pid in users() for worker in workers_of(pid)]
        at_last_kill = operations() if found else at_last_kill
        return found

    return Killer(victims, PAUSES, seed)
