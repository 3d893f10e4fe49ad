"""What ``metaflow fasts3 bench`` measures: calls of `S3`, as a user makes them."""

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

from ..api.formatting import readable
from ..api.location import Location, configured_place, split_url
from ..api.s3 import S3
from .client import client
from .output import json_line, print_lines, remark, size_shown
from .targets import place_of, url_of

ROUNDS = 3
REFUSED = range(400, 500)  # of HTTP's statuses: S3 has answered, and stored nothing
LONG = 5.0  # seconds of a round after which there is no other


class Case(NamedTuple):
    """What is measured together."""

    objects: int
    size: int  # bytes of each

    def __str__(self) -> str:
        return f"{self.objects:,} x {size_shown(self.size, human=True)}"


SMALL, LARGE = Case(1000, 1000), Case(8, 16 * 2**20)
QUICK_SMALL, QUICK_LARGE = Case(200, 1000), Case(2, 16 * 2**20)


def cases(objects: Optional[int], size: Optional[int], quick: bool) -> "list[Case]":
    """What to measure: what is asked for, or small and large objects."""
    small, large = (QUICK_SMALL, QUICK_LARGE) if quick else (SMALL, LARGE)
    if objects is None and size is None:
        return [small, large]
    each = small.size if size is None else size
    # Without a number, about as many bytes as would be moved anyway.
    fitting = max(1, min(small.objects, large.objects * large.size // max(1, each)))
    return [Case(fitting if objects is None else objects, each)]


def place_to_measure(run: Optional[str], root: Optional[str]) -> Location:
    """Where to measure.

    Raises
    ------
    click.UsageError
        Nobody says.
    """
    configured = configuration.DATATOOLS_S3ROOT
    if run is None and root is None and not configured:
        raise click.UsageError("Where is it to be measured? Give --root s3://bucket/prefix.")
    if run is None and root is None:
        configured_place()  # whose sentence names the setting
        return place_of(None, str(configured))
    return place_of(run, root)


def measure(place: Location, wanted: "list[Case]", quick: bool, as_json: bool) -> None:
    """Measure, print, and remove what was stored."""
    bucket, prefix = split_url(str(place.root))
    start = f"{prefix}{'/' if prefix else ''}fasts3-bench-{uuid.uuid4().hex[:12]}"
    with client(progress=False) as s3:
        if not as_json:
            # The implementation, because that decides more than anything else here.
            print_lines([f"{url_of(bucket, start)}, by {s3.transfers}"])
        for case in wanted:
            urls = [url_of(bucket, f"{start}/{number:06}") for number in range(case.objects)]
            with _removed(s3, urls, url_of(bucket, start)):
                seconds = _rounds(s3, case, urls, 1 if quick else ROUNDS)
            print_lines(_line(case, verb, times, as_json) for verb, times in seconds.items())


def _rounds(s3: S3, case: Case, urls: "list[str]", rounds: int) -> "dict[str, list[float]]":
    """Seconds of each call in each round, by its verb."""
    body = os.urandom(case.size)  # what can be compressed on its way would be faster than data is
    calls: dict[str, Callable[[], object]] = {
        "put": lambda: s3.put_many([(url, body) for url in urls]),
        "get": lambda: _check(s3, case, urls),
        "delete": lambda: s3.delete_many(urls),
    }
    s3.put_many([(url, b"") for url in urls[:8]])  # the first request meets S3, and workers start
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


def _check(s3: S3, case: Case, urls: "list[str]") -> None:
    if sum(one.size or 0 for one in s3.get_many(urls, return_info=False)) != case.objects * case.size:
        raise click.ClickException("Other bytes came back than were stored: somebody else writes there.")


@contextmanager
def _removed(s3: S3, urls: "list[str]", start: str) -> "Iterator[None]":
    """Remove objects, which are below a URL, however it ends; nothing where S3 refuses to store the first."""
    met = False
    try:
        s3.put(urls[0], b"")
        met = True
        yield
    except BaseException as error:
        if not met and getattr(error, "status", 0) in REFUSED:
            raise
        remark("Removing what was stored.")
        try:
            s3.delete_many(urls)
        except MetaflowException:
            # What went wrong first is what is to be told, and often why this went wrong, too.
            remark(f"That failed, too. What may be left is below {start}/: metaflow fasts3 rm --recursive {start}/")
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
            mb_per_second=None if verb == "delete" else round(rate / 1e6, 2),
        )
    moved = "" if verb == "delete" else f" {f'{readable(rate)}/s':>14}"
    return f"{case!s:<20} {verb:<7} {seconds:>8.2f} s {objects:>10,.0f} objects/s{moved}"
