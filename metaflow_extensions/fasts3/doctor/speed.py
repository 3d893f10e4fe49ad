"""How fast it is: a small request, a large object, and which implementation moves the bytes."""

import contextlib
import os
import statistics
import time
from typing import Callable

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import MetaflowS3AccessDenied
from metaflow_extensions.fasts3.api.formatting import readable
from metaflow_extensions.fasts3.boto.settings import Settings
from metaflow_extensions.fasts3.doctor.findings import Finding, ok, skipped
from metaflow_extensions.fasts3.doctor.rights import refused
from metaflow_extensions.fasts3.doctor.subject import Subject
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

SMALL_REQUESTS = 10
ENOUGH = 1.5  # seconds for these; far away, fewer have to do
MIB = 2**20
LARGE = 32 * MIB  # bytes: four parts
TRIAL = MIB  # bytes that tell how much can be moved in time
WORTH = 2.0  # seconds for one direction


def check_round_trip(subject: Subject) -> Finding:
    """How long a small request takes, on a connection that is there already."""
    url = subject.written or subject.new_url()

    def head() -> None:
        with contextlib.suppress(MetaflowS3AccessDenied):  # an answer as good as any
            subject.s3.info(url, return_missing=True)

    try:
        head()
        taken = [_timed(head)]
        while len(taken) < SMALL_REQUESTS and sum(taken) < ENOUGH:
            taken.append(_timed(head))
    except MetaflowException as error:
        return refused("round_trip", error, "s3:GetObject", url)
    seconds = statistics.median(taken)
    told = f"A small request takes {seconds * 1000:.1f} ms (median of {len(taken)})."
    return ok("round_trip", told, milliseconds=round(seconds * 1000, 2))


def check_throughput(subject: Subject) -> Finding:
    """How fast one object of some size goes there and back. It takes the place of the small one, and goes with it."""
    name, url = "throughput", subject.written
    if not subject.throughput or url is None:
        return skipped(name, "Not measured with --no-throughput.")
    try:
        size = size_for(_timed(lambda: subject.s3.put(url, os.urandom(TRIAL))))
        body = os.urandom(size)
        up = _timed(lambda: subject.s3.put(url, body))
        down = _timed(lambda: subject.s3.get(url))
    except MetaflowException as error:
        return refused(name, error, "s3:PutObject and s3:GetObject", url)
    parts = -(-size // PART_SIZE)
    how = f"in {parts} parts" if parts > 1 else "in one request"
    told = f"One object of {readable(size)}, {how}: {_rate(size, up)} up, {_rate(size, down)} down."
    rates = {"bytes": size, "up_bytes_per_second": round(size / up), "down_bytes_per_second": round(size / down)}
    return ok(name, told, **rates)


def size_for(seconds: float) -> int:
    """How many bytes to measure with, where the trial took so long: whole MiBs that take a few seconds at the most."""
    return max(MIB, min(LARGE, int(TRIAL / max(seconds, 1e-6) * WORTH) // MIB * MIB))


def check_transfers(subject: Subject) -> Finding:
    """Which implementation moves the bytes, and why."""
    name = "transfers"
    bucket = subject.bucket if subject.root else ""
    reason = subject.known_connection().why_boto3(Settings.read().transfers, bucket)
    if reason is None:
        return ok(name, "This package's own wire moves the bytes.")
    return ok(name, f"boto3 moves the bytes, slower than this package's own wire: {reason}.")


def _timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def _rate(size: int, seconds: float) -> str:
    return f"{readable(size / seconds)}/s"
