"""A batch of the long run: some thousand random calls in a new process, with a new server.

    python -m model.batch NUMBER SEED OPERATIONS

A program. The number determines the kind of the batch; number and seed together determine the calls. At the end,
or at the end of an example after a SIGINT, it prints a line of JSON: what was done, and the first difference.
"""

import gc
import json
import signal
import sys
import threading
import time
import traceback
from typing import Any, NamedTuple, Optional

import conftest  # noqa: F401  # forgets this machine's settings
import metaflow.metaflow_config
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from model.machine import FAULTS, machine_for
from model.tally import Tally
from model.values import MOSTLY_TINY
from model.versions import versions_for
from servers.faulty import FaultyS3
from servers.starters import STARTERS
from servers.world import PATIENCE, SILENCE
from soak.load import have_workers

# Of an example. To begin, and to compare all objects at the end, takes as long as ten steps. Lists of versions grow.
STEPS = {"objects": 250, "versions": 40}
CALLS_PER_STEP = {"objects": 1, "versions": 4}


class Kind(NamedTuple):
    """What the calls of a batch have in common."""

    server: str
    transfers: str  # wire or boto3
    machine: str = "objects"  # or versions
    faults: bool = False  # a quarter of the calls meet faults, in a proxy; the others of these batches pass through it
    workers: bool = False  # calls for several objects are executed by workers; otherwise the client decides

    def __str__(self) -> str:
        flags = [name for name in ("faults", "workers") if getattr(self, name)]
        return ", ".join([self.server, self.transfers, *([self.machine] if self.machine == "versions" else []), *flags])


# Most without what takes long: faults and boto3. Not moto, which takes several times as long as SeaweedFS.
KINDS = [
    Kind("seaweedfs", "wire", faults=True),
    Kind("seaweedfs", "wire", "versions", faults=True),
    Kind("seaweedfs", "boto3", faults=True),
    Kind("seaweedfs", "wire", workers=True),
    *[Kind("seaweedfs", "wire")] * 16,
    Kind("seaweedfs", "wire", faults=True),
    Kind("seaweedfs", "boto3"),
    Kind("seaweedfs", "wire", workers=True),
    *[Kind("seaweedfs", "wire")] * 17,
]
SOME_FAULTS = st.integers(0, 3).flatmap(lambda number: st.just([]) if number else FAULTS)


class Direct(FaultyS3):
    """A proxy that clients do not use."""

    def client_params(self) -> "dict[str, Any]":
        return self.real.client_params()


def run(number: int, chosen: int, operations: int) -> "dict[str, Any]":
    """Run a batch, until its first difference."""
    kind, tally = KINDS[number % len(KINDS)], Tally()
    started = time.monotonic()
    metaflow.metaflow_config.S3_TRANSFERS = kind.transfers
    if kind.workers:
        have_workers()
    with STARTERS[kind.server]() as server, (FaultyS3 if kind.faults else Direct)(server) as proxy:
        oracle = server.boto3_client()
        if kind.machine == "versions":
            machine = versions_for(proxy, oracle, tally)
        else:
            faults, silence = (SOME_FAULTS, SILENCE) if kind.faults else (st.just([]), PATIENCE)
            machine = machine_for(proxy, oracle, tally, MOSTLY_TINY, faults, silence)
        steps = min(STEPS[kind.machine], -(-operations // CALLS_PER_STEP[kind.machine]))
        machine = seed(chosen * 1_000_000 + number)(stoppable(machine))
        difference = first_difference(machine, steps, 1 + -(-operations // (steps * CALLS_PER_STEP[kind.machine])))
        oracle.close()
    seconds = time.monotonic() - started
    return {**vars(tally), "kind": str(kind), "seconds": seconds, "difference": difference}


def stoppable(machine: Any) -> Any:
    """Make a machine that begins no example after a SIGINT."""
    stopping = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopping.set())

    class Stoppable(machine):  # type: ignore[misc]
        def __init__(self) -> None:
            if stopping.is_set():
                raise KeyboardInterrupt
            super().__init__()

    return Stoppable


def first_difference(machine: Any, steps: int, examples: int) -> Optional[str]:
    """Run a machine; return the traceback of a failure, which has all steps."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=[Phase.generate],  # shrinking would take longer than the batch
        database=None,
        deadline=None,
        derandomize=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(machine, settings=chosen)
    except KeyboardInterrupt:
        return None
    except Exception:
        return traceback.format_exc()
    return None


if __name__ == "__main__":
    # Most objects are those of imported modules, or the choices that hypothesis keeps.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    print(json.dumps(run(*map(int, sys.argv[1:4]))))
