"""How facts and findings are shown: as lines for people, or as one JSON document for bug reports."""

import itertools
import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.api.errors import shown
from metaflow_extensions.fasts3.api.formatting import duration, readable
from metaflow_extensions.fasts3.doctor.concealing import Concealer
from metaflow_extensions.fasts3.doctor.findings import Fact, Finding, Status, Value

FORMAT = 1  # of the JSON document: higher where a name is gone or means something else
LABEL = 27  # columns for the name of a fact
MARK = 9  # columns for the mark of a finding
NAME = 15  # columns for its name
COLORS = {Status.OK: "green", Status.WARNING: "yellow", Status.PROBLEM: "red", Status.SKIPPED: "cyan"}
MARKS = {Status.OK: "ok", Status.WARNING: "warning", Status.PROBLEM: "PROBLEM", Status.SKIPPED: "skipped"}

Style = Callable[[str, Status], str]  # gives a mark its colour


def plain(text: str, _: Status) -> str:
    """No colour."""
    return text


class Report:
    """Facts and findings as text.

    Parameters
    ----------
    concealer : Concealer
        Everything passes through it.
    width : int
        Columns of the terminal; 0: lines are as long as they are.
    style : callable
        Gives a mark the colour of a status.
    """

    def __init__(self, concealer: Concealer, width: int = 0, style: Style = plain) -> None:
        self._concealer = concealer
        self._width = width
        self._style = style

    def facts(self, facts: Iterable[Fact]) -> Iterator[str]:
        """The lines of facts, each section below its heading."""
        section = ""
        for fact in facts:
            if fact.section != section:
                section = fact.section
                yield section.capitalize()
            origin = f"  [{fact.origin}]" if fact.origin else ""
            told = self._clean(f"{_in_words(fact.value, fact.unit)}{origin}")
            name = fact.name if fact.name.isupper() else fact.name.replace("_", " ")
            yield from self._wrapped(f"  {name:<{LABEL}}", told)

    def findings(self, findings: Iterable[Finding]) -> Iterator[str]:
        """The lines of findings, as they come. What was skipped for one reason is told in one."""
        for reason, group in itertools.groupby(findings, _skipped_because):
            if reason is None:
                for finding in group:
                    yield from self._finding(finding)
            else:
                names = ", ".join(finding.name for finding in group)
                names += ":" if "," in names else ""
                yield from self._marked(Status.SKIPPED, f"{names:<{NAME - 1}} ", reason)

    def _finding(self, finding: Finding) -> Iterator[str]:
        yield from self._marked(finding.status, f"{finding.name:<{NAME}}", finding.told)
        if finding.remedy:
            yield from self._wrapped(f"{'':<{2 + MARK + NAME}}-> ", self._clean(finding.remedy))

    def _marked(self, status: Status, name: str, told: str) -> Iterator[str]:
        mark = f"  {MARKS[status]:<{MARK}}"
        lines = self._wrapped(f"{mark}{name}", self._clean(told))
        yield self._style(mark, status) + next(lines)[len(mark) :]
        yield from lines

    def end(self, findings: "list[Finding]", seconds: float) -> str:
        """The last line."""
        problems, warnings = count(findings, Status.PROBLEM), count(findings, Status.WARNING)
        status = Status.PROBLEM if problems else Status.WARNING if warnings else Status.OK
        told = (
            "All is well"
            if status is Status.OK
            else f"{_several(problems, 'problem')}, {_several(warnings, 'warning')}"
        )
        return f"{self._style(told, status)} ({duration(seconds)})."

    def _clean(self, text: str) -> str:
        return shown(self._concealer.text(text))

    def _wrapped(self, start: str, text: str) -> Iterator[str]:
        if not self._width:
            yield start + text
            return
        room = max(20, self._width - len(start))
        lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        yield start + lines[0]
        for line in lines[1:]:
            yield " " * len(start) + line


def document(facts: Iterable[Fact], findings: Iterable[Finding], seconds: float, concealer: Concealer) -> str:
    """Facts and findings as JSON.

    Returns
    -------
    str
        ``format``: 1. ``facts``: by section and name, each with ``value`` and ``origin``. ``findings``: in order, each
        with ``name``, ``status``, ``told``, ``remedy`` and ``figures``. ``problems`` and ``warnings``: how many.
        ``seconds``: how long it took.
    """
    told: dict[str, dict[str, Any]] = {}
    for fact in facts:
        section = told.setdefault(fact.section, {})
        section[fact.name] = {"value": concealer.value(fact.value), "origin": concealer.text(fact.origin)}
    found = list(findings)
    whole = {
        "format": FORMAT,
        "facts": told,
        "findings": [_of_json(finding, concealer) for finding in found],
        "problems": count(found, Status.PROBLEM),
        "warnings": count(found, Status.WARNING),
        "seconds": round(seconds, 2),
    }
    return json.dumps(whole, indent=2)


def _of_json(finding: Finding, concealer: Concealer) -> "dict[str, Any]":
    return {
        "name": finding.name,
        "status": finding.status.value,
        "told": concealer.text(finding.told),
        "remedy": concealer.text(finding.remedy),
        "figures": finding.figures,
    }


def count(findings: Iterable[Finding], status: Status) -> int:
    """How many findings have this status."""
    return sum(finding.status is status for finding in findings)


def _skipped_because(finding: Finding) -> Optional[str]:
    return finding.told if finding.status is Status.SKIPPED else None


def _several(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _in_words(value: Value, unit: str) -> str:
    if value is None:
        return "none"
    if unit == "bytes" and isinstance(value, (int, float)):
        return readable(value)
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)
