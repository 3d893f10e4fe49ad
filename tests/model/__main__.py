"""A million random calls of `S3`, compared with the model.

    python -m model [OPERATIONS] [--processes N] [--seed N]

Runs batches in new processes, each with its own server, until they have made that many calls. An operation is a call of
a public method of `S3`, with one key or many. Prints a line for each batch and a table at the end. A difference is
printed with all steps that led to it, and the run continues; then the exit status is 1. Ctrl-C ends the run with the
table, a second Ctrl-C without.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Optional

MOST = 10_000  # operations of a batch: the server's data grow with them, and the memory of hypothesis
LEAST = 40
ENOUGH = 20  # differences and failures after which no batch starts
PARTS = 20  # batches of a short run


class Run:
    """The batches that have ended."""

    def __init__(self, seed: int, size: int) -> None:
        self.seed, self.size = seed, size
        self.calls: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.sums: Counter[str] = Counter()
        self.differences: list[int] = []  # numbers of batches
        self.failed: list[int] = []  # batches whose process ended without a result
        self._processes: set[subprocess.Popen[str]] = set()
        self.stopped = False

    @property
    def operations(self) -> int:
        return sum(self.calls.values())

    def batch(self, number: int) -> "tuple[int, Optional[dict[str, Any]]]":
        """Run a batch in a new process."""
        command = [sys.executable, "-m", "model.batch", str(number), str(self.seed), str(self.size)]
        # In a session of its own, which Ctrl-C does not reach.
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
            self._processes.add(process)
            output, _ = process.communicate()
            self._processes.discard(process)
        return number, json.loads(output) if process.returncode == 0 else None

    def stop(self, *_: object) -> None:
        """Start no other batch, and end those that run. A second signal interrupts."""
        self.stopped = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for process in list(self._processes):
            process.send_signal(signal.SIGINT)

    def add(self, number: int, result: "Optional[dict[str, Any]]") -> None:
        """Take the numbers of a batch."""
        if result is None:
            self.failed.append(number)
            print(f"batch {number} failed", flush=True)
            return
        self.calls.update(result["calls"])
        self.kinds[result["kind"]] += sum(result["calls"].values())
        self.sums.update({name: result.get(name, 0) for name in ("with_faults", "faults", "warnings", "read")})
        if result["difference"]:
            self.differences.append(number)
            print(f"\n{result['difference']}\nDIFFERENCE in batch {number}; to repeat it, in tests/:")
            print(f"python -m model.batch {number} {self.seed} {self.size}\n")
        print(
            f"{self.operations} operations, {self.sums['faults']} faults, {len(self.differences)} differences; "
            f"batch {number}, {result['kind']}: {sum(result['calls'].values())} in {result['seconds']:.0f} s",
            flush=True,
        )

    def report(self, seconds: float) -> int:
        """Print the table; return the exit status."""
        print(f"\n{'operations':22} {self.operations:10,}")
        for name, count in [*self.calls.most_common(), *self.kinds.most_common()]:
            print(f"  {name:20} {count:10,}")
        names = {"with_faults": "calls with faults", "faults": "faults", "warnings": "warnings", "read": "bytes read"}
        for name, label in names.items():
            print(f"{label:22} {self.sums[name]:10,}")
        print(f"{'minutes':22} {seconds / 60:10.1f}\n{'seed':22} {self.seed:10}")
        print(f"{'failed batches':22} {len(self.failed):10}\n{'differences':22} {len(self.differences):10}")
        return 1 if self.differences or self.failed or not self.operations else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m model")
    parser.add_argument("operations", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    started, following = time.monotonic(), 0
    run = Run(options.seed, max(LEAST, min(MOST, options.operations // PARTS)))
    signal.signal(signal.SIGINT, run.stop)
    with ThreadPoolExecutor(options.processes) as pool:
        running: set[Future[Any]] = set()
        while True:
            # Batches that run will do their part.
            while (
                len(running) < options.processes
                and not run.stopped
                and len(run.differences + run.failed) < ENOUGH
                and run.operations + len(running) * run.size < options.operations
            ):
                running.add(pool.submit(run.batch, following))
                following += 1
            if not running:
                break
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for one in ended:
                run.add(*one.result())
    return run.report(time.monotonic() - started)


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    sys.exit(main())
