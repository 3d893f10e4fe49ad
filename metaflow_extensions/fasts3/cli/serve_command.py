"""``metaflow fasts3 serve``: a real S3 server on this machine."""

# mypy: disallow-untyped-decorators=False
# (Metaflow's own copy of click has no types.)

import os
import re
import shlex
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, Optional

from metaflow._vendor import click

if TYPE_CHECKING:
    from ..local_server.seaweedfs import SeaweedFS

# Ctrl-C, `kill`, and the terminal that is closed.
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Whose the runs are where Metaflow finds no name, as for root in a container. It takes any but "root".
_SOMEBODY = "me"


# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, as far as names are often wrong.
_BUCKET = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")


class _Stopped(BaseException):
    """The user wants the server to end. No error, and not to be caught by anything that handles errors."""


def _bucket_name(_: Any, __: Any, name: str) -> str:
    if not _BUCKET.match(name):
        raise click.BadParameter(
            f"{name!r} can't be the name of a bucket, which has 3 to 63 lower-case letters, digits, dots and hyphens, "
            "and a letter or digit at both ends."
        )
    return name


@click.command("serve", short_help="Run a real S3 server on this machine.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False),
    help="Keep data and credentials here, for the next time, too.  [default: a temporary directory]",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the server.  [default: a free one]")
@click.option(
    "--bucket",
    default="metaflow",
    show_default=True,
    callback=_bucket_name,
    help="Bucket to have when it is ready.",
)
def serve(directory: Optional[str], port: Optional[int], bucket: str) -> None:
    """Run a real S3 server (SeaweedFS) on this machine, reachable from this machine only.

    It prints the settings that make Metaflow use it, as lines for your shell, and runs until you stop it.

    Example, in one terminal; `kill %1` ends the server:

    \b
        mkfifo s3.env
        metaflow fasts3 serve --dir ~/s3 > s3.env &
        eval "$(cat s3.env)"
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
    for name, value in {**_user(), **server.environment()}.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    where = "a temporary directory, removed at the end" if temporary else str(server.directory)
    click.echo(
        f"An S3 server with the bucket {server.bucket!r} is running at {server.endpoint_url}. "
        f"Its data is in {where}.\n"
        "Paste the export lines into the terminal where you work. Stop the server with Ctrl-C.",
        err=True,
    )
    _end_output()  # last: the shell goes on from here, and may end the server at once


def _user() -> dict[str, str]:
    """Give the variable that Metaflow needs to run a flow where nothing says who runs it."""
    from metaflow.util import get_username

    return {} if get_username() else {"METAFLOW_USER": _SOMEBODY}


def _end_output() -> None:
    """Tell whoever reads the lines that these are all: `eval "$(cat s3.env)"` waits for them, and no longer."""
    # Through a pipe, the lines would stay in a buffer for as long as the server runs.
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
