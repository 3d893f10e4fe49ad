"""``metaflow fasts3 du``: how many objects there are, and how many bytes they have."""

# mypy: disallow-untyped-decorators=False

from typing import Optional

from metaflow._vendor import click

from .exit_status import with_exit_status
from .options import with_human, with_json, with_place, with_raw


@click.command("du", short_help="Count objects and their bytes.")
@click.argument("urls", metavar="[URL]", nargs=-1)
@with_place
@click.option(
    "--depth", type=click.IntRange(0), default=0, metavar="N", help="Also for each directory, up to N levels deep."
)
@click.option("--group", is_flag=True, help="For each directory one level deep: --depth 1.")
@with_human
@with_json
@with_raw
@with_exit_status
def du(
    urls: "tuple[str, ...]",
    run: Optional[str],
    root: Optional[str],
    depth: int,
    group: bool,
    human: bool,
    as_json: bool,
    raw: bool,
) -> None:
    """Count the objects below a prefix, or those that fit a pattern, and add up their bytes.

    Each line has bytes, objects and a URL; that of all together comes last. A prefix is a directory.
    Where there is nothing, the exit status is 1.

    \b
    Examples:
        metaflow fasts3 du s3://bucket/data
        metaflow fasts3 du --group --human s3://bucket/data
        metaflow fasts3 du 's3://bucket/data/*.csv'
        metaflow fasts3 du --run MyFlow/123 --json
    """  # noqa: D301
    from . import usage
    from .targets import only_one, place_of, target_of

    url = only_one(urls)
    place = place_of(run, root)
    if url is None and place.root is None:
        raise click.UsageError("What is to be counted? Give a URL, or --run or --root.")
    target = target_of(url or "", place, raw)
    if not usage.print_usage(target, depth or int(group), human, as_json):
        raise click.ClickException(target.nothing())
