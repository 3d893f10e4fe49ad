"""The command ``python -m benchmarks.flow``: selects rounds, tasks and rows, and prints the table."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from statistics import median
from typing import Callable

from ..client import OURS
from ..machine import description
from ..servers import nginx_program
from ..servers.nginx_delay import NginxDelay
from ..servers.place import Place
from ..servers.seaweedfs import SeaweedServer
from .runs import ROWS, FlowFailed, Row, Took, run

ROUNDS = 5
TASKS = 30
SMOKE_TASKS = 2
OTHERS = 3  # tasks besides those of the foreach


def main() -> int:
    """Measure and print the table; return 1 if a run failed, not if it was slow."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.flow",
        description="A flow of 33 tasks with its artifacts in the local datastore and in S3, with both classes.",
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"how often (default: {ROUNDS})")
    parser.add_argument("--tasks", type=int, default=TASKS, metavar="N", help=f"of the foreach (default: {TASKS})")
    parser.add_argument("--rows", default="", metavar="PATTERN", help="only rows with this in their name; * and ? work")
    parser.add_argument("--smoke", action="store_true", help="run a few tasks once, to test the benchmark")
    arguments = parser.parse_args()
    rounds, tasks = (1, SMOKE_TASKS) if arguments.smoke else (arguments.rounds, arguments.tasks)
    rows = [row for row in ROWS if fnmatchcase(row.name.lower(), f"*{arguments.rows.lower()}*")]
    if arguments.smoke:
        rows = [row for row in rows if row.seconds_away == 0.0 and row.which == OURS]
    if not rows:
        parser.error(f"no row has {arguments.rows!r} in its name")
    try:
        if any(row.seconds_away for row in rows):
            nginx_program.ensure(_report)
        with tempfile.TemporaryDirectory(prefix="fasts3-flow-") as scratch:
            took = _measure(rows, rounds, tasks, Path(scratch))
    except (FlowFailed, nginx_program.NoNginx) as error:
        print(error, file=sys.stderr)
        return 1
    print(_table(rows, took, tasks))
    return 0


def _measure(rows: "list[Row]", rounds: int, tasks: int, scratch: Path) -> "dict[str, list[Took]]":
    """Run all rows in turn, in several rounds; each round begins with another row."""
    took: dict[str, list[Took]] = {row.name: [] for row in rows}
    with _places(scratch) as place_of:
        for number in range(rounds):
            first = number % len(rows)
            for row in rows[first:] + rows[:first]:
                folder = scratch / f"run-{number}-{rows.index(row)}"
                one = run(row, place_of(row.seconds_away or 0.0), folder, tasks)
                took[row.name].append(one)
                _report(
                    f"{row.name}: {one.seconds:.1f} s, processor {one.cpu_seconds:.1f} s; load {os.getloadavg()[0]:.1f}"
                )
    return took


@contextmanager
def _places(scratch: Path) -> "Iterator[Callable[[float], Place]]":
    """SeaweedFS, directly and with a delay."""
    with ExitStack() as stack:
        near = stack.enter_context(SeaweedServer(scratch)).place

        @cache
        def place_of(seconds: float) -> Place:
            return stack.enter_context(NginxDelay(scratch, near, seconds)).place if seconds else near

        yield place_of


def _table(rows: "list[Row]", took: "dict[str, list[Took]]", tasks: int) -> str:
    described = ", ".join(f"{name} {value}" for name, value in description().items())
    rounds = len(took[rows[0].name])
    lines = [
        f"A flow of {tasks + OTHERS} tasks, {rounds} rounds, medians. {described}.",
        "",
        "| artifacts in | time | best | processor |",
        "|---|---:|---:|---:|",
    ]
    for row in rows:
        seconds = [one.seconds for one in took[row.name]]
        cpu = median(one.cpu_seconds for one in took[row.name])
        lines.append(f"| {row.name} | {median(seconds):.1f} s | {min(seconds):.1f} s | {cpu:.1f} s |")
    return "\n".join(lines)


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
