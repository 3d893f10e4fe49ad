"""Turns exceptions of a command into an exit status, with one sentence instead of a traceback."""

import functools
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Callable, Optional

from metaflow._vendor import click
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import shown
from metaflow_extensions.fasts3.api.standard_error import write_line
from metaflow_extensions.fasts3.cli.remedies import in_commands

INTERRUPTED = 128 + signal.SIGINT  # the status in shells of a program that Ctrl-C ended
ALLOCATIONS = 50_000  # of objects, before Python looks for reference cycles among them
BROKEN_PIPE = 128 + signal.SIGPIPE  # the reader has ended, as in `... | head`


def with_exit_status(function: "Callable[..., None]") -> "Callable[..., None]":
    """Make a command exit with 1 and a sentence for an error, and with 130 for Ctrl-C."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with _sigterm_raises(), _rare_collections():
                function(*args, **kwargs)
        except BrokenPipeError:
            # Python flushes stdout at its end, and would report the broken pipe once more.
            with open(os.devnull, "wb") as devnull:
                os.dup2(devnull.fileno(), 1)
            sys.exit(BROKEN_PIPE)
        except (KeyboardInterrupt, click.Abort):
            write_line("Stopped.")
            sys.exit(INTERRUPTED)
        except MetaflowException as error:
            raise click.ClickException(in_commands(str(error))) from error
        except OSError as error:
            raise click.ClickException(sentence_of(error)) from error

    return run


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


@contextmanager
def _rare_collections() -> "Iterator[None]":
    """Make Python look for reference cycles less often: a quarter of the time of 100,000 files otherwise."""
    before = gc.get_threshold()
    gc.set_threshold(ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _exit(number: int, frame: Optional[FrameType]) -> None:
    raise SystemExit(128 + number)
