"""Whether and when to try a failed transfer again.

This file does not sleep, does not look at a clock and does not know a socket: `decide` takes what happened and gives
the seconds to wait, or None to give up.
"""

from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.wire.failures import ONCE_MORE, TRANSIENT, Code, Failure

FIRST_WAIT = 0.1  # seconds; a lone hiccup should cost next to nothing
LONGEST_WAIT = 20.0  # seconds; longer gives S3 nothing and the user a bad time
FIRST_CONTACT_RETRIES = 2  # a server that breaks off may do so twice, an address that is wrong stays wrong
FIRST_CONTACT_LIMIT = 5.0  # seconds without any answer after which nothing is tried again


class RetryPolicy(NamedTuple):
    """How patient a call is."""

    retries: int = 20  # tries after the first; S3_RETRY_COUNT and S3_TRANSIENT_RETRY_COUNT, the larger
    outage_limit: float = 300.0  # seconds that an endpoint which has answered before may stay away


def decide(
    policy: RetryPolicy,
    failure: Failure,
    tries: int,
    elapsed: float,
    answered: bool,
    random: float,
    again: bool = False,
) -> Optional[float]:
    """Seconds to wait before the next try, or None to give up.

    Parameters
    ----------
    policy : RetryPolicy
        How patient the call is.
    failure : Failure
        Of the last try.
    tries : int
        How many times it was tried, 1 or more.
    elapsed : float
        Seconds for which this job, or everything, has been failing; without any answer, since the first try began.
    answered : bool
        Whether this endpoint has ever answered this process: an outage is waited for, a mistake is not.
    random : float
        A number from 0 to 1, so that many clients do not come back at the same moment.
    again : bool
        Whether an earlier try of this job failed in the same way.

    Returns
    -------
    float or None
    """
    if tries > policy.retries:
        return None
    if failure.code not in TRANSIENT and (again or failure.code not in ONCE_MORE):
        return None
    if failure.code is Code.SKEWED:
        return 0.0  # the next try is signed for the server's time
    if failure.code is Code.INJECTED:
        return 0.0  # a faked failure is there to exercise the retries, not the patience of the tester
    if failure.code is Code.UNREACHABLE and not answered and tries > FIRST_CONTACT_RETRIES:
        return None
    # Exponential backoff with equal jitter: half of the wait is certain, half is drawn.
    ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(tries - 1, 16))
    wait = max(ceiling * (0.5 + 0.5 * random), min(failure.retry_after, LONGEST_WAIT))
    limit = policy.outage_limit if answered else min(FIRST_CONTACT_LIMIT, policy.outage_limit)
    return wait if elapsed + wait <= limit else None
