"""Jobs that S3 refused because the credentials had expired are done once more, with new ones."""

import threading
from typing import Callable, Optional

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.wire.failures import Code

LOOK = 10.0  # seconds between two looks whether there is a newer set
LEAST_LOOK = 0.1  # seconds; near its end a set is looked at more often


def look_again_in(expires: Optional[float], now: float) -> float:
    """Seconds until it is time to look for a newer set.

    Parameters
    ----------
    expires : float or None
        When the one in use does. Unix time, as `now`.
    """
    return LOOK if expires is None else min(LOOK, max(LEAST_LOOK, (expires - now) / 8))


class Renewal:
    """Decides which jobs of one call are done again. Threads share it.

    A job is done again whenever the set that it was signed with has been replaced, however often that happens in a
    long call. A set with which nothing has succeeded yet is not replaced: the next would be refused as well.

    Parameters
    ----------
    renew : callable
        Given the generation of a refused set, 0 where that is unknown, gets a newer set; False where there is none.
    """

    def __init__(self, renew: Callable[[int], bool]) -> None:
        self._renew = renew
        self._replaced: set[int] = set()  # generations
        self._again: set[int] = set()  # numbers of jobs that were signed with a set of unknown generation
        self._works = True  # whether anything has succeeded since the last renewal
        self._lock = threading.Lock()

    def wants_again(self, job: Job, outcome: Outcome) -> bool:
        """Whether a job is to be done again; then there are new credentials by now.

        Raises
        ------
        TransferError
            The provider of the credentials fails.
        """
        if outcome.failure is None:
            self._works = True
            return False
        if outcome.failure.code is not Code.EXPIRED:
            return False
        refused = outcome.failure.signed_as
        with self._lock:
            if not refused:  # by a client of the user's own: once
                again = job.number not in self._again and self._renew(0)
                self._again.add(job.number)
                return again
            if refused in self._replaced:
                return True
            if not self._works or not self._renew(refused):
                return False
            self._replaced.add(refused)
            self._works = False
        return True
