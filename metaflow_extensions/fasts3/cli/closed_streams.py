"""Replaces standard streams that are closed (`<&-`, `>&-`, `2>&-`): Python has None instead of a stream then."""

import io
import os
import sys
from typing import Any


def replace_closed_streams() -> None:
    """Make reading a closed stdin and writing a closed stdout raise OSError, as in other programs; drop messages.

    Without a stderr, click would write messages to stdout, which may carry data. And without these streams, the next
    files or connections would get their descriptors. This order gives each stream its own, if nothing has taken it.
    """
    if sys.stdin is None:
        sys.stdin = _stream("r", os.O_WRONLY)
    if sys.stdout is None:
        sys.stdout = _stream("w", os.O_RDONLY)
    if sys.stderr is None:
        sys.stderr = _stream("w", os.O_WRONLY)


def _stream(mode: str, flags: int) -> io.TextIOWrapper:
    """Open /dev/null, with flags that may not fit the mode. Unbuffered, so that nothing fails at the end again."""
    raw: Any = io.FileIO(os.open(os.devnull, flags), mode)
    return io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
