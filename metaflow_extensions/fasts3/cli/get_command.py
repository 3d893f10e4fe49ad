"""``metaflow fasts3 get``: objects into local files."""

# mypy: disallow-untyped-decorators=False

from typing import Optional

from metaflow._vendor import click

from .exit_status import with_exit_status
from .options import with_json, with_place, with_progress, with_raw


@click.command("get", short_help="Download objects.")
@click.argument("urls", metavar="URL...", nargs=-1)
@click.argument("destination", metavar="DEST", required=False)
@with_place
@click.option("-r", "--recursive", is_flag=True, help="All that is below the URLs, as if they ended in a slash.")
@click.option("--no-overwrite", is_flag=True, help="Leave files alone that exist.")
@with_json
@with_raw
@with_progress
@with_exit_status
def get(
    urls: "tuple[str, ...]",
    destination: Optional[str],
    run: Optional[str],
    root: Optional[str],
    recursive: bool,
    no_overwrite: bool,
    as_json: bool,
    raw: bool,
    no_progress: bool,
) -> None:
    """Download an object into a file or a directory, or to stdout, which is a DEST of -.

    A URL that ends in a slash, or has wildcards (*, ? and [...]; * matches / as well), means many objects. DEST is
    then a directory, and is made if it is not there. Names in it are what follows the prefix, or the last slash before
    the first wildcard. A file appears under its name when it is complete, and has the time of its object; one that has
    the size and the time of its object already is not downloaded again. An object that S3 refuses, or that can't be a
    file, such as dir/../../file, is left out. Then the others are downloaded, the error names it, and the exit status
    is 1.

    \b
    Examples:
        metaflow fasts3 get s3://bucket/data/table.parquet .
        metaflow fasts3 get s3://bucket/data/ data
        metaflow fasts3 get 's3://bucket/logs/2024-*/*.gz' logs
        metaflow fasts3 get --run MyFlow/123 model.bin - | sha256sum
    """  # noqa: D301
    from ..api.location import SCHEME
    from . import downloading
    from .targets import hint_of_unquoted, place_of, refuse_empty, target_of

    if destination is None:
        raise click.UsageError("What is to be downloaded, and where to? Give a URL and DEST.")
    refuse_empty([*urls, destination])
    if not urls:
        # click takes the only argument for the last one.
        raise click.UsageError("DEST is missing: a file, a directory (.), or - for standard output.")
    if destination.startswith(SCHEME):
        raise click.UsageError(
            f"DEST is {destination!r}, and this downloads. To upload: metaflow fasts3 put SOURCE {destination}"
        )
    place = place_of(run, root)
    targets = [target_of(url, place, raw) for url in urls]
    many = [target.pattern is not None or recursive or target.is_directory for target in targets]
    if destination == "-":
        if len(targets) > 1 or any(many):
            raise click.UsageError("Only one object goes to stdout. Give the URL of one, or a directory for several.")
        downloading.to_stdout(targets[0])
        return
    request = downloading.Request(
        targets, many, destination, not no_overwrite, as_json, not no_progress, hint_of_unquoted(urls)
    )
    downloading.to_files(request)
