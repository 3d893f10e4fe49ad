"""Summarizes the samples in one document, the content of the JSON file."""

from collections.abc import Sequence
from datetime import datetime, timezone
from statistics import median
from typing import Any

from ..peers import OURS, PEERS
from .contest import Outcome
from .rows import Row

GB = 1e9  # bytes


def report(
    rows: Sequence[Row],
    outcome: Outcome,
    rounds: int,
    machine: "dict[str, str]",
    loads: "tuple[float, float]",
) -> "dict[str, Any]":
    """Collect all results in one document.

    Parameters
    ----------
    loads : (float, float)
        Runnable processes of the machine, as a mean of the minute before the run and the minute before its end.
    """
    return {
        "measured": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine,
        "rounds": rounds,
        "load": {"before": round(loads[0], 1), "at the end": round(loads[1], 1)},
        "failures": [failed._asdict() for failed in outcome.failures],
        "rows": [_row(row, outcome) for row in rows],
    }


def _row(row: Row, outcome: Outcome) -> "dict[str, Any]":
    clients = {client: _client(row, client, outcome) for client in PEERS}
    clients = {client: found for client, found in clients.items() if found}
    ours = clients.get(OURS)
    if ours:
        for client, theirs in clients.items():
            if client != OURS:
                theirs.update(_ratios(theirs, ours))
    return {
        "name": row.name,
        "server": row.server,
        "verb": row.verb,
        "objects": row.objects,
        "size": row.size,
        "fresh": row.fresh,
        "clients": clients,
        "aims": _aims(row, clients),
    }


def _client(row: Row, client: str, outcome: Outcome) -> "dict[str, Any]":
    samples = [sample for sample in outcome.samples if (sample.row, sample.client) == (row.name, client)]
    found: dict[str, Any] = {}
    if samples:
        seconds = median(sample.seconds for sample in samples)
        cpu_seconds = median(sample.cpu_seconds for sample in samples)
        found = {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "objects_per_second": row.objects / seconds,
            "gb_per_second": row.bytes / GB / seconds,
            "cpu_us_per_object": cpu_seconds / row.objects * 1e6,
            "cpu_seconds_per_gb": cpu_seconds / (row.bytes / GB),
            "all_seconds": [sample.seconds for sample in samples],
            "all_cpu_seconds": [sample.cpu_seconds for sample in samples],
        }
    memory = outcome.memory.get((row.name, client))
    if memory:
        found["peak_pss_mb"] = memory.pss / 2**20
        found["peak_rss_mb"] = memory.rss / 2**20
    return found


def _ratios(theirs: "dict[str, Any]", ours: "dict[str, Any]") -> "dict[str, float]":
    names = {"ratio": "seconds", "cpu_ratio": "cpu_seconds", "memory_ratio": "peak_pss_mb"}
    found = {
        ratio: theirs[what] / ours[what]
        for ratio, what in names.items()
        if what in theirs and ours.get(what)  # a call of milliseconds may have taken no tick of processor time
    }
    if "seconds" in theirs and "seconds" in ours:
        found["ratio_of_best"] = min(theirs["all_seconds"]) / min(ours["all_seconds"])
    return found


def _aims(row: Row, clients: "dict[str, Any]") -> "list[dict[str, Any]]":
    """Compare targets with measurements, without those that were not measured."""
    ours = clients.get(OURS, {})
    at_least = [
        (f"{what}: {PEERS[client].title} / ours", clients.get(client, {}).get(key), bound)
        for what, key, bounds in (
            ("time", "ratio", row.ratios),
            ("processor time", "cpu_ratio", row.cpu_of),
            ("peak memory", "memory_ratio", row.memory_of),
        )
        for client, bound in bounds.items()
    ]
    at_most = [
        ("processor time, us/object", ours.get("cpu_us_per_object"), row.cpu_us),
        ("time, s", ours.get("seconds"), row.seconds),
        ("peak memory, MB", ours.get("peak_pss_mb"), row.memory_mb),
    ]
    found = [
        {"what": what, "aim": bound, "at": "least", "measured": measured, "held": measured >= bound}
        for what, measured, bound in at_least
        if measured is not None
    ]
    found += [
        {"what": what, "aim": bound, "at": "most", "measured": measured, "held": measured <= bound}
        for what, measured, bound in at_most
        if measured is not None and bound is not None
    ]
    return found
