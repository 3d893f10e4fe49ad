"""Processor time of this process tree, from /proc, including workers that have ended."""

import os
import resource
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")  # a second; of living children nothing finer is known


def of_process_tree() -> float:
    """Seconds of user and system time so far."""
    seconds = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):  # children that ended and were waited for
        usage = resource.getrusage(who)
        seconds += usage.ru_utime + usage.ru_stime
    return seconds + _living_descendants(os.getpid())


def _living_descendants(root: int) -> float:
    children: dict[int, list[tuple[int, float]]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # proc_pid_stat(5). The second field is the program's name in parentheses, and may hold anything.
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it ended just now
        # utime, stime, and the same of its own children that it has waited for
        spent = sum(int(field) for field in fields[11:15]) / _TICKS
        children.setdefault(int(fields[1]), []).append((int(stat.parent.name), spent))
    seconds, parents = 0.0, [root]
    while parents:
        for child, spent in children.get(parents.pop(), ()):
            seconds += spent
            parents.append(child)
    return seconds
