"""Memory of a process tree. Linux only.

PSS counts a page that n processes share as 1/n for each, so the sum of a tree is the memory that it uses; USS omits
shared pages, and RSS counts them n times.
"""

from typing import NamedTuple

import psutil


class Memory(NamedTuple):
    """Bytes, of a process tree."""

    pss: int = 0
    rss: int = 0
    uss: int = 0

    def peak_with(self, other: "Memory") -> "Memory":
        """Return the maximum of each value."""
        return Memory(*map(max, self, other))


def of_process_tree(root: int) -> Memory:
    """The current memory of the running processes."""
    total = Memory()
    try:
        process = psutil.Process(root)
        tree = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return total
    for process in tree:
        try:
            memory = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it ended just now
        total = Memory(total.pss + memory.pss, total.rss + memory.rss, total.uss + memory.uss)
    return total
