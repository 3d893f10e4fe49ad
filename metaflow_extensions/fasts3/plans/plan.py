"""Plans: they give jobs and take outcomes, and do not know processes, sockets or clocks."""

import bisect
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.pieces import CARRIED
from metaflow_extensions.fasts3.wire.failures import Failure

PATIENCE_WHEN_FAILED = 1.0  # seconds for running jobs after a failure: cleanup must close what they open
PEEKED = CARRIED  # bytes of bodies that may be read only to count the available jobs
HELD_CHECK_INTERVAL = 0.02  # seconds between checks whether a held plan has jobs
PATIENCE_WHEN_STOPPED = 0.3  # seconds for running jobs after an interruption


class JobFailed(Exception):
    """A job failed, and therefore the plan."""

    def __init__(self, job: Job, failure: Failure) -> None:
        super().__init__(job.operation, job.url, failure.code.value)
        self.job = job
        self.failure = failure


class Unwanted(Exception):
    """An observer ended the plan; neither S3 nor a worker failed."""


class Plan:
    """Work for a runner.

    A runner takes the jobs of `start` in order, as it has room for them, and passes each outcome to `receive`. It runs
    the jobs that `receive` returns before the others, so that started work finishes first. A plan that `announces` says
    when it has more jobs: another thread waits for each of them.
    """

    announces = False

    def start(self) -> Iterator[Optional[Job]]:
        """Yield the first jobs, lazily, so that bodies are read when they are sent.

        None in place of a job, here and in the result of `receive`, means that there is no job at the moment.
        """
        raise NotImplementedError

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        """Take one outcome, in any order, or the report that a job has begun; return the jobs that follow from it.

        Raises JobFailed if the plan can't be completed.
        """
        raise NotImplementedError

    def announce_to(self, more: Callable[[], None]) -> None:
        """Call a function, from any thread, when there are more jobs, if the plan `announces`."""

    def cleanup(self) -> list[Job]:
        """Return jobs that clean up in S3 after a failure; they may fail, too."""
        return []

    @property
    def opening(self) -> dict[int, str]:
        """Jobs that open multipart uploads and have no outcome yet: numbers, and URLs of the objects."""
        return {}


_NO_MORE: Any = object()
# Ranks of jobs that follow from no outcome: the plan's first jobs, and those that come after all others.
_FIRST_ONES, _LAST_ONES = 2**62, 2**63


class JobQueue:
    """The jobs of one plan that no worker or thread has.

    Jobs that follow from outcomes come before the plan's first jobs, so that started work finishes first; and among
    them, those of the earliest started work come first, because a loop over downloads waits for the oldest object.
    Observers are called with every outcome, after the plan. They may raise `Unwanted`.
    """

    def __init__(self, plan: Plan, observers: Sequence[Callable[[Outcome], None]] = ()) -> None:
        self._plan = plan
        self._observers = observers
        # Sorted: rank, number of the source, jobs. Only a few, one per unfinished object.
        self._sources: list[tuple[int, int, Iterator[Optional[Job]]]] = [(_FIRST_ONES, 0, plan.start())]
        self._count = 0  # of sources
        self._begun = 0  # of the plan's first jobs
        self._ranks: dict[int, int] = {}  # number of a taken job -> rank of the jobs that follow from it
        self._retried: dict[int, Failure] = {}  # number of a job to repeat -> why, if S3 may have executed it
        self._next: list[Job] = []

    def take(self) -> Optional[Job]:
        """Return the next job; None if there is none at the moment."""
        if self._next:
            return self._next.pop()
        place = 0
        while place < len(self._sources):
            rank, _, jobs = self._sources[place]
            job = next(jobs, _NO_MORE)
            if job is _NO_MORE:
                del self._sources[place]
            elif job is None:
                place += 1
            else:
                if rank >= _FIRST_ONES:
                    self._begun += 1
                    rank = self._begun
                self._ranks.setdefault(job.number, rank)  # a repeated job keeps its rank
                return job
        return None

    def _add(self, rank: int, jobs: Iterable[Optional[Job]]) -> None:
        self._count += 1
        bisect.insort(self._sources, (rank, self._count, iter(jobs)))

    @property
    def is_held(self) -> bool:
        """Whether there may be jobs later, although `take` returns none: the plan waits for another thread."""
        return bool(self._sources)

    @property
    def announces(self) -> bool:
        """See `Plan`."""
        return self._plan.announces

    def announce_to(self, more: Callable[[], None]) -> None:
        """See `Plan`."""
        self._plan.announce_to(more)

    def put_back(self, jobs: Iterable[Job]) -> None:
        """Return taken jobs that were not started; they come next."""
        self._next.extend(jobs)

    def repeat(self, job: Job, retried: Optional[Failure]) -> None:
        """Return a job to repeat next, with the failure that was retried before, if any."""
        if retried:
            self._retried[job.number] = retried
        self.put_back([job])

    def put_last(self, jobs: Iterable[Job], failure: Failure) -> None:
        """Return jobs to repeat after all others, because of a failure; S3 may have executed them."""
        jobs = list(jobs)
        self._retried.update((job.number, failure) for job in jobs)
        self._add(_LAST_ONES, jobs)

    def receive(self, job: Job, outcome: Outcome) -> None:
        """Pass a taken job's outcome to the plan, and add the jobs that follow from it."""
        if job.number in self._retried and not outcome.begun:
            retried = self._retried.pop(job.number)
            outcome = outcome._replace(retried=outcome.retried or retried)
        follow = self._plan.receive(job, outcome)
        for observer in self._observers:
            observer(outcome)
        self.follow(job, follow, outcome.begun)

    def follow(self, job: Job, jobs: Iterable[Optional[Job]], begun: bool = False) -> None:
        """Add jobs that follow from a taken job's outcome, or from its beginning."""
        rank = self._ranks.get(job.number, self._begun)
        if not begun:
            self._ranks.pop(job.number, None)
        if jobs != ():
            self._add(rank, jobs)

    def conclude(self, job: Job, outcome: Outcome) -> None:
        """Pass an outcome to a plan that has ended, which may need it for its `cleanup`; nothing follows from it."""
        with contextlib.suppress(JobFailed):
            self._plan.receive(job, outcome)

    def holds(self, number: int) -> bool:
        """Whether a job with this number was taken and put back."""
        return any(job.number == number for job in self._next)

    def has_more(self) -> bool:
        """Whether `take` would return a job."""
        return bool(self._next) or self.at_least(1)

    def at_least(self, count: int) -> bool:
        """Whether `take` would return this many jobs in a row, or fewer with bodies above `PEEKED` bytes in all."""
        taken: list[Job] = []
        size = 0
        while len(taken) < count and size <= PEEKED:
            job = self.take()
            if job is None:
                break
            taken.append(job)
            size += len(job.body or b"")
        self._next.extend(reversed(taken))
        return len(taken) == count or size > PEEKED


class Requests(Plan):
    """The simplest plan: independent jobs, all of which must succeed."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = list(jobs)
        self.results: dict[int, object] = {}

    def start(self) -> Iterator[Job]:
        return iter(self._jobs)

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if outcome.failure:
            raise JobFailed(job, outcome.failure)
        self.results[job.number] = outcome.result
        return ()
