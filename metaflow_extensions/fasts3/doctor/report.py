"""Formats facts and findings as lines, or as one JSON document for bug reports."""

import itertools
import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.api.errors import shown
from metaflow_extensions.fasts3.api.formatting import duration, readable
from metaflow_extensions.fasts3.doctor.findings import Fact, Finding, Status, Value
from metaflow_extensions.fasts3.doctor.redaction import Redactor

FORMAT = 2  # of the JSON document; increased when a name is removed or changes its meaning
LABEL = 29  # columns for the name of a fact
MARK = 9  # columns for the mark of a finding
NAME = 15  # columns for its name
COLORS = {Status.OK: "green", Status.WARNING: "yellow", Status.PROBLEM: "red", Status.SKIPPED: "cyan"}
MARKS = {Status.OK: "ok", Status.WARNING: "warning", Status.PROBLEM: "PROBLEM", Status.SKIPPED: "skipped"}

Style = Callable[[str, Status], str]  # colors a mark


def plain(text: str, _: Status) -> str:
    """Use no color."""
    return text


class Report:
    """Facts and findings as text.

    Lines are wrapped to the `width` of the terminal in columns; 0: they are not. `style` colors a mark.
    """

    def __init__(self, redactor: Redactor, width: int = 0, style: Style = plain) -> None:
        self._redactor = redactor
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
            text = self._clean(f"{_in_words(fact.value, fact.unit)}{origin}")
            name = fact.name if fact.name.isupper() else fact.name.replace("_", " ")
            yield from self._wrapped(f"  {name:<{LABEL}}", text)

    def findings(self, findings: Iterable[Finding]) -> Iterator[str]:
        """The lines of findings, as they become known. Those skipped for one reason share a line."""
        for reason, group in itertools.groupby(findings, _skipped_because):
            if reason is None:
                for finding in group:
                    yield from self._finding(finding)
            else:
                names = ", ".join(finding.name for finding in group)
                names += ":" if "," in names else ""
                yield from self._marked(Status.SKIPPED, f"{names:<{NAME - 1}} ", reason)

    def _finding(self, finding: Finding) -> Iterator[str]:
        yield from self._marked(finding.status, f"{finding.name:<{NAME}}", finding.message)
        if finding.remedy:
            yield from self._wrapped(f"{'':<{2 + MARK + NAME}}-> ", self._clean(finding.remedy))

    def _marked(self, status: Status, name: str, message: str) -> Iterator[str]:
        mark = f"  {MARKS[status]:<{MARK}}"
        lines = self._wrapped(f"{mark}{name}", self._clean(message))
        yield self._style(mark, status) + next(lines)[len(mark) :]
        yield from lines

    def end(self, findings: "list[Finding]", seconds: float) -> str:
        """The last line: the numbers of problems and warnings."""
        problems, warnings = count(findings, Status.PROBLEM), count(findings, Status.WARNING)
        status = Status.PROBLEM if problems else Status.WARNING if warnings else Status.OK
        verdict = (
            "No problems found"
            if status is Status.OK
            else f"{_several(problems, 'problem')}, {_several(warnings, 'warning')}"
        )
        return f"{self._style(verdict, status)} ({duration(seconds)})."

    def _clean(self, text: str) -> str:
        return shown(self._redactor.text(text))

    def _wrapped(self, start: str, text: str) -> Iterator[str]:
        if not self._width:
            yield start + text
            return
        room = max(20, self._width - len(start))
        lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        yield start + lines[0]
        for line in lines[1:]:
            yield " " * len(start) + line


def document(facts: Iterable[Fact], findings: Iterable[Finding], seconds: float, redactor: Redactor) -> str:
    """Facts and findings as JSON.

    ``format``: 2. ``facts``: by section and name, each with ``value`` and ``origin``. ``findings``: in order, each with
    ``name``, ``status``, ``message``, ``remedy`` and ``figures``. ``problems`` and ``warnings``: how many. ``seconds``:
    how long it took.
    """
    sections: dict[str, dict[str, Any]] = {}
    for fact in facts:
        section = sections.setdefault(fact.section, {})
        section[fact.name] = {"value": redactor.value(fact.value), "origin": redactor.text(fact.origin)}
    found = list(findings)
    whole = {
        "format": FORMAT,
        "facts": sections,
        "findings": [_of_json(finding, redactor) for finding in found],
        "problems": count(found, Status.PROBLEM),
        "warnings": count(found, Status.WARNING),
        "seconds": round(seconds, 2),
    }
    return json.dumps(whole, indent=2)


def _of_json(finding: Finding, redactor: Redactor) -> "dict[str, Any]":
    return {
        "name": finding.name,
        "status": finding.status.value,
        "message": redactor.text(finding.message),
        "remedy": redactor.text(finding.remedy),
        "figures": finding.figures,
    }


def count(findings: Iterable[Finding], status: Status) -> int:
    """How many findings have this status."""
    return sum(finding.status is status for finding in findings)


def _skipped_because(finding: Finding) -> Optional[str]:
    return finding.message if finding.status is Status.SKIPPED else None


def _several(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _in_words(value: Value, unit: str) -> str:
    if value is None:
        return "none"
    if unit == "bytes" and isinstance(value, (int, float)):
        return readable(value)
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)
