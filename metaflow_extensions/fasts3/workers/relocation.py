"""Repeats jobs that S3 redirected because their bucket is in another region."""

import threading
from typing import Callable

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.wire.redirects import is_redirect


class Relocation:
    """Decides which jobs of one call run again in their bucket's region. Threads share it.

    Each job runs again once: a server that redirects all requests must not keep a call going.

    Parameters
    ----------
    learn : callable
        Takes a bucket and the region that the redirect names, "" if it names none, and directs later requests to it;
        returns whether that may help. See `TransferClient.learn_region`.
    """

    def __init__(self, learn: Callable[[str, str], bool]) -> None:
        self._learn = learn
        self._again: set[int] = set()  # numbers of jobs
        self._found: dict[str, bool] = {}  # by bucket: whether its region was found
        self._lock = threading.Lock()

    def wants_again(self, job: Job, outcome: Outcome) -> bool:
        """Whether a job must run again; its requests go to the bucket's region then."""
        failure = outcome.failure
        if failure is None or not is_redirect(failure):
            return False
        with self._lock:
            if job.number in self._again:
                return False
            self._again.add(job.number)
            # The redirect of a HEAD names no region if the GET that would explain it went to the right one already,
            # because another job had learned it meanwhile.
            if failure.region or job.bucket not in self._found:
                self._found[job.bucket] = self._learn(job.bucket, failure.region)
            return self._found[job.bucket]
