"""How many processors this process may use: as configured, by its affinity, and by its container's CPU quota."""

import functools
import math
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Optional

PROC = Path("/proc/self")
V2, V1 = "cgroup2", "cgroup"  # file system types of the two versions of control groups
CONTROLLER = "cpu"


def processors() -> int:
    """How many processors this process may use, at least 1.

    PYTHON_CPU_COUNT (and ``python -X cpu_count``, from Python 3.13) decides where it is set, as it does for
    `os.process_cpu_count`. Otherwise it is the process's CPU affinity, or its container's CPU quota where that is less.
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
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


@functools.lru_cache(maxsize=1)  # reading it costs as much as a small request, and it hardly ever changes
def quota(proc: Path) -> float:
    """The CPU quota of the control groups that a process is in, in processors; infinity without one.

    The least quota counts of those on the way from the process's own group up to the root, in each hierarchy.

    Parameters
    ----------
    proc : Path
        The process's directory below /proc.
    """
    try:
        # Each line is hierarchy:controllers:path; see cgroups(7).
        lines = [line.split(":", 2) for line in (proc / "cgroup").read_text().splitlines() if line.count(":") > 1]
        mounts = [mount for mount in map(_mount, (proc / "mountinfo").read_text().splitlines()) if mount]
    except (OSError, ValueError):  # not Linux, or not to be seen from here
        return math.inf
    groups = {V2 if number == "0" else V1: path for number, names, path in lines if _is_of_cpu(number, names)}
    least = math.inf
    for mount in mounts:
        if mount.version in groups:
            for directory in _directories(mount, groups[mount.version]):
                least = min(least, (_quota_v2 if mount.version == V2 else _quota_v1)(directory))
    return least


def _is_of_cpu(number: str, names: str) -> bool:
    return number == "0" or CONTROLLER in names.split(",")


class _Mount(NamedTuple):
    """Where a hierarchy of control groups can be read."""

    version: str  # V1 or V2
    root: str  # the group that is mounted there
    point: Path


def _mount(line: str) -> Optional[_Mount]:
    """A line of /proc/self/mountinfo, see proc(5); None for other file systems and other controllers."""
    fields, separator, rest = line.partition(" - ")
    before, after = fields.split(" "), rest.split(" ")
    if not separator or len(before) < 5 or len(after) < 3:
        return None
    if after[0] == V2 or (after[0] == V1 and CONTROLLER in after[2].split(",")):
        return _Mount(after[0], _unescaped(before[3]), Path(_unescaped(before[4])))
    return None


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _directories(mount: _Mount, group: str) -> Iterator[Path]:
    """The directories of a group and of those above it, as far as they are mounted."""
    relative = os.path.relpath(group, mount.root)
    if relative.startswith(".."):  # a group of another namespace: what is mounted is all that can be known
        relative = "."
    directory = mount.point / relative
    yield directory
    while directory != mount.point:
        directory = directory.parent
        yield directory


def _quota_v2(directory: Path) -> float:
    allowed, _, period = _text(directory / "cpu.max").partition(" ")
    return _ratio(allowed, period or "100000")  # microseconds, the kernel's default


def _quota_v1(directory: Path) -> float:
    return _ratio(_text(directory / "cpu.cfs_quota_us"), _text(directory / "cpu.cfs_period_us"))


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""


def _ratio(allowed: str, period: str) -> float:
    """The quota of a group; "max" and -1 stand for none."""
    if allowed.isdecimal() and period.isdecimal() and int(allowed) and int(period):
        return int(allowed) / int(period)
    return math.inf
