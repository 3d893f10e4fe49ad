"""Summarizes the samples in a table, as Markdown and as JSON."""

from collections.abc import Sequence
from datetime import datetime, timezone
from statistics import median
from typing import Any

from .cases import Case
from .client import OURS, OWN
from .compare import Outcome, Sample

ALIKE = 1.1  # a lower ratio may be noise, and is marked


def report(
    cases: Sequence[Case],
    outcome: Outcome,
    machine: "dict[str, str]",
    loads: "tuple[float, float]",
) -> "dict[str, Any]":
    """Collect all results in one document, as it is written to the JSON file.

    Parameters
    ----------
    loads : (float, float)
        Runnable processes of the machine, as a mean of the minute before the run and the minute before its end.
    """
    return {
        "measured": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine,
        "rounds": outcome.rounds,
        "load": {"before": round(loads[0], 1), "at the end": round(loads[1], 1)},
        "failures": [
            {"row": failed.case.name, "client": failed.which, "reason": failed.reason} for failed in outcome.failures
        ],
        "rows": [row for row in (_row(case, outcome.samples) for case in cases) if row],
    }


def _row(case: Case, samples: Sequence[Sample]) -> "dict[str, Any]":
    row: dict[str, Any] = {"name": case.name, **case._asdict()}
    for which in (OWN, OURS):
        mine = [sample for sample in samples if sample.case == case and sample.which == which]
        if not mine:
            return {}
        row[which] = {
            "seconds": median(sample.seconds for sample in mine),
            "cpu_seconds": median(sample.cpu_seconds for sample in mine),
            "all_seconds": [sample.seconds for sample in mine],
            "all_cpu_seconds": [sample.cpu_seconds for sample in mine],
        }
    row["ratio"] = row[OWN]["seconds"] / row[OURS]["seconds"]
    row["ratio_of_best"] = min(row[OWN]["all_seconds"]) / min(row[OURS]["all_seconds"])
    return row


def markdown(document: "dict[str, Any]") -> str:
    """Give the document as a page."""
    machine = document["machine"]
    described = ", ".join(f"{name} {value}" for name, value in machine.items())
    lines = [
        "# Metaflow's own class, call by call",
        "",
        f"`python -m benchmarks`, {document['measured']}. Both classes take turns in each row, each in its own",
        f"process, on one SeaweedFS on the loopback address. Figures are medians of {document['rounds']} rounds. The",
        "classes, the server and other programs share the cores: compare only figures of the same row. Load of the",
        f"machine: {document['load']['before']} before the run and {document['load']['at the end']} at its end,",
        "including the run.",
        "",
        f"Machine: {described}.",
        "",
        "Time: one call, until every result has been checked. Processor: the time of the client's whole process",
        "tree, without the server, in steps of 10 ms for running workers. Ratio: own / ours; above 1, ours is faster;",
        f"below {ALIKE} in bold. If other programs disturbed the run, the ratio of the best turns is more reliable.",
        "",
        "| call | own | ours | ratio | of best | own, processor | ours, processor |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in document["rows"]:
        own, ours = row[OWN], row[OURS]
        times = [_time(one[kind]) for kind in ("seconds", "cpu_seconds") for one in (own, ours)]
        ratios = [_ratio(row["ratio"]), _ratio(row["ratio_of_best"])]
        lines.append(f"| {' | '.join([row['name'], *times[:2], *ratios, *times[2:]])} |")
    lines += [""] if document["failures"] else []
    lines += [f"- FAILED: {failed['row']}: {failed['client']}: {failed['reason']}" for failed in document["failures"]]
    return "\n".join(lines) + "\n"


def _ratio(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio >= ALIKE else f"**{ratio:.2f}**"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.{1 if seconds < 0.1 else 0}f} ms"
