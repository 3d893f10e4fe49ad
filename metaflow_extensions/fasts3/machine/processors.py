"""The number of processors that this process may use: configured, by its affinity, and by its container's CPU quota."""

import math
import os
import sys
from pathlib import Path
from typing import Optional

from metaflow_extensions.fasts3.machine.control_groups import PROC, least_limit, text_of


def processors() -> int:
    """Return how many processors this process may use, at least 1.

    PYTHON_CPU_COUNT (and ``python -X cpu_count``, since Python 3.13) takes precedence, as for `os.process_cpu_count`.
    Otherwise it is the lower of the process's CPU affinity and its container's CPU quota.
    """
    return _configured() or math.ceil(min(_affinity(), quota(PROC)))


def _configured() -> Optional[int]:
    environment = "" if sys.flags.ignore_environment else os.environ.get("PYTHON_CPU_COUNT", "")
    for value in (str(sys._xoptions.get("cpu_count", "")), environment):  # the order of precedence in Python 3.13
        if value.isdecimal() and int(value):
            return int(value)
        if value == "default":
            return None
    return None


def _affinity() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not available on every system
        return os.cpu_count() or 1


def quota(proc: Path) -> float:
    """Return the CPU quota of a process's control groups, in processors; infinity without one.

    Parameters
    ----------
    proc : Path
        The process's directory below /proc.
    """
    return least_limit(proc, "cpu", _quota)


def _quota(directory: Path) -> float:
    allowed, _, period = text_of(directory / "cpu.max").partition(" ")  # version 2
    allowed = allowed or text_of(directory / "cpu.cfs_quota_us")  # version 1
    period = period or text_of(directory / "cpu.cfs_period_us") or "100000"  # microseconds, the kernel's default
    if allowed.isdecimal() and period.isdecimal() and int(allowed) and int(period):  # "max" and -1 mean none
        return int(allowed) / int(period)
    return math.inf
