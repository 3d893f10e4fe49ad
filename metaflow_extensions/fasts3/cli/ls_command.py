"""``metaflow fasts3 ls``: what is in S3, as `aws s3 ls` shows it."""

# mypy: disallow-untyped-decorators=False

from typing import Optional

from metaflow._vendor import click

from .exit_status import with_exit_status
from .options import with_human, with_json, with_place, with_raw


@click.command("ls", short_help="List objects and directories.")
@click.argument("urls", metavar="[URL]", nargs=-1)
@with_place
@click.option("-r", "--recursive", is_flag=True, help="List all objects below it, at any depth.")
@with_human
@with_json
@with_raw
@with_exit_status
def ls(
    urls: "tuple[str, ...]",
    run: Optional[str],
    root: Optional[str],
    recursive: bool,
    human: bool,
    as_json: bool,
    raw: bool,
) -> None:
    """List objects, with their sizes in bytes, and directories, one level deep.

    The URL is a prefix: s3://bucket/da shows data/ and dates.csv, s3://bucket/data/ what is in data. With --recursive
    a prefix is a directory. With wildcards (*, ? and [...]; * matches / as well) all keys that fit are listed. Without
    a URL and a place, the buckets are.

    \b
    Examples:
        metaflow fasts3 ls s3://bucket/data/
        metaflow fasts3 ls --recursive --human s3://bucket/data/
        metaflow fasts3 ls 's3://bucket/data/*.csv'
        metaflow fasts3 ls --run MyFlow/123
    """  # noqa: D301  # a real backspace character is click's mark for lines to leave alone
    from . import listing
    from .targets import only_one, place_of, target_of

    url = only_one(urls)
    show = listing.Lines(human, as_json)
    place = place_of(run, root)
    if url is None and place.root is None:
        listing.print_buckets(show)
        return
    target = target_of(url or "", place, raw)
    found = listing.print_objects(target, show, recursive)
    if not found and (target.text or target.base):
        raise click.ClickException(target.nothing() if recursive or target.pattern else f"Nothing is at {target.url}.")
