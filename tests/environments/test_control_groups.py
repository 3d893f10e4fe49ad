"""The same program in a control group of its own, with limits of processors and memory: version 1 or 2 of them.

`tests/machine/test_processors.py` reads limits from files that imitate those of the kernel.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from environments.conftest import Environment

ROOT = Path("/sys/fs/cgroup")
MEMORY = 384 * 2**20  # bytes; with boto3, this program and two workers take 290 MB
LIMITS = {
    "processors": (1, [("", "cpu.max", "100000 100000"), ("cpu", "cpu.cfs_quota_us", "100000")]),
    "memory": (MEMORY, [("", "memory.max", str(MEMORY)), ("memory", "memory.limit_in_bytes", str(MEMORY))]),
}


@contextmanager
def control_group(hierarchies: "list[tuple[str, str, str]]", name: str) -> "Iterator[Path]":
    """Make a group with a limit in the first hierarchy that has the controller."""
    for hierarchy, file, limit in hierarchies:
        if (ROOT / hierarchy / "cgroup.procs").exists():
            group = ROOT / hierarchy / name
            try:
                group.mkdir()
            except OSError as error:
                pytest.skip(f"this machine permits no control group: {error}")
            try:
                if (group / file).exists():
                    (group / file).write_text(limit)
                    yield group
                    return
            finally:
                group.rmdir()
    pytest.skip("no hierarchy of control groups has the controller")


@pytest.mark.parametrize("what", ["processors", pytest.param("memory", marks=pytest.mark.release)])
def test_every_byte_arrives_within_a_limit(run, what, prefix):
    seen, hierarchies = LIMITS[what]
    with control_group(hierarchies, prefix) as group:
        run(Environment({what: seen}, f"echo $$ > {group}/cgroup.procs"))
