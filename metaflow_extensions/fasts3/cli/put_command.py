"""``metaflow fasts3 put``: local files and directories into S3."""

# mypy: disallow-untyped-decorators=False

from typing import Optional

from metaflow._vendor import click

from .exit_status import with_exit_status
from .options import with_json, with_place, with_progress


@click.command("put", short_help="Upload files, directories or stdin.")
@click.argument("sources", metavar="SOURCE...", nargs=-1)
@click.argument("url", metavar="URL", required=False)
@with_place
@click.option(
    "--include", multiple=True, metavar="PATTERN", help="Of directories only files that fit this, or one of several."
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Of directories no files that fit this.")
@click.option("--content-type", metavar="TYPE", help="MIME type to store with the objects.")
@click.option("--no-overwrite", is_flag=True, help="Leave objects alone that exist.")
@with_json
@with_progress
@with_exit_status
def put(
    sources: "tuple[str, ...]",
    url: Optional[str],
    run: Optional[str],
    root: Optional[str],
    include: "tuple[str, ...]",
    exclude: "tuple[str, ...]",
    content_type: Optional[str],
    no_overwrite: bool,
    as_json: bool,
    no_progress: bool,
) -> None:
    """Upload files, directories with all that is in them, or stdin, which is a SOURCE of -.

    A URL that ends in a slash, and any URL for a directory or several sources, is a prefix: keys are it and the names
    of the files, or their paths below the directory. Otherwise it is the key. It is taken as it is, without wildcards.
    In patterns * matches / as well; they are compared with the paths below a directory. Of directories only files are
    uploaded that are not in S3 with the same content. Links to directories are not followed. With --run or --root, /
    is the place itself. Where there is no file to upload, or where some can't be uploaded, the exit status is 1.

    \b
    Examples:
        metaflow fasts3 put table.parquet s3://bucket/data/
        metaflow fasts3 put results s3://bucket/results/ --exclude '*.tmp'
        pg_dump db | metaflow fasts3 put - s3://bucket/db.sql
        metaflow fasts3 put model.bin --run MyFlow/123 models/best.bin
    """  # noqa: D301
    from ..api.location import SCHEME
    from . import uploading
    from .targets import place_of, refuse_empty, target_of

    if url is None:
        raise click.UsageError("What is to be uploaded, and where to? Give a SOURCE and a URL.")
    refuse_empty([*sources, url])
    if not sources:
        # click takes the only argument for the last one.
        raise click.UsageError("Where to? The last argument is a URL: s3://bucket/key, or a key below --run or --root.")
    for source in sources:
        if source.startswith(SCHEME):
            raise click.UsageError(
                f"{source!r} is in S3, and this uploads local files. To download: metaflow fasts3 get {source} DEST"
            )
    target = target_of(url, place_of(run, root), raw=True)
    request = uploading.Request(
        sources, target, include, exclude, content_type, not no_overwrite, as_json, not no_progress
    )
    if "-" not in sources:
        uploading.from_files(request)
    elif len(sources) > 1:
        raise click.UsageError("Stdin (-) becomes one object. Upload other sources by a command of their own.")
    elif target.is_directory:
        raise click.UsageError(f"What is read from stdin has no name. Write a key after {target.url}.")
    else:
        uploading.from_stdin(request)
