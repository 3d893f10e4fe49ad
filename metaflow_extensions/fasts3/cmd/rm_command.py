"""``metaflow fasts3 rm``: deletes objects."""

# mypy: disallow-untyped-decorators=False

import sys
from typing import Optional

from metaflow._vendor import click

from .endings import with_exit_status
from .options import with_json, with_place, with_progress, with_raw


@click.command("rm", short_help="Delete objects.")
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@with_place
@click.option("--recursive", is_flag=True, help="Delete all that is below the URLs.")
@click.option("--dry-run", is_flag=True, help="Print what would be deleted, and delete nothing.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@with_json
@with_raw
@with_progress
@with_exit_status
def rm(
    urls: "tuple[str, ...]",
    run: Optional[str],
    root: Optional[str],
    recursive: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    raw: bool,
    no_progress: bool,
) -> None:
    """Delete objects: those with these keys, those that fit a pattern, or with --recursive all below a prefix.

    A key that is not there is no error. Before objects go that were not named one by one, a terminal is asked;
    without one, --yes is needed. What could not be deleted is named on stderr, and the exit status is 1. A whole bucket
    is not deleted: name a prefix in it.

    \b
    Examples:
        metaflow fasts3 rm s3://bucket/data/old.csv s3://bucket/data/older.csv
        metaflow fasts3 rm --dry-run 's3://bucket/tmp/*.parquet'
        metaflow fasts3 rm --recursive --yes s3://bucket/tmp/
    """  # noqa: D301
    from ..face.location import begins_with_slash
    from . import deleting
    from .targets import place_of, refuse_empty, target_of

    refuse_empty(urls)
    place = place_of(run, root)
    targets = [target_of(url, place, raw) for url in urls]
    for url in filter(begins_with_slash, urls):
        raise click.UsageError(f"{url} has a key that begins with a slash. Leave it out to name the key without it.")
    for target in targets:
        if not target.pattern and not target.key:
            raise click.UsageError(f"{target.url} is a whole bucket, which is not deleted. Name a prefix in it.")
        if target.is_directory and not recursive:
            raise click.UsageError(f"{target.url} is a directory. Add --recursive to delete what is below it.")
    if not (yes or dry_run or sys.stdin.isatty()) and (recursive or any(target.pattern for target in targets)):
        raise click.UsageError("Nobody can be asked whether all of that may be deleted. Add --yes, or try --dry-run.")
    request = deleting.Request(targets, recursive, dry_run, not yes, as_json, not no_progress)
    failed = deleting.delete(request)
    if failed:
        raise click.ClickException(f"{failed:,} of the objects could not be deleted.")
