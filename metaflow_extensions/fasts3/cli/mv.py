"""``metaflow fasts3 mv``: copies files and objects, and deletes those that were copied."""

from typing import Callable, Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.cli.copying import transfer, with_copying
from metaflow_extensions.fasts3.cli.transfers import Options


@click.command("mv", short_help="Move files and objects: to S3, from S3 or within S3.")
@with_copying
def mv(
    sources: "tuple[str, ...]",
    destination: Optional[str],
    options: Options,
    raw: bool,
    open_client: "Callable[..., S3]",
) -> None:
    """Copy like `cp`, then delete the sources.

    A source is deleted after its copy is complete, and only if it has not changed: an object must have the same ETag, a
    file the same size, times and inode as before the upload. Sources that can't be copied or have changed stay; they
    are named at the end, and the exit status is 1. After an error or Ctrl-C, repeat the command to move the rest.
    Directories stay: local ones, and after a move to local files or a whole bucket the empty objects that mark them in
    S3. A whole bucket is not moved, and a prefix is not moved into itself. With -n, a source stays if its target
    exists.

    \b
    Examples:
        metaflow fasts3 mv results.csv s3://bucket/results/
        metaflow fasts3 mv 's3://bucket/incoming/*.csv' incoming
        metaflow fasts3 mv s3://bucket/data/v1/ s3://bucket/archive/v1/
    """
    if destination is None or not sources:
        # click assigns a single argument to the last parameter.
        raise click.UsageError("Give a SOURCE and DEST: local paths or S3 URLs.")
    if "-" in (*sources, destination):
        raise click.UsageError("Stdin and stdout can't be moved. Use cp.")
    transfer(sources, destination, options._replace(moves=True), raw, open_client)
