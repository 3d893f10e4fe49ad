"""Repeats jobs that failed because the credentials had expired, with new credentials."""

import threading
from typing import Callable, Optional

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.wire.failures import Code

CHECK_INTERVAL = 10.0  # seconds between checks for newer credentials
LEAST_CHECK_INTERVAL = 0.1  # seconds; checks become more frequent before expiry


def seconds_to_next_check(expires: Optional[float], now: float) -> float:
    """Return the seconds until the next check for newer credentials.

    Parameters
    ----------
    expires : float or None
        When the current credentials expire; Unix time, as `now`.
    """
    return CHECK_INTERVAL if expires is None else min(CHECK_INTERVAL, max(LEAST_CHECK_INTERVAL, (expires - now) / 8))


class Renewal:
    """Decides which jobs of one call run again. Threads share it.

    A job runs again whenever the credentials that signed it have been replaced, any number of times in a long call.
    Credentials with which nothing has succeeded yet are not replaced: the next ones would fail too.

    Parameters
    ----------
    renew : callable
        Takes the generation of the refused credentials, 0 if unknown, and gets newer ones; returns False without any.
    """

    def __init__(self, renew: Callable[[int], bool]) -> None:
        self._renew = renew
        self._replaced: set[int] = set()  # generations
        self._again: set[int] = set()  # numbers of jobs signed with credentials of unknown generation
        self._works = True  # whether anything succeeded since the last renewal
        self._lock = threading.Lock()

    def wants_again(self, job: Job, outcome: Outcome) -> bool:
        """Whether a job must run again; the new credentials are available then.

        Raises
        ------
        TransferError
            The credentials' provider fails.
        """
        if outcome.failure is None:
            self._works = True
            return False
        if outcome.failure.code is not Code.EXPIRED:
            return False
        refused = outcome.failure.signed_as
        with self._lock:
            if not refused:  # signed by a client of the user's: renew once
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
