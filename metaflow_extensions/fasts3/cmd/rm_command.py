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
@click.option("-r", "--recursive", is_flag=True, help="Delete all that is below the URLs.")
@click.option("--dry-run", is_flag=True, help="Print what would be deleted, and delete nothing.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--missing-ok", is_flag=True, help="A key that is not there is no error.")
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
    missing_ok: bool,
    as_json: bool,
    raw: bool,
    no_progress: bool,
) -> None:
    """Delete objects: those with these keys, those that fit a pattern, or with --recursive all below a prefix.

    Before objects go that were not named one by one, a terminal is asked; without one, --yes is needed. So it is where
    all keys are names of local files, too, as after a pattern without quotes. Keys that are not there, unless with
    --missing-ok, and what could not be deleted are named on stderr, and the exit status is 1. A whole bucket is not
    deleted: name a prefix in it.

    \b
    Examples:
        metaflow fasts3 rm s3://bucket/data/old.csv s3://bucket/data/older.csv
        metaflow fasts3 rm --dry-run 's3://bucket/tmp/*.parquet'
        metaflow fasts3 rm --recursive --yes s3://bucket/tmp/
    """  # noqa: D301
    from ..face.location import begins_with_slash
    from . import deleting
    from .targets import hint_of_unquoted, place_of, refuse_empty, target_of

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
    hint = hint_of_unquoted(urls)
    if not (yes or dry_run or sys.stdin.isatty()) and (recursive or hint or any(target.pattern for target in targets)):
        refused = (
            "This deletes several objects, and there is no terminal to confirm it on. Add --yes, or try --dry-run."
        )
        raise click.UsageError(" ".join(filter(None, (refused, hint))))
    request = deleting.Request(targets, recursive, dry_run, not yes, missing_ok, as_json, not no_progress, hint)
    left = deleting.delete(request)
    told = [f"{left.failed:,} of the objects could not be deleted."] if left.failed else []
    if left.missing:
        told.append(f"{left.missing:,} of the keys {'is' if left.missing == 1 else 'are'} not there.")
        told.append("What is below a directory is deleted with --recursive.")
    if told:
        raise click.ClickException(" ".join(told))
