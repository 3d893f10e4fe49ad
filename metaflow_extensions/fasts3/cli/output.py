"""What commands print: lines of text or of JSON on stdout, remarks on stderr."""

import json
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, Optional

from metaflow._vendor import click

from ..api.errors import shown
from ..api.formatting import readable
from ..api.standard_error import is_terminal, write_line

LONGEST = 2000  # characters of a name; keys have 1,024 bytes at the most


def print_lines(lines: "Iterable[str]") -> None:
    """Print lines at once: one by one they would be flushed one by one."""
    text = "\n".join(lines)
    if text:
        # Without `color` what steers a terminal would be cut out of names, also for a program.
        click.echo(text, color=True)


def json_line(**facts: Any) -> str:
    """One JSON object, in ASCII: names from S3 may hold what steers a terminal."""
    return json.dumps(facts)


def name_shown(name: str) -> str:
    """A name from S3: as it is for a program, without characters that steer a terminal for a terminal."""
    return shown(name, LONGEST) if sys.stdout.isatty() else name


def size_shown(size: int, human: bool) -> str:
    """A number of bytes."""
    return readable(size) if human else str(size)


def time_shown(timestamp: "Optional[int]") -> "Optional[str]":
    """A Unix time in UTC, as ISO 8601; None for None."""
    if timestamp is None:
        return None
    return datetime.fromtimestamp(timestamp, timezone.utc).isoformat().replace("+00:00", "Z")


def there_shown(count: int) -> str:
    """How many of what was asked for were there already, as the end of a sentence; nothing for none."""
    return f"; {count:,} {'was' if count == 1 else 'were'} there already" if count else ""


def remark(text: str) -> None:
    """Say something that is no result, on stderr."""
    write_line(shown(text, LONGEST))


class Remarks:
    """What a command tells of its work as a whole, to a terminal only.

    Parameters
    ----------
    wanted : bool
    """

    def __init__(self, wanted: bool) -> None:
        self._tell = wanted and is_terminal()

    def tell(self, text: str) -> None:
        """Say it."""
        if self._tell:
            remark(text)
