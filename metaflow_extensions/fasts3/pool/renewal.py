"""Jobs that S3 refused because the credentials had expired are done once more, with new ones."""

import threading
from typing import Callable, Optional

from metaflow_extensions.fasts3.pool.messages import Job, Outcome
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

    Parameters
    ----------
    renew : callable
        Gets new credentials, unless that was just done.
    """

    def __init__(self, renew: Callable[[], None]) -> None:
        self._renew = renew
        self._again: set[int] = set()
        self._lock = threading.Lock()

    def wants_again(self, job: Job, outcome: Outcome) -> bool:
        """Whether a job is to be done again; then there are new credentials by now."""
        if outcome.failure is None or outcome.failure.code is not Code.EXPIRED:
            return False
        with self._lock:
            if job.number in self._again:
                return False
            self._again.add(job.number)
            self._renew()
        return True
