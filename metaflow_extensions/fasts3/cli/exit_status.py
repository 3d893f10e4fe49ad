"""How a command ends: with which exit status, and with one sentence instead of a traceback."""

import functools
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Callable, Optional

from metaflow._vendor import click

INTERRUPTED = 128 + signal.SIGINT  # as shells count: Ctrl-C
READER_GONE = 128 + signal.SIGPIPE  # `... | head` has seen enough


def with_exit_status(function: "Callable[..., None]") -> "Callable[..., None]":
    """Have what a command raises become an exit status: 1 and a sentence for an error, 130 for Ctrl-C."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        from metaflow.exception import MetaflowException

        from ..api.standard_error import write_line

        try:
            with _ended_by_kill():
                function(*args, **kwargs)
        except BrokenPipeError:
            # Whatever is still to be flushed goes nowhere, or Python would complain of it at the end.
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 1)
            sys.exit(READER_GONE)
        except (KeyboardInterrupt, click.Abort):
            write_line("Stopped.")
            sys.exit(INTERRUPTED)
        except MetaflowException as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(sentence_of(error)) from error

    return run


def sentence_of(error: OSError) -> str:
    """What the file system refused, as a sentence."""
    from ..api.errors import shown

    said = error.strerror or str(error)
    return f"{shown(os.fsdecode(error.filename))}: {said}." if error.filename else f"{shown(said)}."


@contextmanager
def _ended_by_kill() -> "Iterator[None]":
    """Have `kill` end the command as an exception does, so that what is temporary is removed."""
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
