"""Limits of a process's control groups (containers), in both versions of them; see cgroups(7)."""

import functools
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, NamedTuple, Optional

PROC = Path("/proc/self")
V2, V1 = "cgroup2", "cgroup"  # file system types of the two versions
Read = Callable[[Path], float]  # returns the limit in a group's directory; infinity without one


@functools.lru_cache(maxsize=8)  # reading them costs as much as a small request, and they rarely change
def least_limit(proc: Path, controller: str, read: Read) -> float:
    """Return the lowest limit between a process's group and the root, in each hierarchy.

    Parameters
    ----------
    proc : Path
        The process's directory below /proc.
    controller : str
        ``cpu`` or ``memory``.
    read : callable
        Reads a group's directory, of either version: their files have different names.

    Returns
    -------
    float
        Infinity without a limit.
    """
    try:
        # Each line is hierarchy:controllers:path; see cgroups(7).
        lines = [line.split(":", 2) for line in (proc / "cgroup").read_text().splitlines() if line.count(":") > 1]
        mounts = [_mount(line, controller) for line in (proc / "mountinfo").read_text().splitlines()]
    except (OSError, ValueError):  # not Linux, or /proc is not readable
        return math.inf
    groups = {
        V2 if number == "0" else V1: path
        for number, names, path in lines
        if number == "0" or controller in names.split(",")
    }
    least = math.inf
    for mount in mounts:
        if mount and mount.version in groups:
            for directory in _directories(mount, groups[mount.version]):
                least = min(least, read(directory))
    return least


class _Mount(NamedTuple):
    """The mount point of a control group hierarchy."""

    version: str  # V1 or V2
    root: str  # the group mounted there
    point: Path


def _mount(line: str, controller: str) -> Optional[_Mount]:
    """Parse a line of /proc/self/mountinfo, see proc(5); None for other file systems and controllers."""
    fields, separator, rest = line.partition(" - ")
    before, after = fields.split(" "), rest.split(" ")
    if not separator or len(before) < 5 or len(after) < 3:
        return None
    if after[0] == V2 or (after[0] == V1 and controller in after[2].split(",")):
        return _Mount(after[0], _unescaped(before[3]), Path(_unescaped(before[4])))
    return None


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _directories(mount: _Mount, group: str) -> Iterator[Path]:
    """Yield the directories of a group and its parents, as far as they are mounted."""
    relative = os.path.relpath(group, mount.root)
    if relative.startswith(".."):  # another namespace's group: use the mounted one
        relative = "."
    directory = mount.point / relative
    yield directory
    while directory != mount.point:
        directory = directory.parent
        yield directory


def text_of(path: Path) -> str:
    """Return the contents of a group's file; "" if it can't be read."""
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""
