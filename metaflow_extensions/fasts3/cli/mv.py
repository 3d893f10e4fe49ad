"""``metaflow fasts3 mv``: copies files and objects, and deletes those that were copied."""

from functools import partial
from typing import Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.cli import to_local, to_s3, within_s3
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.directions import Direction, direction_of, selections_of, target_of
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import with_json, with_patterns, with_progress, with_quiet, with_raw
from metaflow_extensions.fasts3.cli.selection import Selection
from metaflow_extensions.fasts3.cli.transfers import (
    Headers,
    Options,
    with_dry_run,
    with_headers,
    with_no_overwrite,
    with_recursive,
)


@click.command("mv", short_help="Move files and objects: to S3, from S3 or within S3.")
@click.argument("sources", metavar="SOURCE...", nargs=-1)
@click.argument("destination", metavar="DEST", required=False)
@with_recursive
@with_patterns
@with_no_overwrite
@with_dry_run
@with_headers
@with_json
@with_raw
@with_progress
@with_quiet
@with_connection
@with_exit_status
def mv(
    sources: "tuple[str, ...]",
    destination: Optional[str],
    recursive: bool,
    include: "tuple[str, ...]",
    exclude: "tuple[str, ...]",
    no_overwrite: bool,
    dry_run: bool,
    headers: Headers,
    as_json: bool,
    raw: bool,
    no_progress: bool,
    quiet: bool,
    connection: Connection,
) -> None:
    """Copy as `cp` does, and delete what was copied.

    A source is deleted after its copy is complete, and only if it is still what was copied: an object with the same
    ETag, a file that has not changed since the upload began. What fails or changes stays, is named at the end, and the
    exit status is 1. So the command can be repeated after an error or Ctrl-C. Directories of local files stay. A whole
    bucket is not moved, and nothing is moved into itself. With --no-overwrite, sources whose target exists stay.

    \b
    Examples:
        metaflow fasts3 mv results.csv s3://bucket/results/
        metaflow fasts3 mv 's3://bucket/incoming/*.csv' incoming
        metaflow fasts3 mv s3://bucket/data/v1/ s3://bucket/archive/v1/
    """
    if destination is None or not sources:
        # click assigns a single argument to the last parameter.
        raise click.UsageError("Give a SOURCE and DEST: local paths or S3 URLs.")
    if "-" in (*sources, destination):
        raise click.UsageError("Stdin and stdout can't be moved. Use cp.")
    options = Options(include, exclude, recursive, not no_overwrite, headers, dry_run, as_json, quiet, moves=True)
    direction = direction_of(sources, destination, "mv", options)
    progress = False if no_progress or quiet else None
    if direction is Direction.UP:
        with connection.open(progress) as s3:
            to_s3.upload(s3, sources, target_of(destination), options)
        return
    selections = selections_of(sources, options, raw)
    for selection in selections:
        _refuse_bucket(selection)
    if direction is Direction.DOWN:
        to_local.to_files(partial(connection.open, progress), selections, destination, options)
    else:
        with connection.open(progress) as s3:
            within_s3.copy(s3, selections, target_of(destination), options)


def _refuse_bucket(selection: Selection) -> None:
    if selection.is_whole_bucket:
        what = "may match a whole bucket" if selection.pattern else "is a whole bucket"
        raise click.UsageError(
            f"{selection.url} {what}, which is not moved, because that would delete it. Name a prefix in it before any "
            f"wildcard: s3://{selection.bucket}/some/prefix/*"
        )
