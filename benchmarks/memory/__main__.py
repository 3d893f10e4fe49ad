"""The command ``python -m benchmarks.memory``: selects rows and the scratch directory."""

import argparse
import sys
import tempfile
from pathlib import Path

from .rows import FULL, MB, SMOKE, matching
from .watch import CallFailed, measure


def main() -> int:
    """Measure, and print a line for each row; return 1 if a call failed or exceeded its memory limit."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory",
        description="The peak memory of large calls: of the process and its workers.",
        epilog="The limit applies to PSS, in which shared pages count once.",
    )
    parser.add_argument("--rows", default="", metavar="PATTERN", help="only rows with this in their name; * and ? work")
    parser.add_argument("--smoke", action="store_true", help="run small calls, to test the benchmark")
    parser.add_argument("--scratch", metavar="DIR", help="directory for 16 GB of temporary files")
    arguments = parser.parse_args()
    rows = matching(SMOKE if arguments.smoke else FULL, arguments.rows)
    if not rows:
        parser.error(f"no row has {arguments.rows!r} in its name")
    print("| call | before, MB | peak, MB (PSS) | USS | RSS | limit | seconds |\n|---|---|---|---|---|---|---|")
    kept = True
    with tempfile.TemporaryDirectory(prefix="fasts3-memory-", dir=arguments.scratch) as folder:
        for row in rows:
            try:
                before, peak, seconds = measure(row, Path(folder))
            except CallFailed as failed:
                print(f"| {row.name} | {failed} |", flush=True)
                kept = False
                continue
            within = peak.pss <= row.limit
            kept = kept and within
            cells = [before.pss, peak.pss, peak.uss, peak.rss, row.limit]
            figures = " | ".join(f"{size / MB:.0f}" for size in cells)
            print(f"| {row.name} | {figures}{'' if within else ' **exceeded**'} | {seconds:.1f} |", flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
