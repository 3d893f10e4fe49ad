"""The common part of `cp` and `mv`: their options, and transfers in the direction that the arguments show."""

import functools
from collections.abc import Sequence
from typing import Any, Callable

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.cli import to_local, to_s3, within_s3
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.directions import Direction, direction_of, selections_of, target_of
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import with_json, with_patterns, with_progress, with_quiet, with_raw
from metaflow_extensions.fasts3.cli.selection import refuse_whole_bucket
from metaflow_extensions.fasts3.cli.transfers import (
    Headers,
    Options,
    with_dry_run,
    with_headers,
    with_no_overwrite,
    with_recursive,
)

_DECORATORS = (
    click.argument("sources", metavar="SOURCE...", nargs=-1),
    click.argument("destination", metavar="DEST", required=False),
    with_recursive,
    with_patterns,
    with_no_overwrite,
    with_dry_run,
    with_headers,
    with_json,
    with_raw,
    with_progress,
    with_quiet,
    with_connection,
    with_exit_status,
)


def with_copying(function: "Callable[..., None]") -> "Callable[..., None]":
    """Give a command its arguments and options, as `sources`, `destination`, `options`, `raw` and `open_client`."""

    @functools.wraps(function)
    def run(
        *,
        recursive: bool,
        include: "tuple[str, ...]",
        exclude: "tuple[str, ...]",
        no_overwrite: bool,
        dry_run: bool,
        headers: Headers,
        as_json: bool,
        no_progress: bool,
        quiet: bool,
        connection: Connection,
        **kwargs: Any,
    ) -> None:
        options = Options(
            include, exclude, recursive, not no_overwrite, headers, dry_run=dry_run, as_json=as_json, quiet=quiet
        )
        progress = False if no_progress or quiet else None
        function(options=options, open_client=functools.partial(connection.open, progress=progress), **kwargs)

    decorated: Callable[..., None] = run
    for decorator in reversed(_DECORATORS):
        decorated = decorator(decorated)
    return decorated


def transfer(
    sources: "Sequence[str]", destination: str, options: Options, raw: bool, open_client: "Callable[..., S3]"
) -> None:
    """Copy, or with `moves` move, in the direction that the arguments show.

    Parameters
    ----------
    sources : sequence of str
        At least one.
    destination : str
    options : Options
    raw : bool
        Whether wildcards are taken literally.
    open_client : callable
        Creates the client, which takes a moment. Its argument is `progress`.
    """
    direction = direction_of(sources, destination, "mv" if options.moves else "cp", options)
    if direction is Direction.UP:
        target = target_of(destination)
        to_s3.check(sources, target, options)
        with open_client() as s3:
            to_s3.upload(s3, sources, target, options)
        return
    selections = selections_of(sources, options, raw)
    if options.moves:
        for selection in selections:
            refuse_whole_bucket(selection, "which is not moved, because that would delete it")
    if direction is Direction.WITHIN:
        target = target_of(destination)
        with open_client() as s3:
            within_s3.copy(s3, selections, target, options)
    elif destination == "-":
        with open_client(progress=False) as s3:
            to_local.to_stdout(s3, selections, options)
    else:
        to_local.to_files(open_client, selections, destination, options)
