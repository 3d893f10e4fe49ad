"""The options that several commands share, and the types of option values."""

import re
from typing import Any, Callable, Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.formatting import readable

Decorator = Callable[[Any], Any]


def not_empty(_: Any, __: Any, value: Any) -> Any:
    """Refuse an empty value of an option, or of one of its repetitions, when click reads it."""
    if value == "" or (isinstance(value, tuple) and "" in value):
        raise click.BadParameter("it is empty, perhaps because a shell variable is not set.")
    return value


_RUN = click.option(
    "--run",
    metavar="FLOW/ID",
    help="Work on the versioned data of a run, as S3(run=...) does, e.g. MyFlow/123. Keys are relative to it. The "
    "command does not look up the run, so it may be in any namespace.",
)
_ROOT = click.option(
    "--root", metavar="S3URL", help="Work below this location, s3://bucket/prefix. Keys are relative to it."
)
_INCLUDE = click.option(
    "--include",
    multiple=True,
    metavar="PATTERN",
    callback=not_empty,
    help="Select only paths that match PATTERN. May be repeated.",
)
_EXCLUDE = click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    callback=not_empty,
    help="Skip paths that match PATTERN. May be repeated.",
)


def with_location(function: Any) -> Any:
    """Give a command the options `run` and `root`."""
    return _RUN(_ROOT(function))


def with_patterns(function: Any) -> Any:
    """Give a command the options `include` and `exclude`, for paths below a prefix or a pattern's directory."""
    return _INCLUDE(_EXCLUDE(function))


with_raw: Decorator = click.option("--raw", is_flag=True, help="Treat *, ? and [ literally, not as wildcards.")
with_json: Decorator = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
with_human: Decorator = click.option(
    "-h", "--human", "--human-readable", "human", is_flag=True, help="Print sizes with units, e.g. 1.5 MiB."
)
with_progress: Decorator = click.option(
    "--no-progress", is_flag=True, help="Do not show progress. [default: show it on a terminal]"
)
with_quiet: Decorator = click.option(
    "-q", "--quiet", is_flag=True, help="Print errors only: no progress and no summary."
)

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}  # of each unit of an age
AGE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhdw]?)\Z", re.ASCII)
SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) *([kmg]?)(i?)(b?)\Z", re.IGNORECASE)
POWERS = {"": 0, "k": 1, "m": 2, "g": 3}
LARGEST = 5 * 2**30  # bytes


class Age(click.ParamType):  # type: ignore[misc]  # metaflow's copy of click has no types
    """An age, or another duration, such as 90s, 30m, 12h, 7d or 2w, in seconds.

    `unit` is that of a number without a unit; "": it needs one.
    """

    name = "age"

    def __init__(self, unit: str = "") -> None:
        self._unit = unit

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        found = AGE.match(str(value))
        unit = found and (found[2] or self._unit)
        if not found or not unit:
            message = f"{value!r} is not a duration. Give a number and a unit (s, m, h, d or w), such as 12h or 7d."
            raise click.BadParameter(message, ctx, param)
        return float(found[1]) * SECONDS[unit]


def format_duration(seconds: float) -> str:
    """Format a duration exactly, in its largest unit without a fraction."""
    unit = next((unit for unit in ("d", "h", "m") if seconds % SECONDS[unit] == 0), "s")
    return f"{seconds / SECONDS[unit]:.3f}".rstrip("0").rstrip(".") + unit


def format_age(seconds: Optional[float]) -> str:
    """Format an age in its largest unit, rounded down."""
    if seconds is None:
        return "?"
    unit = next((unit for unit in ("d", "h", "m") if seconds >= SECONDS[unit]), "s")
    return f"{max(0, int(seconds // SECONDS[unit]))}{unit}"


class Size(click.ParamType):  # type: ignore[misc]
    """A number of bytes: 1000, 1KB, 64MiB. `largest` is None for any number."""

    name = "size"

    def __init__(self, largest: Optional[int] = LARGEST) -> None:
        self._largest = largest

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        found = SIZE.match(str(value))
        if not found:
            raise click.BadParameter(f"{value!r} is not a size. Write it as 1000, 10KiB or 50MB.")
        number, unit, binary, _ = found.groups()
        size = int(float(number) * (1024 if binary else 1000) ** POWERS[unit.lower()])
        if self._largest is not None and size > self._largest:
            raise click.BadParameter(f"{value!r} is too large; the largest is {readable(self._largest)}.")
        return size
