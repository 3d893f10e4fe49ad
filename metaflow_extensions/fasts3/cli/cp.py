"""``metaflow fasts3 cp``: copies files and objects in any direction."""

from typing import Callable, Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.cli.copying import transfer, with_copying
from metaflow_extensions.fasts3.cli.transfers import Options


@click.command("cp", short_help="Copy files and objects: to S3, from S3 or within S3.")
@with_copying
def cp(
    sources: "tuple[str, ...]",
    destination: Optional[str],
    options: Options,
    raw: bool,
    open_client: "Callable[..., S3]",
) -> None:
    """Copy from local files to S3 as `put` does, from S3 to local files as `get` does, or within S3.

    The arguments decide the direction: those that begin with s3:// are in S3, all others are local paths; - is stdin as
    a SOURCE, and stdout as DEST. Within S3, the server copies. A URL that ends in a slash, or has wildcards, selects
    many objects. DEST is then a prefix, as it is with several sources or if it ends in a slash. Copies keep the headers
    of their source, unless an option replaces them. For copies between local paths, use the shell's cp.

    \b
    Examples:
        metaflow fasts3 cp report.html s3://bucket/site/ --cache-control no-cache
        metaflow fasts3 cp --recursive s3://bucket/data data
        metaflow fasts3 cp 's3://bucket/2024/*.csv' s3://other-bucket/tables/
        metaflow fasts3 cp s3://bucket/db.sql.gz - | gunzip
    """
    if destination is None or not sources:
        # click assigns a single argument to the last parameter.
        raise click.UsageError("Give a SOURCE and DEST: local paths, S3 URLs, or - for stdin or stdout.")
    transfer(sources, destination, options, raw, open_client)
