"""``metaflow fasts3 sync``: transfers new and changed files and objects, and with --delete makes a mirror."""

import os
from collections.abc import Sequence

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.errors import shown
from metaflow_extensions.fasts3.api.location import SCHEME, Location, as_directory
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.api.s3transfers import S3Transfers
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.directions import Direction, direction_of
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import with_json, with_patterns, with_progress, with_quiet, with_raw
from metaflow_extensions.fasts3.cli.output import LONGEST
from metaflow_extensions.fasts3.cli.selection import select, url_of
from metaflow_extensions.fasts3.cli.transfers import (
    COPY,
    DOWNLOAD,
    UPLOAD,
    Headers,
    Options,
    Report,
    with_dry_run,
    with_headers,
)


@click.command("sync", short_help="Transfer new and changed files: to S3, from S3 or within S3.")
@click.argument("source", metavar="SOURCE")
@click.argument("destination", metavar="DEST")
@click.option("--delete", is_flag=True, help="Delete files or objects in DEST that SOURCE does not have.")
@click.option("--allow-empty", is_flag=True, help="Accept a SOURCE without files or objects.")
@with_patterns
@with_dry_run
@with_headers
@with_json
@with_raw
@with_progress
@with_quiet
@with_connection
@with_exit_status
def sync(
    source: str,
    destination: str,
    delete: bool,
    allow_empty: bool,
    include: "tuple[str, ...]",
    exclude: "tuple[str, ...]",
    dry_run: bool,
    headers: Headers,
    as_json: bool,
    raw: bool,
    no_progress: bool,
    quiet: bool,
    connection: Connection,
) -> None:
    """Transfer the files of a directory or the objects of a prefix that are new or have changed.

    SOURCE and DEST are local directories or S3 URLs, at least one of them in S3. A URL is a prefix, with or without a
    slash at its end. With --delete, DEST becomes a mirror of SOURCE: after all transfers, files or objects that SOURCE
    does not have are deleted; if a transfer fails, nothing is deleted. Paths that --include and --exclude do not select
    are neither transferred nor deleted. A whole bucket can't be a mirror. If SOURCE has nothing to transfer, that is an
    error, unless --allow-empty is given.

    \b
    Examples:
        metaflow fasts3 sync site s3://bucket/site --delete --exclude '*.tmp'
        metaflow fasts3 sync s3://bucket/data data --dry-run
        metaflow fasts3 sync s3://bucket/data s3://other-bucket/data --delete
    """
    options = Options(include, exclude, headers=headers, dry_run=dry_run, as_json=as_json, quiet=quiet)
    direction = direction_of([source], destination, "rsync", options)
    if "-" in (source, destination):
        raise click.UsageError("Stdin and stdout are not directories. Use cp.")
    source, destination = (_prefix(one, raw) if one.startswith(SCHEME) else one for one in (source, destination))
    with connection.open(progress=False if no_progress or quiet else None) as s3:
        _SYNCS[direction](s3, source, destination, options, delete, allow_empty)


def _download(s3: S3, source: str, directory: str, options: Options, delete: bool, allow_empty: bool) -> None:
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise click.UsageError(f"{shown(repr(directory), LONGEST)} is not a directory. For a single object, use cp.")
    report = Report(DOWNLOAD, options)
    with report:
        found = report.call(
            lambda: s3.download(
                source,
                directory,
                include=options.include or None,
                exclude=options.exclude or None,
                delete=delete,
                allow_empty=allow_empty,
                dry_run=options.dry_run,
            )
        )
        _refuse_nothing(source, not found and not report.left_out.reasons, allow_empty)
        left = set(map(id, found.unchanged))
        new = [one for one in found if id(one) not in left]
        start = len(os.path.join(os.path.abspath(directory), ""))
        rows = [(one.url, os.path.join(directory, str(one.path)[start:]), one.size or 0) for one in new]
        report.add([row[:2] for row in rows], len(left), sum(size for _, _, size in rows))
        report.print_json({"url": url, "path": path, "size": size} for url, path, size in rows)
        report.add_deleted([os.path.join(directory, path[start:]) for path in found.deleted], "path")
    report.raise_failure()


def _upload(s3: S3, directory: str, prefix: str, options: Options, delete: bool, allow_empty: bool) -> None:
    if not os.path.isdir(directory):
        raise click.ClickException(f"{shown(repr(directory), LONGEST)} is not a local directory. For files, use cp.")

    def call() -> S3Transfers:
        return s3.upload(
            directory,
            prefix,
            include=options.include or None,
            exclude=options.exclude or None,
            extra_args=options.headers.extra_args,
            delete=delete,
            allow_empty=allow_empty,
            dry_run=options.dry_run,
            content_type=options.headers.content_type,
        )

    report = Report(UPLOAD, options)
    with report:
        found = report.call(call)
        _refuse_nothing(directory, not (found or found.unchanged or report.left_out.reasons), allow_empty)
        rows = [(os.path.join(directory, *url[len(prefix) :].split("/")), url) for _, url in found]
        report.print_json({"url": url, "path": path} for path, url in rows)
        _add(report, rows, found)
    report.raise_failure()


def _copy(s3: S3, source: str, prefix: str, options: Options, delete: bool, allow_empty: bool) -> None:
    def call() -> S3Transfers:
        return s3.copy_recursive(
            source,
            prefix,
            content_type=options.headers.content_type,
            extra_args=options.headers.extra_args,
            include=options.include or None,
            exclude=options.exclude or None,
            delete=delete,
            allow_empty=allow_empty,
            dry_run=options.dry_run,
            compare=True,
        )

    report = Report(COPY, options)
    with report:
        found = report.call(call)
        _refuse_nothing(source, not (found or found.unchanged or report.left_out.reasons), allow_empty)
        rows = [(source + url[len(prefix) :], url) for _, url in found]
        report.print_json({"source": one, "url": url} for one, url in rows)
        _add(report, rows, found)
    report.raise_failure()


_SYNCS = {Direction.DOWN: _download, Direction.UP: _upload, Direction.WITHIN: _copy}


def _add(report: Report, rows: "Sequence[tuple[str, str]]", found: S3Transfers) -> None:
    report.add(rows, len(found.unchanged))
    report.add_deleted(found.deleted, "url")


def _prefix(url: str, raw: bool) -> str:
    """The URL of a prefix, with its slash; a wildcard after that is the same, and the habit of other programs."""
    selection = select(url[:-1] if url.endswith("/*") and not raw else url, Location(), raw)
    if selection.pattern:
        raise click.UsageError(
            f"{url!r} has wildcards, but sync takes a prefix. Give it, and a pattern as --include. If *, ? or [ are "
            "part of the prefix, add --raw."
        )
    return as_directory(url_of(selection.bucket, selection.key))


def _refuse_nothing(source: str, is_empty: bool, allow_empty: bool) -> None:
    if is_empty and not allow_empty:
        raise click.ClickException(
            f"{shown(source, LONGEST)} has nothing to transfer. Check the path and the patterns, or add --allow-empty."
        )
