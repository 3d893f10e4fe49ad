"""``metaflow fasts3 doctor``: prints the configuration, its origins, and problems."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.standard_error import write_line
from metaflow_extensions.fasts3.boto.clients import S3Client
from metaflow_extensions.fasts3.boto.redaction import without_password
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.doctor.checks import why_no_url
from metaflow_extensions.fasts3.doctor.context import Access
from metaflow_extensions.fasts3.doctor.examination import Examination
from metaflow_extensions.fasts3.doctor.findings import Finding, Status
from metaflow_extensions.fasts3.doctor.report import COLORS, Report, Style, document, plain

WIDEST = 120  # columns; longer lines are hard to read


@click.command("doctor", short_help="Check the configuration and report problems.")
@click.option("--root", metavar="s3://BUCKET/PREFIX", help="Check this location.  [default: DATATOOLS_S3ROOT]")
@click.option("--read-only", is_flag=True, help="Write nothing, and skip checks that write.")
@click.option("--quick", "--no-throughput", "quick", is_flag=True, help="Transfer no large object.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document without secrets, for bug reports.")
@with_connection
@with_exit_status
def doctor(root: Optional[str], read_only: bool, quick: bool, as_json: bool, connection: Connection) -> None:
    """Print the configuration of S3 with the origin of each setting, and check that it works.

    The doctor writes one object below ROOT/.metaflow-fasts3-doctor/, reads it and deletes it. It takes less than 30
    seconds. The exit status is 1 if there is a problem, and 0 otherwise, also with warnings.

    \b
    Examples:
        metaflow fasts3 doctor
        metaflow fasts3 doctor --root s3://my-bucket/somewhere --read-only
        metaflow fasts3 doctor --profile dev --region eu-west-1
        metaflow fasts3 doctor --json > report.json
    """
    reason = None if root is None else why_no_url(root)
    if reason:
        raise click.BadParameter(reason, param_hint="--root")
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: the written object has to be removed
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    examination = _examination(root and root.rstrip("/"), read_only, quick, connection)
    try:
        with examination.context:
            findings = _print_json(examination) if as_json else _print_text(examination)
    finally:
        if examination.context.written:
            write_line(f"{examination.context.written} may still exist. It is a test object and may be deleted.")
    sys.exit(int(any(finding.status is Status.PROBLEM for finding in findings)))


def _examination(root: Optional[str], read_only: bool, quick: bool, connection: Connection) -> Examination:
    client = S3Client(None, None, connection.client_params(), connection.anonymous, connection.requester_pays)
    values = (connection.profile, connection.endpoint_url, connection.region)
    given = frozenset(without_password(value) for value in values if value is not None)
    access = Access(given, connection.max_connections, connection.max_bandwidth)
    return Examination(root, read_only, not quick, client, access)


def _print_json(examination: Examination) -> "list[Finding]":
    began = time.monotonic()
    facts, findings = list(examination.facts()), list(examination.findings())
    click.echo(document(facts, findings, time.monotonic() - began, examination.context.redactor))
    return findings


def _print_text(examination: Examination) -> "list[Finding]":
    """Print each line as soon as it is known."""
    began = time.monotonic()
    terminal = sys.stdout.isatty()
    colored = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    style: Style = _colored if colored else plain
    width = min(shutil.get_terminal_size().columns, WIDEST) if terminal else 0
    report = Report(examination.context.redactor, width, style)
    for line in report.facts(examination.facts()):
        click.echo(line, color=colored)
    click.echo("Checks")
    findings: list[Finding] = []
    for line in report.findings(_recorded(examination.findings(), findings)):
        click.echo(line, color=colored)
    click.echo(report.end(findings, time.monotonic() - began), color=colored)
    return findings


def _recorded(findings: Iterable[Finding], record: "list[Finding]") -> Iterator[Finding]:
    for finding in findings:
        record.append(finding)
        yield finding


def _colored(text: str, status: Status) -> str:
    return str(click.style(text, fg=COLORS[status], bold=status is Status.PROBLEM))
