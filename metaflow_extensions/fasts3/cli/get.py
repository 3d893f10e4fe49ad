"""``metaflow fasts3 get``: downloads objects while they are listed."""

from functools import partial
from typing import Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.location import SCHEME
from metaflow_extensions.fasts3.cli import to_local
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import (
    with_json,
    with_location,
    with_patterns,
    with_progress,
    with_quiet,
    with_raw,
)
from metaflow_extensions.fasts3.cli.selection import (
    filtered,
    location_from,
    refuse_empty,
    refuse_url_paths,
    select,
    unquoted_hint,
)
from metaflow_extensions.fasts3.cli.transfers import Options, with_dry_run, with_no_overwrite, with_recursive


@click.command("get", short_help="Download objects.")
@click.argument("urls", metavar="URL...", nargs=-1)
@click.argument("destination", metavar="DEST", required=False)
@with_location
@with_recursive
@with_patterns
@with_no_overwrite
@with_dry_run
@with_json
@with_raw
@with_progress
@with_quiet
@with_connection
@with_exit_status
def get(
    urls: "tuple[str, ...]",
    destination: Optional[str],
    run: Optional[str],
    root: Optional[str],
    recursive: bool,
    include: "tuple[str, ...]",
    exclude: "tuple[str, ...]",
    no_overwrite: bool,
    dry_run: bool,
    as_json: bool,
    raw: bool,
    no_progress: bool,
    quiet: bool,
    connection: Connection,
) -> None:
    """Download an object into a file or a directory, or to stdout (a DEST of -).

    A URL that ends in a slash, or has wildcards (*, ? and [...]; * also matches /), selects many objects. DEST is then
    a directory, which is created if it does not exist. File names are the parts of the keys after the prefix, or after
    the last slash before the first wildcard; --include and --exclude match these names. A file appears under its name
    once it is complete, with the time of its object. Files with the size and the time of their object are not
    downloaded again. Objects that S3 refuses, or whose keys can't be file names, such as dir/../../file, are skipped;
    the error names them at the end, and the exit status is 1.

    \b
    Examples:
        metaflow fasts3 get s3://bucket/data/table.parquet .
        metaflow fasts3 get s3://bucket/data/ data --exclude '*.tmp'
        metaflow fasts3 get 's3://bucket/logs/2024-*/*.gz' logs
        metaflow fasts3 get --run MyFlow/123 model.bin - | sha256sum
    """
    if destination is None:
        raise click.UsageError("Give a URL to download, and DEST.")
    refuse_empty([*urls, destination])
    if not urls:
        # click assigns a single argument to the last parameter.
        raise click.UsageError("DEST is missing: a file, a directory (.), or - for standard output.")
    if destination.startswith(SCHEME):
        raise click.UsageError(
            f"DEST is {destination!r}, but this command downloads. To upload: metaflow fasts3 put SOURCE {destination}"
        )
    refuse_url_paths([destination])
    location = location_from(run, root)
    options = Options(include, exclude, recursive, not no_overwrite, dry_run=dry_run, as_json=as_json, quiet=quiet)
    found = [select(url, location, raw) for url in urls]
    selections = [filtered(one, include, exclude, options.selects_many(one)) for one in found]
    if destination == "-":
        with connection.open(progress=False) as s3:
            to_local.to_stdout(s3, selections, options)
    else:
        progress = False if no_progress or quiet else None
        to_local.to_files(partial(connection.open, progress), selections, destination, options, unquoted_hint(urls))
