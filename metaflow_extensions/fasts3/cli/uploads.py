"""``metaflow fasts3 uploads``: lists open multipart uploads, and aborts old ones."""

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Optional

from metaflow._vendor import click
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import shown
from metaflow_extensions.fasts3.api.formatting import counted
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.api.uploads import S3Upload
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import (
    Age,
    format_age,
    format_duration,
    with_json,
    with_location,
    with_quiet,
    with_raw,
)
from metaflow_extensions.fasts3.cli.output import (
    LONGEST,
    format_name,
    format_time,
    json_line,
    message,
    print_lines,
    summary,
)
from metaflow_extensions.fasts3.cli.selection import (
    Selection,
    location_from,
    refuse_empty,
    refuse_whole_bucket,
    select_one,
    url_of,
)

BATCH = 1000  # uploads that are printed, or aborted, at a time


@click.command("uploads", short_help="List open multipart uploads, and abort old ones.")
@click.argument("urls", metavar="[URL]", nargs=-1)
@with_location
@click.option(
    "--older-than", type=Age(), metavar="AGE", help="Select uploads that started at least this long ago: 30m, 12h, 7d."
)
@click.option("--abort", is_flag=True, help="Abort the uploads. Needs --older-than.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@with_json
@with_raw
@with_quiet
@with_connection
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
    quiet: bool,
    connection: Connection,
) -> None:
    """List open multipart uploads, which were neither completed nor aborted.

    A client that is killed while it uploads a large object leaves an upload open. S3 keeps its parts, charges for
    them, and does not show them in listings of objects. Each line has the start time of the upload, its age, its id
    and its URL.

    --abort aborts the uploads that are at least as old as --older-than, which deletes their parts. An upload that is
    still running then fails, so choose an age that no running upload reaches. The command asks for confirmation;
    without a terminal, it needs --yes. It names uploads that could not be aborted on stderr, and the exit status is 1.
    It lists the uploads of a whole bucket, but does not abort them: name a prefix.

    \b
    Examples:
        metaflow fasts3 uploads s3://bucket/data
        metaflow fasts3 uploads s3://bucket/data --older-than 1d
        metaflow fasts3 uploads s3://bucket/data --older-than 1d --abort
    """
    refuse_empty(urls)
    selection = select_one(urls, location_from(run, root), raw)
    if abort:
        _check_abort(selection, older_than, yes)
    with connection.open(progress=False) as s3:
        found = _found(s3, selection, older_than)
        if abort:
            _abort(s3, selection, list(found), older_than, yes, as_json, quiet)
            return
        empty = True
        while batch := list(islice(found, BATCH)):
            empty = False
            print_lines(_line(one, as_json) for one in batch)
        if empty:
            summary(_nothing(selection, older_than), quiet)


def _check_abort(selection: Selection, older_than: Optional[float], yes: bool) -> None:
    if older_than is None:
        raise click.UsageError(
            "--abort needs --older-than, because an upload that is still running fails when it is aborted. For "
            "example: --older-than 1d."
        )
    refuse_whole_bucket(selection, "whose uploads are not aborted")
    if not (yes or sys.stdin.isatty()):
        raise click.UsageError(
            "Aborting uploads needs a confirmation, but there is no terminal. Add --yes, or omit --abort to list them."
        )


def _abort(
    s3: S3,
    selection: Selection,
    found: "list[S3Upload]",
    older_than: Optional[float],
    yes: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    if not found:
        summary(_nothing(selection, older_than), quiet)
        return
    question = f"Abort {counted(len(found), 'multipart upload')} {_which(selection, older_than)}?"
    if not yes and not click.confirm(question, err=True):
        return
    failed = 0
    for first in range(0, len(found), BATCH):
        batch = found[first : first + BATCH]
        refused = _abort_batch(s3, batch)
        failed += len(refused)
        for name, reason in refused.items():
            message(f"{name}: {reason}")
        if as_json:
            print_lines(_line(one, True, str(one) not in refused) for one in batch)
    summary(f"Aborted {counted(len(found) - failed, 'multipart upload')}.", quiet)
    if failed:
        raise click.ClickException(f"{failed:,} of the multipart uploads could not be aborted.")


def _abort_batch(s3: S3, batch: "list[S3Upload]") -> "dict[str, str]":
    """Abort uploads; return those that S3 refused to abort, with the reasons."""
    try:
        s3.abort_uploads(batch)
    except MetaflowException as error:
        refused: dict[str, str] = getattr(error, "failed", {})
        if not refused:
            raise
        return refused
    return {}


def _found(s3: S3, selection: Selection, older_than: Optional[float]) -> "Iterator[S3Upload]":
    """The selected uploads, as they are listed."""
    key = selection.folder if selection.pattern else selection.key
    start = len(url_of(selection.bucket, ""))
    for one in s3.iter_uploads([url_of(selection.bucket, key)]):
        old = not older_than or (one.age is not None and one.age >= older_than)
        if old and selection.matches(one.url[start:]):
            yield one


def _line(one: S3Upload, as_json: bool, aborted: Optional[bool] = None) -> str:
    began = format_time(one.initiated)
    if as_json:
        outcome = {} if aborted is None else {"aborted": aborted}
        return json_line(url=one.url, upload_id=one.upload_id, initiated=began, **outcome)
    return f"{began or '?':<20} {format_age(one.age):>5} {format_name(one.upload_id)} {format_name(one.url)}"


def _which(selection: Selection, older_than: Optional[float]) -> str:
    age = f"started at least {format_duration(older_than)} ago " if older_than else ""
    where = "that match" if selection.pattern else "below" if selection.is_directory else "at or below"
    return f"{age}{where} {shown(selection.url, LONGEST)}"


def _nothing(selection: Selection, older_than: Optional[float]) -> str:
    return f"No open multipart uploads {_which(selection, older_than)}."
