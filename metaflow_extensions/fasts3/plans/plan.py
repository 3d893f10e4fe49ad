"""What a plan is: work that gives jobs and takes outcomes, and knows no process, no socket and no clock."""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, Optional, Protocol

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.pieces import CARRIED
from metaflow_extensions.fasts3.wire.failures import Failure

PATIENCE_WHEN_FAILED = 1.0  # seconds for the jobs under way when another has failed: what they opened has to be closed
PEEKED = CARRIED  # bytes of bodies that may be in memory only because somebody wants to know how many jobs there are
LOOK_WHEN_HELD = 0.02  # seconds between two looks whether a plan that had no jobs at the moment has some now
PATIENCE_WHEN_STOPPED = 0.3  # seconds for them when somebody wants to leave: Ctrl-C, a time-out


class JobFailed(Exception):
    """A job failed, and with it the plan."""

    def __init__(self, job: Job, failure: Failure) -> None:
        super().__init__(job.operation, job.url, failure.code.value)
        self.job = job
        self.failure = failure


class Unwanted(Exception):
    """An observer wants the plan to end. Neither S3 nor a worker has done anything wrong."""


class Plan(Protocol):
    """Work for a runner.

    A runner takes the jobs of `start`, in order but as it has room for them, and hands each outcome to `receive`,
    whose jobs it does before the others: what was begun is finished first.
    """

    def start(self) -> Iterator[Optional[Job]]:
        """The first jobs. Taken lazily, so that bodies are read when they are sent.

        None in place of a job, here and in what follows from an outcome: there is none at the moment, ask again.
        """

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        """Take one outcome, in any order, or that a job has begun; give the jobs that follow from it.

        Raises
        ------
        JobFailed
            The plan can't be completed.
        """

    def cleanup(self) -> list[Job]:
        """Jobs that put S3 right after a failure; they may fail as well."""


_NO_MORE: Any = object()
# Ranks of jobs that no outcome has led to: the plan's first ones, and those that come after all others.
_FIRST_ONES, _LAST_ONES = 2**62, 2**63


class JobQueue:
    """The jobs of one plan that nobody has yet.

    Those that follow from others come before the plan's first ones, so that what was begun is finished. Among them
    those come first that follow from what was begun first: a loop over downloads waits for the oldest object.

    Parameters
    ----------
    plan : Plan
    observers : sequence of callable
        Each is called with every outcome, after the plan. It may raise `Unwanted`.
    """

    def __init__(self, plan: Plan, observers: Sequence[Callable[[Outcome], None]] = ()) -> None:
        self._plan = plan
        self._observers = observers
        # Sorted: rank, number of the source, jobs. Few at a time, one for each object that is under way.
        self._sources: list[tuple[int, int, Iterator[Optional[Job]]]] = [(_FIRST_ONES, 0, plan.start())]
        self._count = 0  # of sources
        self._begun = 0  # of the plan's first jobs
        self._ranks: dict[int, int] = {}  # number of a job that was taken -> the rank of what follows from it
        self._next: list[Job] = []

    def take(self) -> Optional[Job]:
        """The next job, or None where there is none at the moment."""
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
                self._note_rank(job, rank)
                return job
        return None

    def _note_rank(self, job: Job, rank: int) -> None:
        if rank >= _FIRST_ONES:
            self._begun += 1
            rank = self._begun
        self._ranks.setdefault(job.number, rank)  # one that has to be done again keeps its own

    def _add(self, rank: int, jobs: Iterable[Optional[Job]]) -> None:
        self._count += 1
        bisect.insort(self._sources, (rank, self._count, iter(jobs)))

    @property
    def is_held(self) -> bool:
        """Whether there will be jobs although `take` gave none: the plan waits for somebody."""
        return bool(self._sources)

    def put_back(self, jobs: Iterable[Job]) -> None:
        """Jobs that were taken and not given to anybody; they come next."""
        self._next.extend(jobs)

    def put_last(self, jobs: Iterable[Job]) -> None:
        """Jobs that have to be done again, but after all others."""
        self._add(_LAST_ONES, list(jobs))

    def receive(self, job: Job, outcome: Outcome) -> None:
        """Hand the plan the outcome of a job that was taken, and add the jobs that follow from it."""
        follow = self._plan.receive(job, outcome)
        for observer in self._observers:
            observer(outcome)
        self.follow(job, follow, outcome.begun)

    def follow(self, job: Job, jobs: Iterable[Optional[Job]], begun: bool = False) -> None:
        """Jobs that follow from the outcome of one that was taken, or from its beginning."""
        rank = self._ranks.get(job.number, self._begun)
        if not begun:
            self._ranks.pop(job.number, None)
        if jobs != ():
            self._add(rank, jobs)

    def holds(self, number: int) -> bool:
        """Whether a job with this number was taken and put back."""
        return any(job.number == number for job in self._next)

    def has_more(self) -> bool:
        """Whether `take` would give a job."""
        return self.at_least(1)

    def at_least(self, count: int) -> bool:
        """Whether `take` would give so many jobs in a row, or fewer whose bodies fill `PEEKED`: as much work."""
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


class Requests:
    """The simplest plan: jobs that do not depend on one another, all of which have to succeed."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = list(jobs)
        self.replies: dict[int, object] = {}

    def start(self) -> Iterator[Job]:
        return iter(self._jobs)

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if outcome.failure:
            raise JobFailed(job, outcome.failure)
        self.replies[job.number] = outcome.reply
        return ()

    def cleanup(self) -> list[Job]:
        return []
