"""The comparison: runs every case with both clients in turn, in several rounds, on one server.

Our client goes first in each turn, so it pays for warming up the server and the page cache. Each round starts new
processes, which then run all cases, as in a user's step.
"""

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.local_server.seaweedfs import SeaweedFS

from .bucket import Bucket
from .calls import CALLS, ResultKind, WrongResult
from .cases import KB, Case
from .child import WARM_UP_OBJECTS
from .client import OURS, OWN, Client, ClientFailed
from .content import content, names

TURN = (OURS, OWN)
WARM_UP = Case("warm-up", "get_many", WARM_UP_OBJECTS, KB)


class Sample(NamedTuple):
    """The times of one client for one case in one turn."""

    case: Case
    which: str
    seconds: float  # of one call
    cpu_seconds: float  # of one call, in the client's process tree


class Failed(NamedTuple):
    """A case that failed with one client."""

    case: Case
    which: str
    reason: str


class Outcome(NamedTuple):
    """The result of a comparison."""

    rounds: int
    samples: list[Sample]
    failures: list[Failed]


def compare(
    cases: Sequence[Case], rounds: int, report: Callable[[str], None], seconds: float = float("inf")
) -> Outcome:
    """Run all cases.

    Parameters
    ----------
    cases : sequence of Case
    rounds : int
    tell : callable
        Takes a line after each step.
    seconds : float
        After the first, a round starts only if it would end by then, when it takes as long as the longest so far.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fasts3-benchmarks-") as scratch, SeaweedFS() as server:
        comparison = _Comparison(server, Path(scratch), report)
        comparison.prepare(cases)
        number, longest = 0, 0.0
        while number < rounds and (number == 0 or time.monotonic() - started + longest < seconds):
            number += 1
            report(f"round {number} of {rounds}")
            began = time.monotonic()
            comparison.round(cases)
            longest = max(longest, time.monotonic() - began)
        return Outcome(number, comparison.samples, comparison.failures)


class _Comparison:
    def __init__(self, server: SeaweedFS, scratch: Path, report: Callable[[str], None]) -> None:
        self.samples: list[Sample] = []
        self.failures: list[Failed] = []
        self._bucket = Bucket(server)
        self._server = server.environment()
        self._scratch = scratch
        self._report = report

    def prepare(self, cases: Sequence[Case]) -> None:
        """Create the objects and the local files of the cases."""
        reading = [case for case in cases if CALLS[case.call].kind is not ResultKind.STORED]
        for name, objects, size in sorted({(case.set_name, case.objects, case.size) for case in [WARM_UP, *reading]}):
            self._bucket.fill(name, objects, size)
            self._report(f"there are {objects} objects of {size} bytes")
        for case in cases:
            files = self._files(case)
            if files and not files.exists():
                files.mkdir()
                for name in names(case.objects):
                    (files / name).write_bytes(content(name, case.size))

    def round(self, cases: Sequence[Case]) -> None:
        """Run every case with both clients in turn."""
        with ExitStack() as open_clients:
            clients = {which: open_clients.enter_context(self._start(which)) for which in TURN}
            for case in cases:
                for which in TURN * case.turns:
                    try:
                        self._sample(case, which, clients[which])
                    except (ClientFailed, WrongResult) as error:
                        self._report(f"{case.name}: {which}: FAILED: {error}")
                        self.failures.append(Failed(case, which, str(error)))
                        clients[which] = open_clients.enter_context(self._start(which))

    def _start(self, which: str, fresh: bool = False) -> Client:
        root = None if fresh else self._bucket.url(WARM_UP.set_name)
        return Client(which, self._server, self._scratch, root)

    def _sample(self, case: Case, which: str, client: Client) -> None:
        uploads = CALLS[case.call].kind is ResultKind.STORED
        prefix = f"uploads/{which}" if uploads else case.set_name
        with ExitStack() as fresh:
            if case.fresh:
                client = fresh.enter_context(self._start(which, fresh=True))
            took = client.measure(case, self._bucket.url(prefix), self._files(case))
        self.samples.append(Sample(case, which, **took))
        self._report(f"{case.name}: {which}: {took['seconds']:.4f} s")
        if CALLS[case.call].kind.uploads:
            self._bucket.check(prefix, case.objects, case.size)
        if uploads:
            self._bucket.remove(prefix)

    def _files(self, case: Case) -> Optional[Path]:
        return self._scratch / f"files-{case.set_name}" if case.call == "put_files" else None
