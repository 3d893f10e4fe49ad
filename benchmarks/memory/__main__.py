"""The command: which rows, and where."""

import argparse
import sys
import tempfile
from pathlib import Path

from .rows import FULL, MB, SMOKE, matching
from .watch import CallFailed, measure


def main() -> int:
    """Measure, print a line for each row; 1 if a call went wrong, or took more memory than is promised."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory",
        description="The memory of calls that have a great deal to do: of the process and its workers, at the peak.",
        epilog="PSS, in which shared pages count once, is what is compared with the limit.",
    )
    parser.add_argument("--rows", default="", metavar="PATTERN", help="only rows with this in their name; * and ? work")
    parser.add_argument("--smoke", action="store_true", help="the same with little to do: do they work at all?")
    parser.add_argument("--scratch", metavar="DIR", help="where 16 GB of files are for a while")
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
            told = " | ".join(f"{size / MB:.0f}" for size in cells)
            print(f"| {row.name} | {told}{'' if within else ' **exceeded**'} | {seconds:.1f} |", flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
