"""Ages as users write and read them: 90s, 30m, 12h, 7d, 2w."""

import re
from typing import Any, Optional

from metaflow._vendor import click

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}  # seconds
_AGE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhdw])\Z", re.ASCII)


class Age(click.ParamType):  # type: ignore[misc]  # metaflow's copy of click has no types
    """An option's value in seconds."""

    name = "age"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        found = _AGE.match(str(value))
        if found is None:
            told = f"{value!r} is no age. Give a number and a unit (s, m, h, d or w), for example 12h or 7d."
            raise click.BadParameter(told, ctx, param)
        return float(found[1]) * UNITS[found[2]]


def age_shown(seconds: Optional[float]) -> str:
    """An age in its largest unit."""
    if seconds is None:
        return "?"
    unit = next((unit for unit in ("d", "h", "m") if seconds >= UNITS[unit]), "s")
    return f"{max(0, int(seconds // UNITS[unit]))}{unit}"
