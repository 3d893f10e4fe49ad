"""``metaflow fasts3 put``: uploads files, directories or stdin."""

from typing import Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.location import SCHEME
from metaflow_extensions.fasts3.cli import to_s3
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import (
    with_json,
    with_location,
    with_patterns,
    with_progress,
    with_quiet,
)
from metaflow_extensions.fasts3.cli.selection import location_from, refuse_empty, refuse_url_paths, select
from metaflow_extensions.fasts3.cli.transfers import Headers, Options, with_dry_run, with_headers, with_no_overwrite


@click.command("put", short_help="Upload files, directories or stdin.")
@click.argument("sources", metavar="SOURCE...", nargs=-1)
@click.argument("url", metavar="URL", required=False)
@with_location
@with_patterns
@with_no_overwrite
@with_dry_run
@with_headers
@with_json
@with_progress
@with_quiet
@with_connection
@with_exit_status
def put(
    sources: "tuple[str, ...]",
    url: Optional[str],
    run: Optional[str],
    root: Optional[str],
    include: "tuple[str, ...]",
    exclude: "tuple[str, ...]",
    no_overwrite: bool,
    dry_run: bool,
    headers: Headers,
    as_json: bool,
    no_progress: bool,
    quiet: bool,
    connection: Connection,
) -> None:
    """Upload files, directories with everything in them, or stdin (a SOURCE of -).

    If the URL ends in a slash, or if there is a directory or several sources, the URL is a prefix: the keys are the
    prefix followed by the names of the files, or by their paths below the directory. Otherwise the URL is the key.
    Wildcards have no effect in it. --include and --exclude match the paths below a directory; * also matches /. Below a
    prefix, files that are stored already with the same content are not uploaded again, unless a header option is given.
    Links to directories are not followed. With --run or --root, / is the location itself. If there is no file to
    upload, or if a file can't be uploaded, the exit status is 1.

    \b
    Examples:
        metaflow fasts3 put table.parquet s3://bucket/data/
        metaflow fasts3 put results s3://bucket/results/ --exclude '*.tmp'
        pg_dump db | metaflow fasts3 put - s3://bucket/db.sql
        metaflow fasts3 put model.bin --run MyFlow/123 models/best.bin
    """
    if url is None:
        raise click.UsageError("Give a SOURCE to upload, and a URL.")
    refuse_empty([*sources, url])
    if not sources:
        # click assigns a single argument to the last parameter.
        raise click.UsageError("URL is missing, the last argument: s3://bucket/key, or a key below --run or --root.")
    refuse_url_paths(one for one in sources if not one.startswith(SCHEME))
    for source in sources:
        if source.startswith(SCHEME):
            raise click.UsageError(
                f"{source!r} is in S3; this command uploads local files. To download: metaflow fasts3 get {source} DEST"
            )
    destination = select(url, location_from(run, root), raw=True)
    options = Options(include, exclude, True, not no_overwrite, headers, dry_run=dry_run, as_json=as_json, quiet=quiet)
    to_s3.check(sources, destination, options)
    with connection.open(progress=False if no_progress or quiet else None) as s3:
        to_s3.upload(s3, sources, destination, options)
