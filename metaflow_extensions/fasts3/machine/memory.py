"""The memory limit of this process and its workers: the container's, `ulimit -v`, or the machine's."""

import math
import os
from pathlib import Path

from metaflow_extensions.fasts3.machine.control_groups import PROC, least_limit, text_of


def memory() -> float:
    """Return the bytes available to this process and its workers, ignoring other processes; infinity if unknown."""
    return min(_physical(), _address_space(), container_memory(PROC))


def container_memory(proc: Path) -> float:
    """Return the memory limit of a process's control groups in bytes; infinity without one.

    Parameters
    ----------
    proc : Path
        The process's directory below /proc.
    """
    return least_limit(proc, "memory", _limit)


# Version 2: above memory.high the kernel throttles a group. Version 1: unlimited is near 2**63.
_FILES = ("memory.max", "memory.high", "memory.limit_in_bytes")


def _limit(directory: Path) -> float:
    texts = [text_of(directory / name) for name in _FILES]
    return min((int(text) for text in texts if text.isdecimal()), default=math.inf)


def _physical() -> float:
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):  # not available on every system
        return math.inf
    return size if size > 0 else math.inf


def _address_space() -> float:
    try:
        import resource
    except ImportError:  # not available on every system
        return math.inf
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit
