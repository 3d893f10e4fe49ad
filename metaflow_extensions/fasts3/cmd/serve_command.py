"""``metaflow fasts3 serve``: a real S3 server on this machine."""

# mypy: disallow-untyped-decorators=False
# (Metaflow's own copy of click has no types.)

import shlex
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Optional

from metaflow._vendor import click

if TYPE_CHECKING:
    from ..local_server.seaweedfs import SeaweedFS

# Ctrl-C, `kill`, and the terminal that is closed.
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(BaseException):
    """The user wants the server to end. No error, and not to be caught by anything that handles errors."""


@click.command("serve", short_help="Run a real S3 server on this machine.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False),
    help="Keep data and credentials here, for the next time, too.  [default: a temporary directory]",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the server.  [default: a free one]")
@click.option("--bucket", default="metaflow", show_default=True, help="Bucket to have when it is ready.")
def serve(directory: Optional[str], port: Optional[int], bucket: str) -> None:
    """Run a real S3 server (SeaweedFS) on this machine, reachable from this machine only.

    It prints the settings that make Metaflow use it, as lines for your shell, and runs until you stop it.

    Example:

    \b
        metaflow fasts3 serve --dir ~/s3 > s3.env &
        eval "$(grep ^export s3.env)"
        python myflow.py --datastore=s3 run
    """  # noqa: D301  # a real backspace character is click's mark for lines to leave alone
    # Only now: other commands of Metaflow should not wait for this.
    from ..local_server.errors import LocalServerError
    from ..local_server.seaweedfs import SeaweedFS

    for number in _STOP_SIGNALS:
        # `nohup` asks for a server that outlives the terminal.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)
    server = SeaweedFS(directory, port=port, bucket=bucket)
    try:
        with suppress(_Stopped):
            server.start()
            _announce(server, temporary=directory is None)
            server.wait()
        click.echo("Stopping the S3 server.", err=True)
    except LocalServerError as error:
        raise click.ClickException(str(error)) from error
    finally:
        server.stop()
    click.echo("Stopped.", err=True)


def _stop(number: int, frame: Optional[FrameType]) -> None:
    # A second Ctrl-C must not leave the server half stopped.
    for each in _STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise _Stopped


def _announce(server: "SeaweedFS", temporary: bool) -> None:
    for name, value in server.environment().items():
        click.echo(f"export {name}={shlex.quote(value)}")
    # Through a pipe, the lines would stay in a buffer for as long as the server runs.
    sys.stdout.flush()
    where = "a temporary directory, removed at the end" if temporary else str(server.directory)
    click.echo(
        f"An S3 server with the bucket {server.bucket!r} is running at {server.endpoint_url}. "
        f"Its data is in {where}. Stop it with Ctrl-C.",
        err=True,
    )
