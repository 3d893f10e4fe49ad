"""Whether anybody is there: an endpoint that has not answered this process yet is asked for its bucket's head first.

So a name that does not resolve, a port where nobody listens, or a server that takes connections and says nothing is an
error within seconds, with the reason, while an endpoint that has answered before is given the time of an outage.
"""

import os
from typing import Callable, Optional

from metaflow_extensions.fasts3.pool.messages import Outcome
from metaflow_extensions.fasts3.pool.threads import within
from metaflow_extensions.fasts3.wire.failures import Code, Failure

TIME_LIMIT = 8.0  # seconds, resolving the name included

_answered: set[tuple[int, str]] = set()  # (process id, endpoint URL): a forked child finds out for itself
_buckets: set[tuple[int, str, str]] = set()  # likewise, with the name of a bucket that is there


def knows_bucket(endpoint_url: str, bucket: str) -> bool:
    """Whether this process has seen that a bucket exists."""
    return (os.getpid(), endpoint_url, bucket) in _buckets


def note_bucket(endpoint_url: str, bucket: str) -> None:
    """Remember that a bucket exists."""
    _buckets.add((os.getpid(), endpoint_url, bucket))


def has_answered(endpoint_url: str) -> bool:
    """Whether S3 has answered this process at this endpoint."""
    return (os.getpid(), endpoint_url) in _answered


def note_answer(endpoint_url: str) -> None:
    """Remember that S3 has answered at this endpoint."""
    _answered.add((os.getpid(), endpoint_url))


def meet(endpoint_url: str, bucket: str, ask: Callable[[], Outcome]) -> Optional[Failure]:
    """Ask an endpoint for a bucket, for the first time.

    Parameters
    ----------
    endpoint_url, bucket : str
    ask : callable
        Does the job `head_bucket`.

    Returns
    -------
    Failure or None
        Why nobody answers; None where somebody does, whatever the answer. That is remembered.
    """
    outcomes: list[Outcome] = []
    within(TIME_LIMIT, lambda: outcomes.append(ask()), "fasts3-presence")
    if not outcomes:
        return Failure(Code.UNREACHABLE, f"it did not answer in {TIME_LIMIT:.0f} seconds", seconds=TIME_LIMIT)
    failure = outcomes[0].failure
    if failure is None:
        note_bucket(endpoint_url, bucket)
    elif failure.code is Code.UNREACHABLE:
        return failure
    if failure is None or failure.status:
        note_answer(endpoint_url)
    return None
