"""Peak memory of a process and all that it started, sampled from /proc. Linux only.

PSS counts a page that n processes share as 1/n for each, so that a tree's sum is what the machine has to find; RSS
counts it n times.
"""

import os
from pathlib import Path
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Memory(NamedTuple):
    """Bytes, of a process tree."""

    pss: int = 0
    rss: int = 0

    def peak_with(self, other: "Memory") -> "Memory":
        """Give the larger of each."""
        return Memory(max(self.pss, other.pss), max(self.rss, other.rss))


def of_process_tree(root: int) -> Memory:
    """What the living of them hold now."""
    pss = rss = 0
    for process in _tree(root):
        try:
            rss += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
            pss += int(rollup.partition("\nPss:")[2].split(None, 1)[0]) * 1024
        except (OSError, IndexError):
            continue  # it ended just now
    return Memory(pss, rss)


def _tree(root: int) -> "list[int]":
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # proc_pid_stat(5): what follows the program's name in parentheses begins with state and parent.
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [root]
    for process in found:  # grows as it goes
        found += children.get(process, [])
    return found
