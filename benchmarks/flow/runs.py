"""One run of the flow, with one datastore and one class, and its times."""

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple, Optional

from ..client import OURS, OWN, environment_of
from ..servers.place import Place

FLOW = Path(__file__).with_name("tasks_flow.py")
TIME_LIMIT = 1800.0  # seconds; with Metaflow's own class, far from S3, on a busy machine
FAR = 0.03  # seconds


class Row(NamedTuple):
    """A datastore, and the class that accesses it."""

    name: str
    which: str
    seconds_away: Optional[float] = None  # of S3; None: the local datastore


ROWS = (
    Row("local datastore", OURS),
    Row("S3 next door, ours", OURS, 0.0),
    Row("S3 next door, Metaflow's own", OWN, 0.0),
    Row("S3 30 ms away, ours", OURS, FAR),
    Row("S3 30 ms away, Metaflow's own", OWN, FAR),
)


class FlowFailed(Exception):
    """A run of the flow failed or took too long."""


class Took(NamedTuple):
    """The times of a run."""

    seconds: float
    cpu_seconds: float  # of all its processes; not of the server


def run(row: Row, place: Place, folder: Path, tasks: int) -> Took:
    """Run the flow in a new folder, and remove the folder.

    Raises
    ------
    FlowFailed
    """
    folder.mkdir()
    try:
        return _run(row, environment(row, place, folder), folder, tasks)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment(row: Row, place: Place, folder: Path) -> "dict[str, str]":
    """Return the environment of a user with this datastore and no other settings."""
    variables = environment_of(row.which, place.environment(), folder)
    variables.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled once, not in each process
    root = f"s3://{place.bucket}/{folder.name}"
    return {
        **variables,
        "METAFLOW_USER": "benchmark",
        "METAFLOW_DEFAULT_METADATA": "local",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
        "METAFLOW_DATASTORE_SYSROOT_S3": f"{root}/metaflow",
        "METAFLOW_DATATOOLS_S3ROOT": f"{root}/data",
    }


def _run(row: Row, variables: "dict[str, str]", folder: Path, tasks: int) -> Took:
    datastore = "local" if row.seconds_away is None else "s3"
    arguments = ["--quiet", "--datastore", datastore, "run", "--tasks", str(tasks)]
    before, started = _spent(), time.perf_counter()
    log = folder / "log"
    with log.open("wb") as output:
        try:
            status = subprocess.call(
                [sys.executable, "-W", "ignore", os.fspath(FLOW), *arguments],
                env=variables,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=TIME_LIMIT,
            )
        except subprocess.TimeoutExpired as error:
            raise FlowFailed(f"it took more than {TIME_LIMIT:.0f} seconds") from error
    if status:
        raise FlowFailed(log.read_text(errors="replace")[-2000:])
    return Took(time.perf_counter() - started, _spent() - before)


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
