"""``metaflow fasts3 bench``: measures calls of `S3` between this machine and the server."""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Callable, NamedTuple, Optional

import metaflow.metaflow_config as configuration
from metaflow._vendor import click
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.formatting import readable
from metaflow_extensions.fasts3.api.location import Location, configured_place, split_url
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import Size, with_json, with_location
from metaflow_extensions.fasts3.cli.output import json_line, message, print_lines
from metaflow_extensions.fasts3.cli.selection import location_from, url_of

MOST = 100_000  # objects
ROUNDS = 3
REFUSED = range(400, 500)  # HTTP statuses after which S3 has stored nothing
LONG = 5.0  # seconds; a longer round is the last one


class Case(NamedTuple):
    """The objects of one measurement."""

    objects: int
    size: int  # bytes of each

    def __str__(self) -> str:
        return f"{self.objects:,} x {readable(self.size)}"


SMALL, LARGE = Case(1000, 1000), Case(8, 16 * 2**20)
QUICK_SMALL, QUICK_LARGE = Case(200, 1000), Case(2, 16 * 2**20)


@click.command("bench", short_help="Measure the speed of S3 from this machine.")
@with_location
@click.option("--objects", type=click.IntRange(1, MOST), metavar="N", help="Number of objects, all of one size.")
@click.option("--size", type=Size(), metavar="SIZE", help="Size of each object, e.g. 1KiB or 64MiB.")
@click.option("--quick", is_flag=True, help="Measure for a few seconds only.")
@with_json
@with_connection
@with_exit_status
def bench(
    run: Optional[str],
    root: Optional[str],
    objects: Optional[int],
    size: Optional[int],
    quick: bool,
    as_json: bool,
    connection: Connection,
) -> None:
    """Measure the speed of uploads, downloads and deletions between this machine and S3.

    The command uses a random prefix below --root, --run or METAFLOW_DATATOOLS_S3ROOT, and deletes its objects at the
    end. It prints the medians of three rounds, or of fewer if they are slow. Without --objects and --size, it measures
    small and large objects. It takes less than a minute, unless S3 is very far away.

    \b
    Examples:
        metaflow fasts3 bench
        metaflow fasts3 bench --quick --root s3://bucket/tmp
        metaflow fasts3 bench --objects 5000 --size 100KiB --json
    """
    bucket, prefix = split_url(str(_location(run, root).root))
    start = f"{prefix}{'/' if prefix else ''}fasts3-bench-{uuid.uuid4().hex[:12]}"
    with connection.open(progress=False) as s3:
        if not as_json:
            # The implementation makes the largest difference.
            print_lines([f"{url_of(bucket, start)}, by {s3.transfers}"])
        for case in cases(objects, size, quick):
            urls = [url_of(bucket, f"{start}/{number:06}") for number in range(case.objects)]
            with _removed(s3, urls, url_of(bucket, start)):
                seconds = _rounds(s3, case, urls, 1 if quick else ROUNDS)
            print_lines(_line(case, verb, times, as_json) for verb, times in seconds.items())


def cases(objects: Optional[int], size: Optional[int], quick: bool) -> "list[Case]":
    """The cases to measure: the given objects, or small and large ones."""
    small, large = (QUICK_SMALL, QUICK_LARGE) if quick else (SMALL, LARGE)
    if objects is None and size is None:
        return [small, large]
    each = small.size if size is None else size
    # Without a number, about as many bytes as in the default cases.
    number = max(1, min(small.objects, large.objects * large.size // max(1, each)))
    return [Case(number if objects is None else objects, each)]


def _location(run: Optional[str], root: Optional[str]) -> Location:
    if run is not None or root is not None:
        return location_from(run, root)
    if not configuration.DATATOOLS_S3ROOT:
        raise click.UsageError("No location is given or configured. Give --root s3://bucket/prefix.")
    configured_place()  # its error names the setting
    return location_from(None, str(configuration.DATATOOLS_S3ROOT))


def _rounds(s3: S3, case: Case, urls: "list[str]", rounds: int) -> "dict[str, list[float]]":
    """The seconds of each call in each round, by its verb."""
    body = os.urandom(case.size)  # not compressible
    calls: dict[str, Callable[[], object]] = {
        "put": lambda: s3.put_many([(url, body) for url in urls]),
        "get": lambda: _get(s3, case, urls),
        "delete": lambda: s3.delete_many(urls),
    }
    # Connections and workers are started before the first measurement.
    s3.put_many([(url, b"") for url in urls[:8]])
    s3.delete_many(urls[:1])
    seconds: dict[str, list[float]] = {verb: [] for verb in calls}
    for _ in range(rounds):
        for verb, call in calls.items():
            began = time.perf_counter()
            call()
            seconds[verb].append(time.perf_counter() - began)
            s3.close()  # the files of `get`
        if sum(times[-1] for times in seconds.values()) > LONG:
            break
    return seconds


def _get(s3: S3, case: Case, urls: "list[str]") -> None:
    if sum(one.size or 0 for one in s3.get_many(urls, return_info=False)) != case.objects * case.size:
        raise click.ClickException(
            "Downloaded bytes differ from the uploaded ones: another program writes to this prefix."
        )


@contextmanager
def _removed(s3: S3, urls: "list[str]", start: str) -> "Iterator[None]":
    """Remove the objects after an error, unless S3 refused to store the first."""
    stored = False
    try:
        s3.put(urls[0], b"")
        stored = True
        yield
    except BaseException as error:
        if not stored and getattr(error, "status", 0) in REFUSED:
            raise
        message("Deleting the stored objects.")
        try:
            s3.delete_many(urls)
        except MetaflowException:
            # The first error is raised; it is often the reason for this one.
            message(f"That failed, too. Objects may remain below {start}/: metaflow fasts3 rm --recursive {start}/")
        raise


def _line(case: Case, verb: str, times: "list[float]", as_json: bool) -> str:
    seconds = median(times)
    objects, rate = case.objects / seconds, case.objects * case.size / seconds
    if as_json:
        return json_line(
            operation=verb,
            objects=case.objects,
            size=case.size,
            rounds=len(times),
            seconds=round(seconds, 4),
            objects_per_second=round(objects, 1),
            bytes_per_second=None if verb == "delete" else round(rate),
        )
    moved = "" if verb == "delete" else f" {f'{readable(rate)}/s':>14}"
    return f"{case!s:<20} {verb:<7} {seconds:>8.2f} s {objects:>10,.0f} objects/s{moved}"
