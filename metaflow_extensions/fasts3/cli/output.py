"""Output of commands: results on stdout, as text or JSON lines; messages on stderr."""

import json
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from functools import lru_cache, partial
from typing import Any, Callable, Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.errors import shown
from metaflow_extensions.fasts3.api.formatting import readable
from metaflow_extensions.fasts3.api.standard_error import write_line

LONGEST = 2000  # characters of a name; keys have 1,024 bytes at most


def print_lines(lines: "Iterable[str]") -> None:
    """Print lines with one write: click flushes after each."""
    text = "\n".join(lines)
    if text:
        # As bytes: names of local files may not be UTF-8, and click would remove control characters from text.
        click.echo(text.encode("utf-8", "surrogateescape"))


def json_line(**fields: Any) -> str:
    """One JSON object in ASCII: names from S3 may contain control characters."""
    return json.dumps(fields)


def format_name(name: str) -> str:
    """A name from S3; for a terminal without control characters."""
    return name_format()(name)


def name_format() -> "Callable[[str], str]":
    """Return the function that formats many names as `format_name` does."""
    return partial(shown, most=LONGEST) if sys.stdout.isatty() else str


def format_size(size: int, human: bool) -> str:
    """A number of bytes."""
    return readable(size) if human else str(size)


@lru_cache(maxsize=4096)  # objects that were stored together share times
def format_time(timestamp: "Optional[int]") -> "Optional[str]":
    """A Unix time in UTC, as ISO 8601; None for None."""
    if timestamp is None:
        return None
    return datetime.fromtimestamp(timestamp, timezone.utc).isoformat().replace("+00:00", "Z")


def message(text: str) -> None:
    """Write a line to stderr."""
    write_line(shown(text, LONGEST))


def summary(text: str, quiet: bool = False) -> None:
    """Write the result of a command to stderr, on a terminal or not: what was transferred, deleted or skipped.

    Without --quiet, each command that changes something ends with this line, also with --json and --no-progress.
    """
    if not quiet:
        message(text)
