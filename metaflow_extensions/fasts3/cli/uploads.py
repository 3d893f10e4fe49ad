"""``metaflow fasts3 uploads``: lists open multipart uploads, and aborts old ones."""

import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.errors import reason_of, shown
from metaflow_extensions.fasts3.api.formatting import counted
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import Age, format_age, with_json, with_location, with_raw
from metaflow_extensions.fasts3.cli.output import LONGEST, format_name, format_time, json_line, message, print_lines
from metaflow_extensions.fasts3.cli.selection import Selection, location_from, refuse_empty, select_one, url_of
from metaflow_extensions.fasts3.plans.open_uploads import Aborts, PageOfUploads
from metaflow_extensions.fasts3.wire.transfers import OpenUpload

BATCH = 1000  # uploads that are printed, or aborted, at a time


class Found(NamedTuple):
    """An open upload, and how old it is."""

    upload: OpenUpload
    age: Optional[float]  # seconds; None if the server does not send the time


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
    """List open multipart uploads, which were neither completed nor aborted.

    A client that is killed while it uploads a large object leaves an upload open. S3 keeps its parts, charges for
    them, and does not show them in listings of objects. Each line has the start time of the upload, its age, its id
    and its URL.

    --abort aborts the uploads that are at least as old as --older-than, which deletes their parts. An upload that is
    still running then fails, so choose an age that no running upload reaches. It asks for confirmation; without a
    terminal, it needs --yes. It names uploads that could not be aborted on stderr, and the exit status is 1. It lists
    the uploads of a whole bucket, but does not abort them: name a prefix.

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
    with S3(progress=False) as s3:
        found = _found(s3, selection, older_than)
        if abort:
            _abort(s3, selection, list(found), older_than, yes, as_json)
            return
        empty = True
        while batch := list(islice(found, BATCH)):
            empty = False
            print_lines(_line(selection, one, as_json) for one in batch)
        if empty:
            message(_nothing(selection, older_than))


def _check_abort(selection: Selection, older_than: Optional[float], yes: bool) -> None:
    if older_than is None:
        raise click.UsageError(
            "--abort needs --older-than, because an upload that is still running fails when it is aborted. For "
            "example: --older-than 1d."
        )
    if selection.is_whole_bucket:
        what = "may match a whole bucket" if selection.pattern else "is a whole bucket"
        raise click.UsageError(f"{selection.url} {what}, whose uploads are not aborted. Name a prefix in it.")
    if not (yes or sys.stdin.isatty()):
        raise click.UsageError(
            "Aborting uploads needs a confirmation, but there is no terminal. Add --yes, or omit --abort to list them."
        )


def _abort(
    s3: S3, selection: Selection, found: "list[Found]", older_than: Optional[float], yes: bool, as_json: bool
) -> None:
    if not found:
        message(_nothing(selection, older_than))
        return
    question = f"Abort {counted(len(found), 'multipart upload')}, {_which(selection, older_than)}?"
    if not yes and not click.confirm(question, err=True):
        return
    failed = 0
    for first in range(0, len(found), BATCH):
        batch = found[first : first + BATCH]
        plan = Aborts(selection.bucket, [one.upload for one in batch])
        s3._executor.run(plan, Place.HERE)
        refused = {one.upload.upload_id for one in plan.refused}
        failed += len(refused)
        for one in plan.refused:
            url = url_of(selection.bucket, one.upload.key)
            message(f"{url} (upload id {one.upload.upload_id}): {reason_of(one.failure)}")
        if as_json:
            print_lines(_line(selection, one, True, one.upload.upload_id not in refused) for one in batch)
    message(f"Aborted {counted(len(found) - failed, 'multipart upload')}.")
    if failed:
        raise click.ClickException(f"{failed:,} of the multipart uploads could not be aborted.")


def _found(s3: S3, selection: Selection, older_than: Optional[float]) -> "Iterator[Found]":
    """The selected uploads, page by page. `S3` has no such call."""
    plan: Optional[PageOfUploads] = PageOfUploads(selection.bucket, selection.key)
    while plan is not None:
        s3._executor.run(plan, Place.HERE)
        now = plan.page.now or time.time()  # the times of uploads are by the server's clock
        yield from _selected(selection, older_than, plan.page.uploads, now)
        plan = plan.next


def _selected(
    selection: Selection, older_than: Optional[float], uploads: "Iterable[OpenUpload]", now: float
) -> "Iterator[Found]":
    # Without wildcards and a slash: the object with this key, and everything below it as a directory.
    exact = None if selection.pattern or selection.is_directory else selection.key
    for upload in uploads:
        if exact is not None and upload.key != exact and not upload.key.startswith(f"{exact}/"):
            continue
        age = None if upload.initiated is None else now - upload.initiated
        old = not older_than or (age is not None and age >= older_than)
        if old and selection.matches(upload.key):
            yield Found(upload, age)


def _line(selection: Selection, found: Found, as_json: bool, aborted: Optional[bool] = None) -> str:
    upload, url = found.upload, url_of(selection.bucket, found.upload.key)
    began = format_time(upload.initiated)
    if as_json:
        outcome = {} if aborted is None else {"aborted": aborted}
        return json_line(url=url, upload_id=upload.upload_id, initiated=began, **outcome)
    return f"{began or '?':<20} {format_age(found.age):>5} {format_name(upload.upload_id)} {format_name(url)}"


def _which(selection: Selection, older_than: Optional[float]) -> str:
    age = f"started at least {format_age(older_than)} ago, " if older_than else ""
    where = "that match" if selection.pattern else "below" if selection.is_directory else "of or below"
    return f"{age}{where} {shown(selection.url, LONGEST)}"


def _nothing(selection: Selection, older_than: Optional[float]) -> str:
    return f"No multipart uploads are open, {_which(selection, older_than)}."
