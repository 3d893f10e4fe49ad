"""``metaflow fasts3 serve``: runs an S3 server on this machine."""

import os
import re
import shlex
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any, Optional

from metaflow._vendor import click
from metaflow.util import get_username

from metaflow_extensions.fasts3.cli.options import not_empty
from metaflow_extensions.fasts3.local_server.errors import LocalServerError
from metaflow_extensions.fasts3.local_server.seaweedfs import SeaweedFS

# Ctrl-C, `kill`, and the end of the terminal.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# METAFLOW_USER if Metaflow finds no user name, e.g. for root in a container. It accepts any name except "root".
USER = "me"

# The most important of https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")


class _Stopped(BaseException):
    """A signal asks the server to end. Not an Exception, so that no handler of errors catches it."""


def _check_bucket(_: Any, __: Any, name: str) -> str:
    if not BUCKET.match(name):
        raise click.BadParameter(
            f"{name!r} is not a valid bucket name: 3 to 63 lower-case letters, digits, dots and hyphens, with a letter "
            "or digit at both ends."
        )
    return name


@click.command("serve", short_help="Run an S3 server on this machine.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False),
    callback=not_empty,
    help="Keep data and credentials in this directory.  [default: a temporary directory]",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Listen on this port.  [default: a free one]")
@click.option(
    "--bucket",
    default="metaflow",
    show_default=True,
    callback=_check_bucket,
    help="Create this bucket.",
)
def serve(directory: Optional[str], port: Optional[int], bucket: str) -> None:
    """Run a real S3 server (SeaweedFS) that only this machine can reach.

    The command prints export lines for your shell, which make Metaflow use the server, and runs until Ctrl-C.

    Example in one terminal; `kill %1` stops the server:

    \b
        mkfifo s3.env
        metaflow fasts3 serve --dir ~/s3 > s3.env &
        eval "$(cat s3.env)"
        python myflow.py --datastore=s3 run
    """
    for number in STOP_SIGNALS:
        # With `nohup`, which ignores SIGHUP, the server continues after the terminal is closed.
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
    # A second Ctrl-C must not interrupt the stop.
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise _Stopped


def _announce(server: "SeaweedFS", temporary: bool) -> None:
    # Metaflow runs no flow without a user name.
    variables = {**({} if get_username() else {"METAFLOW_USER": USER}), **server.environment()}
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    where = "a temporary directory, removed at the end" if temporary else str(server.directory)
    click.echo(
        f"An S3 server with the bucket {server.bucket!r} is running at {server.endpoint_url}. "
        f"Its data is in {where}.\n"
        "Paste the export lines into the terminal where you work. Stop the server with Ctrl-C.",
        err=True,
    )
    _close_stdout()  # last: the shell then continues, and may stop the server immediately


def _close_stdout() -> None:
    """Close stdout, whose end a reader like `eval "$(cat s3.env)"` waits for."""
    # Python buffers what goes to a pipe.
    sys.stdout.flush()
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
