"""Tests of the number of processors of this process, in containers of both versions of control groups."""

import math
import os
import subprocess
import sys

import pytest

from metaflow_extensions.fasts3.machine import processors as module
from metaflow_extensions.fasts3.machine.control_groups import least_limit
from metaflow_extensions.fasts3.machine.memory import container_memory
from metaflow_extensions.fasts3.machine.processors import processors, quota


@pytest.fixture
def container(tmp_path):
    """Lay out a container's files: which groups it is in, what is mounted, and the limits in each directory."""

    def lay(group, mounts, limits):
        proc = tmp_path / "proc"
        proc.mkdir()
        (proc / "cgroup").write_text(group)
        lines = ["22 1 8:1 / / rw - ext4 /dev/root rw"]
        for number, (folder, root, kind, options) in enumerate(mounts):
            point = str(tmp_path / folder).replace(" ", "\\040")
            lines.append(f"{30 + number} 22 0:{number} {root} {point} rw,nosuid shared:7 - {kind} {kind} rw,{options}")
        (proc / "mountinfo").write_text("\n".join(lines))
        for name, text in limits.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        least_limit.cache_clear()
        return proc

    yield lay
    least_limit.cache_clear()


V2 = [("fs", "/", "cgroup2", "nsdelegate")]
V1 = [("fs/memory", "/", "cgroup", "memory"), ("fs/cpu", "/", "cgroup", "cpu,cpuacct")]
V1_BOUND = [("fs/cpu", "/docker/1", "cgroup", "cpuacct,cpu")]


def v1(folder, quota_us):
    return {f"{folder}/cpu.cfs_quota_us": quota_us, f"{folder}/cpu.cfs_period_us": "100000"}


V1_PATH = "5:memory:/other\n4:cpu,cpuacct:/docker/1\n0::/x\n"


@pytest.mark.parametrize(
    ("group", "mounts", "limits", "expected"),
    [
        ("0::/\n", V2, {"fs/cpu.max": "150000 100000"}, 1.5),
        ("0::/\n", V2, {"fs/cpu.max": "max 100000"}, math.inf),
        ("0::/\n", V2, {}, math.inf),
        ("0::/a/b/c\n", V2, {"fs/a/cpu.max": "100000 50000", "fs/a/b/c/cpu.max": "max 100000"}, 2),
        ("0::/a/b\n", V2, {"fs/a/cpu.max": "800000 100000", "fs/a/b/cpu.max": "50000"}, 0.5),
        ("0::/a\n", [("my fs", "/a", "cgroup2", "x")], {"my fs/cpu.max": "300000 100000"}, 3),
        ("0::/../other\n", V2, {"fs/cpu.max": "100000 100000"}, 1),
        (V1_PATH, V1, v1("fs/cpu/docker/1", "250000"), 2.5),
        (V1_PATH, V1, v1("fs/cpu", "300000"), 3),
        (V1_PATH, V1_BOUND, v1("fs/cpu", "100000"), 1),
        (V1_PATH, V1, v1("fs/cpu", "-1"), math.inf),
        (V1_PATH, [*V1, ("u", "/", "cgroup2", "x")], {"u/x/cpu.max": "400000 100000"}, 4),
        ("nonsense\n", V2, {"fs/cpu.max": "100000 100000"}, math.inf),
    ],
)
def test_the_least_quota_on_the_way_up_counts(container, group, mounts, limits, expected):
    assert quota(container(group, mounts, limits)) == expected


@pytest.mark.parametrize(
    ("group", "mounts", "limits", "expected"),
    [
        ("0::/a/b\n", V2, {"fs/a/memory.max": "536870912", "fs/a/b/memory.max": "max"}, 2**29),
        ("0::/a\n", V2, {"fs/a/memory.max": "536870912", "fs/a/memory.high": "268435456"}, 2**28),
        (V1_PATH, V1, {"fs/memory/other/memory.limit_in_bytes": "536870912"}, 2**29),
        (V1_PATH, V1, {"fs/memory/memory.limit_in_bytes": "9223372036854771712"}, 9223372036854771712),
        ("0::/\n", V2, {}, math.inf),
    ],
)
def test_the_least_memory_limit_on_the_way_up_counts(container, group, mounts, limits, expected):
    assert container_memory(container(group, mounts, limits)) == expected


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert quota(tmp_path / "nowhere") == math.inf


@pytest.mark.parametrize(("limit", "affinity", "expected"), [("10000", 8, 1), ("250000", 8, 3), ("800000", 2, 2)])
def test_a_quota_is_rounded_up_and_the_affinity_holds(container, monkeypatch, limit, affinity, expected):
    monkeypatch.setattr(module, "PROC", container("0::/\n", V2, {"fs/cpu.max": f"{limit} 100000"}))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    assert processors() == expected


@pytest.mark.parametrize(("value", "expected"), [("5", 5), ("default", 3), ("0", 3), ("many", 3), ("", 3)])
def test_the_cpu_count_of_python_decides(monkeypatch, value, expected):
    monkeypatch.setattr(module, "_affinity", lambda: 3)
    monkeypatch.setattr(module, "quota", lambda _: math.inf)
    monkeypatch.setenv("PYTHON_CPU_COUNT", value)
    assert processors() == expected


def test_an_interpreter_without_an_environment_reads_none():
    program = (
        "from metaflow_extensions.fasts3.machine import processors as m; m._affinity = lambda: 1; print(m.processors())"
    )
    environment = {**os.environ, "PYTHON_CPU_COUNT": "7"}
    for flags, expected in (([], "7"), (["-E"], "1")):
        command = [sys.executable, *flags, "-c", f"import sys; sys.path[:] = {sys.path!r}; {program}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected
