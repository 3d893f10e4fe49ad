"""The command ``python -m benchmarks``: selects rows and rounds, and writes the table."""

import argparse
import json
import os
import sys
from pathlib import Path

from .cases import FULL, SMOKE, matching
from .compare import compare
from .machine import description
from .report import markdown, report

ROUNDS = 3
TIME_LIMIT = 570.0  # seconds for a run without --rounds
RESULTS = Path(__file__).with_name("results") / "own_class"


def main() -> int:
    """Compare, print and write the table; return 1 if a call crashed or returned wrong data, not if it was slow."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Metaflow's own S3 class and this project's, side by side on SeaweedFS.",
        epilog="A run of all rows is written to benchmarks/results/own_class.json and .md.",
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="number of rounds (default: 3, or as many as fit into ten minutes)"
    )
    parser.add_argument(
        "--rows", default="", metavar="PATTERN", help="run only rows with this in their name; * and ? are wildcards"
    )
    parser.add_argument("--smoke", action="store_true", help="run a few small rows once, to test the benchmarks")
    parser.add_argument("--output", type=Path, metavar="PATH", help="write PATH.json and PATH.md")
    arguments = parser.parse_args()

    cases = matching(SMOKE if arguments.smoke else FULL, arguments.rows)
    if not cases:
        parser.error(f"no row has {arguments.rows!r} in its name")
    before = os.getloadavg()[0]
    outcome = compare(
        cases,
        arguments.rounds or (1 if arguments.smoke else ROUNDS),
        lambda line: print(line, file=sys.stderr, flush=True),
        float("inf") if arguments.rounds else TIME_LIMIT,
    )
    document = report(cases, outcome, description(), (before, os.getloadavg()[0]))
    page = markdown(document)
    print(page)
    output = arguments.output or (RESULTS if cases == FULL and not outcome.failures else None)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        output.with_suffix(".md").write_text(page, encoding="utf-8")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
