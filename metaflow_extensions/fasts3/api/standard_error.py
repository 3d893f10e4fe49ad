"""Writes to stderr. If it is closed, full or broken, the text is dropped: no call fails because of it.

This module does not use `print`: without a stderr, it would write to stdout, which may carry data.
"""

import contextlib
import sys
import warnings


def write_line(text: str) -> None:
    """Write a line, if possible."""
    stream = sys.stderr
    if stream is not None:
        with contextlib.suppress(Exception):  # the stream may be any object
            stream.write(f"{text}\n")
            stream.flush()


def is_terminal() -> bool:
    """Whether stderr is a terminal."""
    try:
        return bool(sys.stderr.isatty())
    except Exception:  # as above
        return False


def warn(text: str, stacklevel: int) -> None:
    """Call `warnings.warn`. A warning that a filter turns into an error is raised."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: stderr is closed
        warnings.warn(text, stacklevel=stacklevel + 1)
