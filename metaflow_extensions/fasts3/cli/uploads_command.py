"""``metaflow fasts3 uploads``: lists open multipart uploads, and aborts old ones."""

# mypy: disallow-untyped-decorators=False

import sys
from typing import Optional

from metaflow._vendor import click

from .ages import Age
from .exit_status import with_exit_status
from .options import with_json, with_place, with_raw


@click.command("uploads", short_help="List open multipart uploads, and abort old ones.")
@click.argument("urls", metavar="[URL]", nargs=-1)
@with_place
@click.option("--older-than", type=Age(), metavar="AGE", help="Only those begun so long ago: 30m, 12h, 7d.")
@click.option("--abort", is_flag=True, help="Abort them. Needs --older-than.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@with_json
@with_raw
@with_exit_status
def uploads(
    urls: "tuple[str, ...]",
    run: Optional[str],
    root: Optional[str],
    older_than: Optional[float],
    abort: bool,
    yes: bool,
    as_json: bool,
    raw: bool,
) -> None:
    """List the multipart uploads that are open: begun, and neither completed nor aborted.

    A client that is killed during the upload of a large object leaves one open. S3 keeps its parts, charges for them,
    and shows them in no list of objects. Listed are the time at which each was begun, its age, its id and its URL.

    With --abort, those that were begun at least as long ago as --older-than says are aborted, which deletes their
    parts. An upload that still runs fails then, so choose an age that no upload reaches. A terminal is asked first;
    without one, --yes is needed. What could not be aborted is named on stderr, and the exit status is 1. The uploads of
    a whole bucket are listed, but not aborted: name a prefix.

    \b
    Examples:
        metaflow fasts3 uploads s3://bucket/data
        metaflow fasts3 uploads s3://bucket/data --older-than 1d
        metaflow fasts3 uploads s3://bucket/data --older-than 1d --abort
    """  # noqa: D301
    from . import open_uploads
    from .targets import only_one, place_of, refuse_empty, target_of

    refuse_empty(urls)
    url = only_one(urls)
    place = place_of(run, root)
    if url is None and place.root is None:
        raise click.UsageError("Where are uploads to be listed? Give a URL, or --run or --root.")
    target = target_of(url or "", place, raw)
    if abort and older_than is None:
        raise click.UsageError(
            "--abort needs --older-than, because an upload that still runs fails when it is aborted. For example: "
            "--older-than 1d."
        )
    if abort and target.is_whole_bucket:
        what = "may match a whole bucket" if target.pattern else "is a whole bucket"
        raise click.UsageError(f"{target.url} {what}, whose uploads are not aborted. Name a prefix in it.")
    if abort and not (yes or sys.stdin.isatty()):
        raise click.UsageError(
            "This aborts multipart uploads, and there is no terminal to confirm it on. Add --yes, or leave --abort out "
            "to see them."
        )
    failed = open_uploads.run(open_uploads.Request(target, older_than, abort, not yes, as_json))
    if failed:
        raise click.ClickException(f"{failed:,} of the multipart uploads could not be aborted.")
