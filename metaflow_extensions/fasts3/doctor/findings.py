"""What an examination brings forth: facts, each with its origin, and findings, each with its remedy."""

from enum import Enum
from typing import NamedTuple, Union

Value = Union[str, int, float, bool, list[str], None]  # what JSON can hold


class Fact(NamedTuple):
    """Something that is configured, or that this machine has."""

    section: str  # under which heading it stands, e.g. "endpoint"
    name: str  # in JSON; stable, lower case with underscores
    value: Value
    origin: str = ""  # where it comes from, in words; "" where there is nothing to choose
    unit: str = ""  # of a number


class Status(str, Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"  # it works, and could be better
    PROBLEM = "problem"  # something does not work
    SKIPPED = "skipped"  # it was not looked at, and `told` says why


class Finding(NamedTuple):
    """What one check found."""

    name: str  # the check's; stable, lower case with underscores
    status: Status
    told: str  # one sentence
    remedy: str = ""  # what to do; empty where nothing has to be done
    figures: dict[str, float] = {}  # noqa: RUF012  # what was measured, units in the names; never changed


def ok(name: str, told: str, **figures: float) -> Finding:
    """All is well."""
    return Finding(name, Status.OK, told, figures=figures)


def warning(name: str, told: str, remedy: str, **figures: float) -> Finding:
    """It works, and could be better."""
    return Finding(name, Status.WARNING, told, remedy, figures)


def problem(name: str, told: str, remedy: str, **figures: float) -> Finding:
    """Something does not work."""
    return Finding(name, Status.PROBLEM, told, remedy, figures)


def skipped(name: str, told: str) -> Finding:
    """It was not looked at."""
    return Finding(name, Status.SKIPPED, told)
