"""``metaflow fasts3 cp``: copies files and objects in any direction."""

from functools import partial
from typing import Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.cli import to_local, to_s3, within_s3
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.directions import Direction, direction_of, selections_of, target_of
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import with_json, with_patterns, with_progress, with_quiet, with_raw
from metaflow_extensions.fasts3.cli.transfers import (
    Headers,
    Options,
    with_dry_run,
    with_headers,
    with_no_overwrite,
    with_recursive,
)


@click.command("cp", short_help="Copy files and objects: to S3, from S3 or within S3.")
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
def cp(
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
    """Copy from local files to S3 as `put` does, from S3 to local files as `get` does, or within S3.

    Full S3 URLs, which begin with s3://, and local paths decide the direction; - is stdin as a SOURCE, and stdout as
    DEST. Within S3, the server copies: a URL that ends in a slash, or has wildcards, selects many objects, and DEST is
    then a prefix, as it is for several sources or if it ends in a slash. Copies keep the headers of their source, as
    far as no option replaces them. Local files are not copied to local files.

    \b
    Examples:
        metaflow fasts3 cp report.html s3://bucket/site/ --cache-control no-cache
        metaflow fasts3 cp --recursive s3://bucket/data data
        metaflow fasts3 cp 's3://bucket/2024/*.csv' s3://other-bucket/tables/
        metaflow fasts3 cp s3://bucket/db.sql.gz - | gunzip
    """
    if destination is None or not sources:
        # click assigns a single argument to the last parameter.
        raise click.UsageError("Give a SOURCE and DEST: local paths, S3 URLs, or - for stdin or stdout.")
    options = Options(
        include, exclude, recursive, not no_overwrite, headers, dry_run=dry_run, as_json=as_json, quiet=quiet
    )
    direction = direction_of(sources, destination, "cp", options)
    progress = False if no_progress or quiet else None
    if direction is Direction.DOWN:
        selections = selections_of(sources, options, raw)
        if destination == "-":
            with connection.open(progress=False) as s3:
                to_local.to_stdout(s3, selections, options)
        else:
            to_local.to_files(partial(connection.open, progress), selections, destination, options)
        return
    target = target_of(destination)
    if direction is Direction.UP:
        to_s3.check(sources, target)
        with connection.open(progress) as s3:
            to_s3.upload(s3, sources, target, options)
    else:
        selections = selections_of(sources, options, raw)
        with connection.open(progress) as s3:
            within_s3.copy(s3, selections, target, options)
