"""Whether and when to retry a failed transfer.

This file does not sleep, read a clock or know a socket: `decide` takes what happened and returns the seconds to wait,
or None to give up.
"""

from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.wire.failures import ONCE_MORE, TRANSIENT, Code, Failure

FIRST_WAIT = 0.1  # seconds; one transient failure should cost almost nothing
LONGEST_WAIT = 20.0  # seconds; longer waits do not help S3 and delay the user
FIRST_CONTACT_RETRIES = 2  # a server may drop two connections; a wrong address stays wrong
FIRST_CONTACT_LIMIT = 5.0  # seconds without any response, after which nothing is retried


class RetryPolicy(NamedTuple):
    """Limits of a call's retries."""

    retries: int = 20  # the larger of S3_RETRY_COUNT and S3_TRANSIENT_RETRY_COUNT
    outage_limit: float = 300.0  # maximum duration in seconds of an outage of an endpoint that has responded before


def decide(
    policy: RetryPolicy,
    failure: Failure,
    tries: int,
    elapsed: float,
    answered: bool,
    random: float,
    again: bool = False,
) -> Optional[float]:
    """Return the seconds to wait before the next attempt, or None to give up.

    Parameters
    ----------
    policy : RetryPolicy
        The call's limits.
    failure : Failure
        The failure of the last attempt.
    tries : int
        Number of attempts so far, at least 1.
    elapsed : float
        Seconds since this job, or all jobs, began to fail; without any response, since the first attempt began.
    answered : bool
        Whether this endpoint has ever responded to this process: retries cover outages, not mistakes.
    random : float
        A number from 0 to 1, so that many clients do not retry at the same moment.
    again : bool
        Whether an earlier attempt of this job failed in the same way.

    Returns
    -------
    float or None
    """
    if tries > policy.retries:
        return None
    if failure.code not in TRANSIENT and (again or failure.code not in ONCE_MORE):
        return None
    if failure.code is Code.SKEWED:
        return 0.0  # the next attempt is signed for the server's time
    if failure.code is Code.INJECTED:
        return 0.0  # injected failures test the retries and need no wait
    if failure.code is Code.UNREACHABLE and not answered and tries > FIRST_CONTACT_RETRIES:
        return None
    # Exponential backoff with equal jitter: half of the wait is fixed, half random.
    ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(tries - 1, 16))
    wait = max(ceiling * (0.5 + 0.5 * random), min(failure.retry_after, LONGEST_WAIT))
    limit = policy.outage_limit if answered else min(FIRST_CONTACT_LIMIT, policy.outage_limit)
    return wait if elapsed + wait <= limit else None
