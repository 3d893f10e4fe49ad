"""``metaflow fasts3 mb``: creates a bucket."""

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.location import SCHEME, split_url
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import with_quiet
from metaflow_extensions.fasts3.cli.output import summary


@click.command("mb", short_help="Create a bucket.")
@click.argument("url", metavar="s3://BUCKET")
@with_quiet
@with_connection
@with_exit_status
def mb(url: str, quiet: bool, connection: Connection) -> None:
    """Create a bucket, in the region of --region or of the configuration.

    If the bucket exists, the exit status is 1.

    \b
    Examples:
        metaflow fasts3 mb s3://my-bucket
        metaflow fasts3 mb --region eu-west-1 s3://my-bucket
    """
    if not url.startswith(SCHEME):
        raise click.UsageError(f"{url!r} is not the URL of a bucket, whose form is s3://bucket.")
    bucket, key = split_url(url)
    if key.strip("/"):
        raise click.UsageError(
            f"{url} has a key, not only a bucket. Directories need not be created: store objects under any prefix."
        )
    with connection.open(progress=False) as s3:
        s3.create_bucket(bucket)
    summary(f"Created {SCHEME}{bucket}.", quiet)
