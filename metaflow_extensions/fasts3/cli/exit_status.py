"""Turns exceptions of a command into an exit status, with one sentence instead of a traceback."""

import functools
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Callable, NoReturn, Optional

from metaflow._vendor import click
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import shown
from metaflow_extensions.fasts3.api.standard_error import write_line
from metaflow_extensions.fasts3.cli.remedies import in_commands

INTERRUPTED = 128 + signal.SIGINT  # the status in shells of a program that Ctrl-C ended
BROKEN_PIPE = 128 + signal.SIGPIPE  # the reader has ended, as in `... | head`


def with_exit_status(function: "Callable[..., None]") -> "Callable[..., None]":
    """Make a command exit with 1 and a sentence for an error, and with 130 for Ctrl-C."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with _sigterm_raises():
                function(*args, **kwargs)
        except BrokenPipeError:
            exit_without_reader()
        except (KeyboardInterrupt, click.Abort):
            write_line("Stopped.")
            sys.exit(INTERRUPTED)
        except MetaflowException as error:
            raise click.ClickException(in_commands(str(error))) from error
        except OSError as error:
            raise exception_of(error) from error

    return run


def exit_without_reader() -> NoReturn:
    """End the program after the reader of stdout has ended, without a message."""
    _discard_stdout()
    sys.exit(BROKEN_PIPE)


def _discard_stdout() -> None:
    # Python flushes stdout at its end; it would report the error once more, and exit with 120.
    with open(os.devnull, "wb") as devnull:
        os.dup2(devnull.fileno(), 1)


def exception_of(error: OSError) -> click.ClickException:
    """The exception for an error of the file system, after which nothing is written to a stdout that does not work."""
    try:
        sys.stdout.flush()
    except OSError:
        _discard_stdout()
    return click.ClickException(sentence_of(error))


def sentence_of(error: OSError) -> str:
    """An error of the file system as a sentence. Only errors of stdin and stdout have no file name."""
    reason = error.strerror or str(error)
    if error.filename:
        return f"{shown(os.fsdecode(error.filename))}: {reason}."
    return f"Could not read stdin or write stdout: {shown(reason)}."


@contextmanager
def _sigterm_raises() -> "Iterator[None]":
    """Make SIGTERM raise SystemExit, so that temporary files are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(number: int, frame: Optional[FrameType]) -> None:
    raise SystemExit(128 + number)
