"""``metaflow fasts3 du``: counts objects and their bytes."""

from collections.abc import Iterable
from typing import NamedTuple, Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import with_human, with_json, with_location, with_patterns, with_raw
from metaflow_extensions.fasts3.cli.output import format_name, format_size, json_line, print_lines
from metaflow_extensions.fasts3.cli.selection import filtered, listed, location_from, select_one, url_of


class Sum(NamedTuple):
    """The sum of some objects."""

    size: int = 0  # bytes
    objects: int = 0


@click.command("du", short_help="Count objects and their bytes.")
@click.argument("urls", metavar="[URL]", nargs=-1)
@with_location
@click.option(
    "--depth",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Also print the sum of each directory, up to N levels deep.",
)
@click.option("--group", is_flag=True, help="Print the sum of each directory one level deep: --depth 1.")
@with_human
@with_patterns
@with_json
@with_raw
@with_connection
@with_exit_status
def du(
    urls: "tuple[str, ...]",
    run: Optional[str],
    root: Optional[str],
    depth: int,
    group: bool,
    human: bool,
    include: "tuple[str, ...]",
    exclude: "tuple[str, ...]",
    as_json: bool,
    raw: bool,
    connection: Connection,
) -> None:
    """Count the objects below a prefix, or those that match a pattern, and add up their bytes.

    Each line has the number of bytes, the number of objects, and a URL. The last line is the total. A prefix is a
    directory. If there is no object, the exit status is 1.

    \b
    Examples:
        metaflow fasts3 du s3://bucket/data
        metaflow fasts3 du --group -h s3://bucket/data
        metaflow fasts3 du 's3://bucket/data/*.csv'
        metaflow fasts3 du --run MyFlow/123 --json
    """
    selection = filtered(select_one(urls, location_from(run, root), raw), include, exclude)
    start = len(url_of(selection.bucket, selection.stem))
    sums = {"": Sum()}
    with connection.open(progress=False) as s3, listed(s3, selection) as pages:
        for page in pages:
            _add(page, sums, start, depth or int(group))
    total = sums.pop("")
    if not total.objects and not selection.is_all:
        raise click.ClickException(selection.nothing())
    lines = [*sorted(sums.items()), (selection.url, total)]
    print_lines(_line(url, one, human, as_json) for url, one in lines)


def _add(objects: "Iterable[S3Object]", sums: "dict[str, Sum]", start: int, depth: int) -> None:
    """Add objects to the total, "", and to the sums of their directories, by URL with a slash.

    `start` is the number of characters of URLs before the first of these directories, which are `depth` levels deep.
    """
    for one in objects:
        names = [""]
        end = start
        for _ in range(depth):
            end = one.url.find("/", end) + 1
            if not end:
                break
            names.append(one.url[:end])
        for name in names:
            known = sums.get(name, Sum())
            sums[name] = Sum(known.size + (one.size or 0), known.objects + 1)


def _line(url: str, one: Sum, human: bool, as_json: bool) -> str:
    if as_json:
        return json_line(url=url, objects=one.objects, bytes=one.size)
    return f"{format_size(one.size, human):>14} {one.objects:>10} {format_name(url)}"
