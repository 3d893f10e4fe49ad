"""The speed of small requests and large objects, and the implementation that transfers them."""

import contextlib
import os
import statistics
import time
from typing import Callable

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import MetaflowS3AccessDenied
from metaflow_extensions.fasts3.api.formatting import readable
from metaflow_extensions.fasts3.boto.settings import Settings
from metaflow_extensions.fasts3.doctor.context import Context
from metaflow_extensions.fasts3.doctor.findings import Finding, ok, skipped
from metaflow_extensions.fasts3.doctor.permissions import refused
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

SMALL_REQUESTS = 10
ENOUGH = 1.5  # seconds for these; with a distant server, fewer are made
MIB = 2**20
LARGE = 32 * MIB  # bytes: four parts
TRIAL = MIB  # bytes, to estimate how many can be transferred in time
WORTH = 2.0  # seconds for one direction


def check_round_trip(context: Context) -> Finding:
    """How long a small request takes on an open connection."""
    url = context.written or context.new_url()

    def head() -> None:
        with contextlib.suppress(MetaflowS3AccessDenied):  # a response, too
            context.s3.info(url, return_missing=True)

    try:
        head()
        taken = [_timed(head)]
        while len(taken) < SMALL_REQUESTS and sum(taken) < ENOUGH:
            taken.append(_timed(head))
    except MetaflowException as error:
        return refused(error, "s3:GetObject", url)
    seconds = statistics.median(taken)
    message = f"A small request takes {seconds * 1000:.1f} ms (median of {len(taken)})."
    return ok(message, milliseconds=round(seconds * 1000, 2))


def check_throughput(context: Context) -> Finding:
    """How fast one large object is uploaded and downloaded. It replaces the small one, and is deleted instead."""
    url = context.written
    if not context.throughput or url is None:
        return skipped("Not measured with --quick.")
    try:
        size = size_for(_timed(lambda: context.s3.put(url, os.urandom(TRIAL))))
        body = os.urandom(size)
        up = _timed(lambda: context.s3.put(url, body))
        down = _timed(lambda: context.s3.get(url))
    except MetaflowException as error:
        return refused(error, "s3:PutObject and s3:GetObject", url)
    parts = -(-size // PART_SIZE)
    how = f"in {parts} parts" if parts > 1 else "in one request"
    message = f"One object of {readable(size)}, {how}: {_rate(size, up)} up, {_rate(size, down)} down."
    rates = {"bytes": size, "up_bytes_per_second": round(size / up), "down_bytes_per_second": round(size / down)}
    return ok(message, **rates)


def size_for(seconds: float) -> int:
    """The number of bytes for the measurement if the trial took this long: whole MiB that take a few seconds."""
    return max(MIB, min(LARGE, int(TRIAL / max(seconds, 1e-6) * WORTH) // MIB * MIB))


def check_transfers(context: Context) -> Finding:
    """Which implementation transfers data, and why."""
    bucket = context.bucket if context.root else ""
    reason = context.create_client().why_boto3(Settings.read().transfers, bucket)
    if reason is None:
        return ok("This package's own HTTP client transfers the data.")
    return ok(f"boto3 transfers the data, more slowly than this package's own HTTP client: {reason}.")


def _timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def _rate(size: int, seconds: float) -> str:
    return f"{readable(size / seconds)}/s"
