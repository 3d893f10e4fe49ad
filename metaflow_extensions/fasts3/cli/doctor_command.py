"""``metaflow fasts3 doctor``: what is configured, from where, and what is wrong. Thin: the work is done elsewhere."""

# mypy: disallow-untyped-decorators=False
# (Metaflow's own copy of click has no types.)

import os
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING, Optional

from metaflow._vendor import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..doctor.examination import Examination
    from ..doctor.findings import Finding, Status

WIDEST = 120  # columns; longer lines are hard to read
STOPPED = 130  # what a shell says of a program that Ctrl-C has ended


@click.command(short_help="Tell what is configured, from where, and what is wrong.")
@click.option("--root", metavar="s3://BUCKET/PREFIX", help="Examine this place.  [default: DATATOOLS_S3ROOT]")
@click.option("--read-only", is_flag=True, help="Write nothing, and so leave out what can't be known without.")
@click.option("--quick", "--no-throughput", "quick", is_flag=True, help="Move no large object.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for bug reports. It holds no secret.")
def doctor(root: Optional[str], read_only: bool, quick: bool, as_json: bool) -> None:
    """Tell what is configured for S3, from where, and what is wrong with it.

    It writes one object below ROOT/.metaflow-fasts3-doctor/, reads it back and deletes it, and takes less than half a
    minute whatever happens. The exit status is 0 where all is well (warnings allowed) and 1 where there is a problem.

    Example:

    \b
        metaflow fasts3 doctor
        metaflow fasts3 doctor --root s3://my-bucket/somewhere --read-only
        metaflow fasts3 doctor --json > report.json
    """  # noqa: D301  # a real backspace character is click's mark for lines to leave alone
    # Only now: other commands of Metaflow should not wait for this.
    from ..api.standard_error import write_line
    from ..doctor.checks import why_no_url
    from ..doctor.examination import Examination
    from ..doctor.findings import Status

    why = root and why_no_url(root)
    if why:
        raise click.BadParameter(why, param_hint="--root")
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: what was written has to be removed
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    examination = Examination(root and root.rstrip("/"), read_only, throughput=not quick)
    try:
        with examination.subject:
            findings = _as_json(examination) if as_json else _as_text(examination)
    except KeyboardInterrupt:
        write_line("Stopped.")
        sys.exit(STOPPED)
    finally:
        if examination.subject.written:
            left = f"{examination.subject.written} may still be there. It holds nothing of worth and may be deleted."
            write_line(left)
    sys.exit(int(any(finding.status is Status.PROBLEM for finding in findings)))


def _as_json(examination: "Examination") -> "list[Finding]":
    from ..doctor.report import document

    began = time.monotonic()
    facts, findings = list(examination.facts()), list(examination.findings())
    click.echo(document(facts, findings, time.monotonic() - began, examination.subject.concealer))
    return findings


def _as_text(examination: "Examination") -> "list[Finding]":
    from ..doctor.report import Report, Style, plain

    began = time.monotonic()
    terminal = sys.stdout.isatty()
    coloured = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    style: Style = _coloured if coloured else plain
    width = min(shutil.get_terminal_size().columns, WIDEST) if terminal else 0
    report = Report(examination.subject.concealer, width, style)
    for line in report.facts(examination.facts()):
        click.echo(line, color=coloured)
    click.echo("Checks")
    findings: list[Finding] = []
    for line in report.findings(_kept(examination.findings(), findings)):
        click.echo(line, color=coloured)
    click.echo(report.end(findings, time.monotonic() - began), color=coloured)
    return findings


def _kept(findings: "Iterable[Finding]", kept: "list[Finding]") -> "Iterator[Finding]":
    for finding in findings:
        kept.append(finding)
        yield finding


def _coloured(text: str, status: "Status") -> str:
    from ..doctor.report import COLORS

    return str(click.style(text, fg=COLORS[status], bold=status.value == "problem"))
