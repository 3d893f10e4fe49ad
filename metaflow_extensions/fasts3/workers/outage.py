"""Shared state of a call's jobs about a failing server, so that they wait once for an outage, not once per object.

The outage lasts, for all jobs, from the first failure after which nothing succeeded. Meanwhile the jobs retry in turns,
a few times a second in total; after it, all continue at once. Pure: the time is an argument.
"""

from typing import Optional

TRIES = 10.0  # retries a second of all jobs together during an outage
WORTH_NOTING = 1.0  # seconds; the jobs' own backoff handles shorter failures


class Outage:
    """Detects when all requests fail."""

    def __init__(self) -> None:
        self._since: Optional[float] = None  # first failure after which nothing has succeeded
        self._next = 0.0  # when the next retry may start
        self._over = 0.0  # end of the last outage longer than WORTH_NOTING

    def note_success(self, now: float) -> None:
        """Record a success."""
        if self._since is not None:
            if now - self._since > WORTH_NOTING:
                self._over = now
            self._since = None

    def note_failure(self, now: float) -> float:
        """Record a transient failure; return the seconds for which everything has failed."""
        if self._since is None:
            self._since = self._next = now
        return now - self._since

    def turn(self, now: float) -> float:
        """Return the seconds until the next job may retry."""
        if self._since is None or now - self._since < WORTH_NOTING:
            return 0.0
        begin = max(now, self._next)
        self._next = begin + 1.0 / TRIES
        return begin - now

    def was_over_after(self, moment: float) -> bool:
        """Whether an outage has ended since then."""
        return self._over > moment
