"""A plan around another that sees what comes and changes nothing."""

from collections.abc import Iterable, Iterator
from typing import Optional

from metaflow_extensions.fasts3.pool.messages import Job, Outcome
from metaflow_extensions.fasts3.pool.plan import Plan


class Watching:
    """A `Plan` that leaves everything to another one; who watches overrides `receive`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def start(self) -> Iterator[Optional[Job]]:
        return self._plan.start()

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        return self._plan.receive(job, outcome)

    def cleanup(self) -> list[Job]:
        return self._plan.cleanup()

    @property
    def opening(self) -> dict[int, str]:
        """See `Uploads.opening`; other plans open nothing."""
        return getattr(self._plan, "opening", {})
