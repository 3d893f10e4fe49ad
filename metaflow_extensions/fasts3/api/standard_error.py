"""Writes to stderr. Where it is closed, full or broken, the text is lost: no call fails for it.

`print` is of no use here: where there is no stderr, it writes to stdout, which holds data.
"""

import contextlib
import sys
import warnings


def write_line(text: str) -> None:
    """Write a line, if possible."""
    stream = sys.stderr
    if stream is not None:
        with contextlib.suppress(Exception):  # the stream may be any object of the user's
            stream.write(f"{text}\n")
            stream.flush()


def is_terminal() -> bool:
    """Whether stderr is a terminal."""
    try:
        return bool(sys.stderr.isatty())
    except Exception:  # as above
        return False


def warn(text: str, stacklevel: int) -> None:
    """Warn as `warnings.warn` does. A warning that the user has turned into an error is raised."""
    with contextlib.suppress(OSError, ValueError):  # the latter: closed
        warnings.warn(text, stacklevel=stacklevel + 1)
