import json

from metaflow_extensions.fasts3.doctor.findings import Fact, ok, problem, skipped, warning
from metaflow_extensions.fasts3.doctor.redaction import Redactor
from metaflow_extensions.fasts3.doctor.report import Report, document

FACTS = [
    Fact("endpoint", "endpoint_url", "http://host", "environment variable X"),
    Fact("endpoint", "proxy", None),
    Fact("machine", "tmproot_free", 2_500_000_000, unit="bytes"),
    Fact("machine", "names", ["a", "b"]),
]
FINDINGS = [
    ok("It exists.")._replace(name="bucket"),
    warning("It is late.", "Set it.")._replace(name="clock"),
    problem("It fails: the-secret.", "Allow it.")._replace(name="write"),
    skipped("Not looked at.")._replace(name="read"),
    skipped("Not looked at.")._replace(name="delete"),
    skipped("Not known.")._replace(name="region"),
]
CONCEALER = Redactor(["the-secret"])


def test_facts_stand_below_their_headings() -> None:
    assert list(Report(CONCEALER).facts(FACTS)) == [
        "Endpoint",
        "  endpoint url                 http://host  [environment variable X]",
        "  proxy                        none",
        "Machine",
        "  tmproot free                 2.3 GiB",
        "  names                        a, b",
    ]


def test_findings_have_a_mark_and_their_remedy() -> None:
    assert list(Report(CONCEALER).findings(FINDINGS)) == [
        "  ok       bucket         It exists.",
        "  warning  clock          It is late.",
        "                          -> Set it.",
        "  PROBLEM  write          It fails: ***.",
        "                          -> Allow it.",
        "  skipped  read, delete:  Not looked at.",
        "  skipped  region         Not known.",
    ]


def test_findings_are_shown_as_they_come() -> None:
    shown = Report(CONCEALER).findings(iter([*FINDINGS[:1], problem("No.", "Yes.")._replace(name="write")]))
    assert next(shown).endswith("It exists.")


def test_long_lines_are_wrapped_to_the_terminal() -> None:
    lines = list(Report(CONCEALER, width=60).findings([ok("word " * 20)._replace(name="bucket")]))
    assert len(lines) > 2
    assert all(len(line) <= 60 for line in lines)
    assert lines[1].startswith(" " * 26 + "word")


def test_control_characters_are_escaped() -> None:
    assert "\x1b" not in "".join(Report(CONCEALER).findings([ok("a \x1b[31m name")._replace(name="bucket")]))


def test_marks_are_coloured_and_nothing_else() -> None:
    report = Report(CONCEALER, style=lambda text, status: f"<{status.value}>{text}</>")
    assert next(report.findings(FINDINGS)) == "<ok>  ok       </>bucket         It exists."


def test_the_end_counts() -> None:
    report = Report(CONCEALER)
    assert report.end(FINDINGS, 1.23) == "1 problem, 1 warning (1.2 s)."
    assert report.end(FINDINGS[:2] * 2, 1) == "no problems, 2 warnings (1.0 s)."
    assert report.end(FINDINGS[:1], 1) == "No problems found (1.0 s)."


def test_the_document() -> None:
    report = json.loads(document(FACTS, FINDINGS, 1.234, CONCEALER))
    assert report["format"] == 2
    assert report["facts"]["endpoint"]["endpoint_url"] == {"value": "http://host", "origin": "environment variable X"}
    assert report["facts"]["machine"]["names"]["value"] == ["a", "b"]
    assert report["findings"][2] == {
        "name": "write",
        "status": "problem",
        "message": "It fails: ***.",
        "remedy": "Allow it.",
        "figures": {},
    }
    assert (report["problems"], report["warnings"], report["seconds"]) == (1, 1, 1.23)
