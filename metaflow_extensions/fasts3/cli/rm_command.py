"""``metaflow fasts3 rm``: deletes objects."""

# mypy: disallow-untyped-decorators=False

import sys
from typing import Optional

from metaflow._vendor import click

from .exit_status import with_exit_status
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

    Before it deletes objects that were not named one by one, it asks on a terminal; without one, --yes is needed. It
    also asks where all keys are names of local files, as after a pattern without quotes. Keys that are not there
    (unless with --missing-ok), what could not be deleted, and how many objects were, are printed on stderr. The exit
    status is 1 where a key or object is among them. A whole bucket is never deleted: name a prefix before any wildcard.

    \b
    Examples:
        metaflow fasts3 rm s3://bucket/data/old.csv s3://bucket/data/older.csv
        metaflow fasts3 rm --dry-run 's3://bucket/tmp/*.parquet'
        metaflow fasts3 rm --recursive --yes s3://bucket/tmp/
    """  # noqa: D301
    from . import deleting
    from .targets import hint_of_unquoted, place_of, refuse_empty, target_of

    refuse_empty(urls)
    place = place_of(run, root)
    targets = [target_of(url, place, raw) for url in urls]
    for target in targets:
        if target.is_whole_bucket:
            what = "may match a whole bucket" if target.pattern else "is a whole bucket"
            raise click.UsageError(
                f"{target.url} {what}, which is not deleted. Name a prefix in it before any wildcard: "
                f"s3://{target.bucket}/some/prefix/*"
            )
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
