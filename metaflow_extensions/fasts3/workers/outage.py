"""What the jobs of a call know together about a server that fails: an outage is waited for once, not once an object.

Its time counts for all jobs from the first failure after which nothing has succeeded, also for those that begin later.
While it lasts they try again in turns, a few times a second however many they are; when it is over, all at once go on.
Pure: the time is an argument.
"""

from typing import Optional

TRIES = 10.0  # a second, of all jobs together, while nothing succeeds
WORTH_NOTING = 1.0  # seconds; what fails for a shorter time is a hiccup, and each job's own waits are right for it


class Outage:
    """Since when everything fails."""

    def __init__(self) -> None:
        self._since: Optional[float] = None  # the first failure after which nothing has succeeded
        self._next = 0.0  # when the next of all tries may begin
        self._over = 0.0  # when the last outage worth noting was over

    def note_success(self, now: float) -> None:
        """Something has succeeded."""
        if self._since is not None:
            if now - self._since > WORTH_NOTING:
                self._over = now
            self._since = None

    def note_failure(self, now: float) -> float:
        """Something has failed, in a way that may pass; give the seconds for which everything has."""
        if self._since is None:
            self._since = self._next = now
        return now - self._since

    def turn(self, now: float) -> float:
        """Seconds until it is one more job's turn to try again."""
        if self._since is None or now - self._since < WORTH_NOTING:
            return 0.0
        begin = max(now, self._next)
        self._next = begin + 1.0 / TRIES
        return begin - now

    def was_over_after(self, moment: float) -> bool:
        """Whether an outage has come to its end since then."""
        return self._over > moment
