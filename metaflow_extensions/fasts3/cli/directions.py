"""The direction of a transfer, which its arguments show: S3 URLs begin with s3://, everything else is a local path."""

from collections.abc import Sequence
from enum import Enum

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.location import SCHEME, Location
from metaflow_extensions.fasts3.cli.selection import Selection, filtered, refuse_empty, refuse_url_paths, select
from metaflow_extensions.fasts3.cli.transfers import Options


class Direction(Enum):
    """Where a transfer comes from, and where it goes."""

    DOWN = "from S3 to local files"
    UP = "from local files to S3"
    WITHIN = "within S3"


def direction_of(sources: "Sequence[str]", destination: str, command: str, options: Options) -> Direction:
    """Read the arguments of a transfer; `command` is that of the shell which does this with local files.

    Raises click.UsageError if all are local, local files and S3 URLs are mixed, a path is probably a mistyped URL, or
    headers are given for a download.
    """
    arguments = [*sources, destination]
    refuse_empty(arguments)
    refuse_url_paths(one for one in arguments if not one.startswith(SCHEME))
    remote = [source.startswith(SCHEME) for source in sources]
    if any(remote) and not all(remote):
        raise click.UsageError("Some sources are in S3, and others are local. Use two commands.")
    if all(remote) and destination.startswith(SCHEME):
        return Direction.WITHIN
    if destination.startswith(SCHEME):
        return Direction.UP
    if not all(remote):
        raise click.UsageError(
            f"All arguments are local paths; S3 URLs begin with {SCHEME}. For local files, use the shell's {command}."
        )
    if options.headers.are_given:
        raise click.UsageError("Options such as --content-type set headers of objects; this command downloads.")
    return Direction.DOWN


def selections_of(sources: "Sequence[str]", options: Options, raw: bool = False) -> "list[Selection]":
    """Read the URLs of sources in S3; see `select`."""
    found = [select(source, Location(), raw) for source in sources]
    return [filtered(one, options.include, options.exclude, options.selects_many(one)) for one in found]


def target_of(destination: str) -> Selection:
    """Read the URL of a destination in S3, which has no wildcards."""
    return select(destination, Location(), raw=True)
