"""The contest: runs every row with all clients in turn, in several rounds, then once more to measure memory.

Each round begins with another client, so that none always benefits from what another has warmed up.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from ..client import environment_of
from ..content import blocks, names
from ..peers import peer_class
from ..process_memory import Memory, of_process_tree
from ..servers import SERVERS, Server
from .rows import Row
from .turn import WARM_UP, Order, set_name

TIME_LIMIT = 600.0  # seconds for one turn; the slowest takes some thirty
MEMORY_PAUSE = 0.01  # seconds between samples of memory, in a turn that is not timed
WITHOUT_AWSCRT = Path(__file__).with_name("without_awscrt")


class Sample(NamedTuple):
    """The times of one client for one row in one turn."""

    row: str
    client: str
    seconds: float
    cpu_seconds: float  # of the client's process and all that it started


class Failed(NamedTuple):
    """A row that failed with one client."""

    row: str
    client: str
    reason: str


class Outcome(NamedTuple):
    """The result of a contest."""

    samples: "list[Sample]"
    memory: "dict[tuple[str, str], Memory]"  # of row and client
    failures: "list[Failed]"


class TurnFailed(Exception):
    """A client crashed, hung, or returned wrong data."""


class Contest:
    """One run.

    Parameters
    ----------
    scratch : Path
        A directory of its own.
    clients : sequence of str
        Which of `benchmarks.peers.PEERS`.
    rounds : int
    tell : callable
        Takes a line after each step.
    """

    def __init__(self, scratch: Path, clients: Sequence[str], rounds: int, report: Callable[[str], None]) -> None:
        self._scratch = scratch
        self._clients = clients
        self._rounds = rounds
        self._report = report
        self.outcome = Outcome([], {}, [])

    def run(self, rows: Sequence[Row], memory: bool) -> Outcome:
        """Run all rows, server by server.

        Parameters
        ----------
        rows : sequence of Row
        memory : bool
            Whether to run every row once more with each client to measure memory.
        """
        reads = [row for row in rows if not row.uploads]
        for kind in dict.fromkeys(row.server for row in reads):
            with SERVERS[kind](self._scratch) as server:
                server.fill(set_name(*WARM_UP), *WARM_UP)
                for row in reads:
                    if row.server == kind:
                        self._read(server, row, memory)
        for row in rows:
            if row.uploads:
                self._upload(row, memory)
        return self.outcome

    def _read(self, server: Server, row: Row, memory: bool) -> None:
        server.fill(row.set_name, row.objects, row.size)
        for client, for_memory in chain.from_iterable(self._rounds_of(row, memory)):
            self._turn(server, row, client, None, for_memory)

    def _upload(self, row: Row, memory: bool) -> None:
        """Run each round on a new server: SeaweedFS keeps overwritten and deleted data on disk for a long time."""
        with self._files(row) as files:
            for turns in self._rounds_of(row, memory):
                with SERVERS[row.server](self._scratch) as server:
                    server.fill(set_name(*WARM_UP), *WARM_UP)
                    for client, for_memory in turns:
                        self._turn(server, row, client, files, for_memory)

    def _rounds_of(self, row: Row, memory: bool) -> "Iterator[list[tuple[str, bool]]]":
        """The turns: clients, and whether each measures memory only."""
        entrants = self.entrants(row)
        for number in range(self._rounds):
            first = number % max(1, len(entrants))
            yield [(client, False) for client in (entrants[first:] + entrants[:first]) * row.turns]
        if memory:
            yield [(client, True) for client in entrants]

    def entrants(self, row: Row) -> "list[str]":
        """Return the clients of a row."""
        signed = row.server == "SeaweedFS"
        kinds = {name: peer_class(name) for name in self._clients if name in row.clients}
        return [name for name, kind in kinds.items() if row.verb in kind.verbs and (kind.signs or not signed)]

    @contextmanager
    def _files(self, row: Row) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            for name in names(row.objects):
                with Path(folder, name).open("wb") as file:
                    file.writelines(blocks(name, row.size))
            yield Path(folder)

    def _turn(self, server: Server, row: Row, client: str, files: Optional[Path], memory: bool) -> None:
        folder = Path(tempfile.mkdtemp(prefix=f"{client}-", dir=self._scratch))
        prefix = f"uploads-{client}" if row.uploads else row.set_name
        order = Order(
            client,
            server.place,
            row.verb,
            prefix,
            row.objects,
            row.size,
            warm_up=0 if row.fresh else row.warm_up,
            folder=str(folder / "downloads"),
            files=str(files) if files else None,
            check=not memory,
        )
        try:
            took, peak = _run(order, folder, memory)
            if row.uploads:
                server.check(prefix, row.objects, row.size)
        except Exception as error:
            # A failure of one client is a line of the results; the others continue.
            self._report(f"{row.name}: {client}: FAILED: {error}")
            self.outcome.failures.append(Failed(row.name, client, f"{type(error).__name__}: {error}"))
        else:
            self._keep(row, client, took, peak if memory else None)
        finally:
            if row.uploads:
                server.remove(prefix)
            shutil.rmtree(folder, ignore_errors=True)

    def _keep(self, row: Row, client: str, took: "dict[str, float]", peak: Optional[Memory]) -> None:
        if peak:
            self.outcome.memory[row.name, client] = peak
            self._report(f"{row.name}: {client}: {peak.pss / 2**20:.0f} MB at the peak")
        else:
            self.outcome.samples.append(Sample(row.name, client, **took))
            cpu = took["cpu_seconds"] / row.objects * 1e6
            self._report(f"{row.name}: {client}: {took['seconds']:.4f} s, processor {cpu:.0f} us/object")


def _run(order: Order, folder: Path, memory: bool) -> "tuple[dict[str, float], Memory]":
    environment = environment_of(order.client, order.place.environment(), folder)
    if "crt" not in order.client:
        # It is installed beside all of them, and botocore would load it for clients whose users may not have it.
        environment["PYTHONPATH"] += f"{os.pathsep}{WITHOUT_AWSCRT}"
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.race.turn", json.dumps(order._asdict())]
    errors = folder / "errors"
    with errors.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            cwd=folder,
            start_new_session=True,  # so that all it started can be ended with it
        )
    try:
        peak = _watch(process, memory)
        assert process.stdout is not None
        result = process.stdout.read()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    if process.returncode or not result:
        raise TurnFailed(errors.read_text(errors="replace").strip()[-400:] or f"status {process.returncode}")
    took: dict[str, float] = json.loads(result)
    return took, peak


def _watch(process: "subprocess.Popen[bytes]", memory: bool) -> Memory:
    """Wait for the end; the result is short enough for the pipe to hold it."""
    if not memory:
        process.wait(TIME_LIMIT)
        return Memory()
    peak, deadline = Memory(), time.monotonic() + TIME_LIMIT
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise TurnFailed(f"no result in {TIME_LIMIT:.0f} seconds")
        peak = peak.peak_with(of_process_tree(process.pid))
        time.sleep(MEMORY_PAUSE)
    return peak
