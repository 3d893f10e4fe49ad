"""The output of the doctor: facts with their origins, and findings with remedies."""

from enum import Enum
from typing import NamedTuple, Union

Value = Union[str, int, float, bool, list[str], None]  # a JSON value


class Fact(NamedTuple):
    """A setting, or a property of this machine."""

    section: str  # the heading, e.g. "endpoint"
    name: str  # in JSON; stable, lower case with underscores
    value: Value
    origin: str = ""  # "" for values that are not configured
    unit: str = ""  # of a number


class Status(str, Enum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"  # it works, but not well
    PROBLEM = "problem"  # something does not work
    SKIPPED = "skipped"  # not checked; the message says why


class Finding(NamedTuple):
    """The result of one check."""

    status: Status
    message: str  # one sentence
    remedy: str = ""  # what to do, if anything
    figures: dict[str, float] = {}  # noqa: RUF012  # measurements, with units in the names; never changed
    name: str = ""  # of the check; stable, lower case with underscores


def ok(message: str, **figures: float) -> Finding:
    """Return a finding with status OK."""
    return Finding(Status.OK, message, figures=figures)


def warning(message: str, remedy: str, **figures: float) -> Finding:
    """Return a finding with status WARNING."""
    return Finding(Status.WARNING, message, remedy, figures)


def problem(message: str, remedy: str, **figures: float) -> Finding:
    """Return a finding with status PROBLEM."""
    return Finding(Status.PROBLEM, message, remedy, figures)


def skipped(message: str) -> Finding:
    """Return a finding with status SKIPPED."""
    return Finding(Status.SKIPPED, message)
