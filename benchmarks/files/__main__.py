"""The command ``python -m benchmarks.files``: selects rows, libraries and rounds, and prints the table."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, Callable

import boto3

from ..calls import key_of
from ..client import environment_of
from ..machine import description
from ..servers import nginx_program
from ..servers.nginx_delay import NginxDelay
from ..servers.place import Place
from ..servers.seaweedfs import SeaweedServer
from .libraries import LIBRARIES, PACKAGES
from .rows import ROWS, SMOKE, Row
from .turn import NAME, Order

ROUNDS = 5
TIME_LIMIT = 300.0  # seconds for one turn
IN_MEMORY = "/dev/shm"
SMALL = ("small", 1, 1000)  # a set of objects


def main() -> int:
    """Compare, and print the table; return 1 if a library failed, not if it was slow."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.files", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"how often (default: {ROUNDS})")
    parser.add_argument("--rows", default="", metavar="PATTERN", help="only rows with this in their name; * and ? work")
    parser.add_argument("--libraries", default="", metavar="A,B", help=f"of {', '.join(LIBRARIES)}; all installed ones")
    parser.add_argument("--smoke", action="store_true", help="a few MB once, with this package, to test the benchmark")
    arguments = parser.parse_args()
    rows = [row for row in (SMOKE if arguments.smoke else ROWS) if _matches(row, arguments.rows)]
    installed = ["ours"] if arguments.smoke else [name for name in LIBRARIES if _version(name)]
    libraries = arguments.libraries.split(",") if arguments.libraries else installed
    if not rows or not set(libraries) <= set(LIBRARIES):
        parser.error("no such row or library")
    if any(row.verb == "columns" for row in rows) and not _version("pyarrow.fs"):
        _report("pyarrow is not installed: the rows with columns are left out")
        rows = [row for row in rows if row.verb != "columns"]
    try:
        if any(row.seconds_away for row in rows):
            nginx_program.ensure(_report)
        with tempfile.TemporaryDirectory(prefix="fasts3-files-", dir=_scratch()) as scratch:
            samples, failures = _measure(rows, libraries, 1 if arguments.smoke else arguments.rounds, Path(scratch))
    except nginx_program.NoNginx as error:
        print(error, file=sys.stderr)
        return 1
    print(_table(rows, libraries, samples))
    return 1 if failures else 0


def _matches(row: Row, pattern: str) -> bool:
    return fnmatchcase(row.name.lower(), f"*{pattern.lower()}*")


def _version(library: str) -> str:
    try:
        return version(PACKAGES.get(library, library))
    except PackageNotFoundError:
        return ""


def _scratch() -> "str | None":
    return IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None


def _measure(rows: Sequence[Row], libraries: "list[str]", rounds: int, scratch: Path) -> "tuple[Any, int]":
    """Run each row with all libraries in turn, in several rounds; each round begins with another library."""
    samples: dict[tuple[str, str], list[dict[str, float]]] = {}
    failures = 0
    for row in rows:
        for number in range(rounds):
            # A new server each time: SeaweedFS keeps overwritten and deleted data for a long time.
            with ExitStack() as stack:
                place_of = _places(stack, scratch)
                _fill(place_of(0.0), row, stack)
                first = number % len(libraries)
                for name in libraries[first:] + libraries[:first]:
                    try:
                        took = _turn(name, row, place_of(row.seconds_away), scratch)
                    except (subprocess.SubprocessError, OSError, ValueError) as error:
                        failures += 1
                        _report(f"{row.name}: {name}: FAILED: {getattr(error, 'stderr', '') or error}"[-2000:])
                        continue
                    samples.setdefault((row.name, name), []).append(took)
                    seconds, cpu = took["seconds"], took["cpu_seconds"]
                    _report(
                        f"{row.name}: {name}: {seconds:.3f} s, processor {cpu:.2f} s; load {os.getloadavg()[0]:.1f}"
                    )
    return samples, failures


def _places(stack: ExitStack, scratch: Path) -> "Callable[[float], Place]":
    """SeaweedFS, directly and with a delay."""
    server = stack.enter_context(SeaweedServer(scratch))
    server.fill(*SMALL)

    @cache
    def place_of(seconds: float) -> Place:
        return stack.enter_context(NginxDelay(scratch, server.place, seconds)).place if seconds else server.place

    return place_of


def _client(place: Place) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=place.endpoint_url,
        region_name=place.region,
        aws_access_key_id=place.access_key,
        aws_secret_access_key=place.secret_key,
    )


def _fill(place: Place, row: Row, stack: ExitStack) -> None:
    """Store what a row reads."""
    from ..content import blocks

    if row.verb == "write":
        return
    with tempfile.TemporaryDirectory(dir=_scratch()) as folder:
        path = os.path.join(folder, "object")
        if row.verb == "columns":
            _write_table(path, row.rows)
        else:
            with open(path, "wb") as file:
                file.writelines(blocks(NAME, row.size))
        _client(place).upload_file(path, place.bucket, _key(row))


def _write_table(path: str, rows: int) -> None:
    """Write a table of 20 columns of random numbers, with the row groups that pyarrow makes."""
    import numpy
    import pyarrow
    import pyarrow.parquet

    random = numpy.random.default_rng(1)
    columns = {f"column{number:02}": random.random(rows) for number in range(20)}
    pyarrow.parquet.write_table(pyarrow.table(columns), path, compression="none", use_dictionary=False)


def _key(row: Row) -> str:
    return f"{row.verb}/{key_of(NAME)}"


def _turn(library: str, row: Row, place: Place, scratch: Path) -> "dict[str, float]":
    order = Order(library, place, row.verb, _key(row), row.amount, f"{SMALL[0]}/{key_of(NAME)}")
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.files.turn", json.dumps(order._asdict())],
            env=environment_of("ours", place.environment(), Path(folder)),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=True,
        )
    took: dict[str, float] = json.loads(done.stdout)
    if (
        row.verb == "write"
        and _client(place).head_object(Bucket=place.bucket, Key=_key(row))["ContentLength"] != row.size
    ):
        raise ValueError(f"{library} stored another size")
    return took


def _table(
    rows: Sequence[Row], libraries: "list[str]", samples: "dict[tuple[str, str], list[dict[str, float]]]"
) -> str:
    described = ", ".join(f"{name} {value}" for name, value in description().items())
    versions = ", ".join(f"{name} {_version(name)}" for name in libraries if name != "ours")
    lines = [
        f"Files, medians of the rounds: seconds (processor seconds, MB of memory at the peak). {described}. {versions}",
        "",
        f"| | {' | '.join(libraries)} |",
        f"|---|{'---:|' * len(libraries)}",
    ]
    for row in rows:
        cells = []
        for name in libraries:
            took = samples.get((row.name, name))
            cells.append("failed")
            if took:
                seconds, cpu, peak = (median(one[what] for one in took) for what in ("seconds", "cpu_seconds", "peak"))
                cells[-1] = f"{seconds:.2f} ({cpu:.2f}, {peak / 2**20:.0f})"
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
