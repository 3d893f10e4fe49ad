"""The command: which rows, how many rounds, and where the table goes."""

import argparse
import json
import os
import sys
from pathlib import Path

from .cases import FULL, SMOKE, matching
from .compare import compare
from .machine import description
from .report import markdown, report

RESULTS = Path(__file__).with_name("results") / "own_class"


def main() -> int:
    """Compare, print the table, write it; 1 if a call crashed or its data were wrong, never for slowness."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Metaflow's own S3 class and this project's, side by side on SeaweedFS.",
        epilog="A run of all rows is written to benchmarks/results/own_class.json and .md.",
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each row is measured (default: 3, or 1)")
    parser.add_argument("--rows", default="", metavar="PATTERN", help="only rows with this in their name; * and ? work")
    parser.add_argument("--smoke", action="store_true", help="a few small rows, once: do the benchmarks work at all?")
    parser.add_argument("--output", type=Path, metavar="PATH", help="write PATH.json and PATH.md")
    arguments = parser.parse_args()

    cases = matching(SMOKE if arguments.smoke else FULL, arguments.rows)
    if not cases:
        parser.error(f"no row has {arguments.rows!r} in its name")
    rounds = arguments.rounds or (1 if arguments.smoke else 3)
    before = os.getloadavg()[0]
    samples, failures = compare(cases, rounds, lambda line: print(line, file=sys.stderr, flush=True))
    document = report(cases, samples, failures, description(), (before, os.getloadavg()[0]), rounds)
    page = markdown(document)
    print(page)
    output = arguments.output or (RESULTS if cases == FULL and not failures else None)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        output.with_suffix(".md").write_text(page, encoding="utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
