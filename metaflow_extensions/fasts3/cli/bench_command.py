"""``metaflow fasts3 bench``: how fast S3 is from here."""

# mypy: disallow-untyped-decorators=False

import re
from typing import Any, Optional

from metaflow._vendor import click

from .exit_status import with_exit_status
from .options import with_json, with_place

SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([kmg]?)(i?)(b?)\Z", re.IGNORECASE)
POWERS = {"": 0, "k": 1, "m": 2, "g": 3}
LARGEST = 5 * 2**30  # bytes of an object; what is measured does not change beyond
MOST = 100_000  # objects


class Size(click.ParamType):  # type: ignore[misc]  # metaflow's copy of click has no types
    """A number of bytes: 1000, 1KB, 64MiB."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        found = SIZE.match(str(value))
        if not found:
            raise click.BadParameter(f"{value!r} is not a size. Write it as 1000, 1KB or 64MiB.")
        number, unit, binary, _ = found.groups()
        size = int(float(number) * (1024 if binary else 1000) ** POWERS[unit.lower()])
        if size > LARGEST:
            raise click.BadParameter(f"{value!r} is too large; the largest is 5GiB.")
        return size


@click.command("bench", short_help="Measure how fast S3 is from here.")
@with_place
@click.option("--objects", type=click.IntRange(1, MOST), metavar="N", help="How many, of one size.")
@click.option("--size", type=Size(), metavar="SIZE", help="Of each, e.g. 1KB or 64MiB.")
@click.option("--quick", is_flag=True, help="Less of it, in some seconds.")
@with_json
@with_exit_status
def bench(
    run: Optional[str],
    root: Optional[str],
    objects: Optional[int],
    size: Optional[int],
    quick: bool,
    as_json: bool,
) -> None:
    """Measure how fast objects are stored, fetched and deleted, between this machine and your S3.

    It works below a random prefix in --root, or --run, or METAFLOW_DATATOOLS_S3ROOT, and removes all of it. Shown are
    the medians of three rounds; a slow one is the last. Without --objects and --size, small and large objects are
    measured. It takes less than a minute, unless your S3 is very far away.

    \b
    Examples:
        metaflow fasts3 bench
        metaflow fasts3 bench --quick --root s3://bucket/tmp
        metaflow fasts3 bench --objects 5000 --size 100KB --json
    """  # noqa: D301
    from . import measuring

    place = measuring.place_to_measure(run, root)
    measuring.measure(place, measuring.cases(objects, size, quick), quick, as_json)
