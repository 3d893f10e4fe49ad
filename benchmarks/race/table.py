"""The document as a page of Markdown: a table for each row, and one of the targets."""

from typing import Any

from ..peers import OURS, PEERS
from .turn import WARM_UP

LARGE = 10**6  # bytes; rates of larger objects are in GB, those of smaller ones in objects


def markdown(document: "dict[str, Any]") -> str:
    """Give the document as a page."""
    described = ", ".join(f"{name} {value}" for name, value in document["machine"].items())
    load = document["load"]
    lines = [
        "# S3 clients",
        "",
        f"`make bench`, {document['measured']}. All clients do the same work in turns, in one run on one machine.",
        f"Figures are medians of {document['rounds']} rounds. Each turn is a new process, which makes one call with",
        f"{WARM_UP[0]} objects first (in rows named *second call*, one with as many as the timed call), except in rows",
        "named *fresh process*. The clients, the servers and other programs share the cores: compare only figures of",
        "the same row. Load of the machine:",
        f"{load['before']} before the run and {load['at the end']} at its end, including the run.",
        "",
        f"Machine: {described}.",
        "",
        "Time: one call, until the size of every object has been checked. Ratio: theirs / ours; above 1, ours is",
        "faster. *Of best* compares the best turns. Processor: user and system time of the client's whole process",
        "tree, including running workers, in steps of 10 ms. Memory: the peak PSS of the process tree, in a turn",
        "that is not timed.",
    ]
    lines += _aims(document)
    for row in document["rows"]:
        lines += ["", f"## {row['name']}", "", *_row(row)]
    lines += [""] if document["failures"] else []
    lines += [
        f"- FAILED: {failed['row']}: {PEERS[failed['client']].title}: {failed['reason']}"
        for failed in document["failures"]
    ]
    return "\n".join(lines) + "\n"


def _aims(document: "dict[str, Any]") -> "list[str]":
    lines = ["", "## Targets", "", "| row | figure | target | measured | |", "|---|---|---:|---:|---|"]
    for row in document["rows"]:
        for aim in row["aims"]:
            sign = ">=" if aim["at"] == "least" else "<="
            held = "" if aim["held"] else "**missed**"
            cells = [row["name"], aim["what"], f"{sign} {aim['aim']:g}", f"{aim['measured']:.3g}", held]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _row(row: "dict[str, Any]") -> "list[str]":
    large = row["size"] >= LARGE
    lines = [
        f"| client | time | {'GB/s' if large else 'objects/s'} | ratio | of best | "
        f"processor per {'GB' if large else 'object'} | memory |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for client, found in row["clients"].items():
        title = PEERS[client].title
        cells = [f"**{title}**" if client == OURS else title, *_timed(found, large)]
        cells.append(f"{found['peak_pss_mb']:.0f} MB" if "peak_pss_mb" in found else "")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _timed(found: "dict[str, Any]", large: bool) -> "list[str]":
    if "seconds" not in found:
        return [""] * 5
    rate = f"{found['gb_per_second']:.2f}" if large else f"{found['objects_per_second']:,.0f}"
    cpu = f"{found['cpu_seconds_per_gb']:.2f} s" if large else f"{found['cpu_us_per_object']:.0f} us"
    ratios = [f"{found[key]:.2f}" if key in found else "" for key in ("ratio", "ratio_of_best")]
    return [_time(found["seconds"]), rate, *ratios, cpu]


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
