"""One program, `round_trip.py`, in each environment that containers and other systems give it.

This folder mirrors no module, because any of them may miss what an environment lacks. Namespaces of the kernel stand in
for a container engine. An environment that this machine does not permit is skipped.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from environments.conftest import Environment
from processes import programs

LIKE_MACOS = Path(__file__).with_name("like_macos")

MOUNTS = ("unshare", "--map-root-user", "--mount")
PIDS = ("unshare", "--map-root-user", "--pid", "--fork")
READ_ONLY = "mount -o remount,ro,bind / && test ! -w /"
# These may be file systems of their own.
TEMPORARY = [
    f"mount --bind {path} {path} && mount -o remount,ro,bind {path}" for path in ("/dev/shm", "/tmp", "/var/tmp")
]
NO_PROC = "mount -t tmpfs -o ro none /proc"
HOMELESS = "unset HOME METAFLOW_HOME AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE"
MODULES = "for name in email http json queue socket; do echo 'raise OSError' > $name.py; done"

ENVIRONMENTS = {
    "read-only root": Environment(
        {"read_only": True},
        f'mkdir files && mount --bind files files && {READ_ONLY} && export TMPDIR="$PWD/files"',
        MOUNTS,
    ),
    "nothing writable": Environment({"read_only": True}, " && ".join([*TEMPORARY, READ_ONLY]), MOUNTS, files=False),
    "no home, and a user without a name": Environment(
        {"uid": 54321, "home": "~"}, HOMELESS, ("unshare", "--map-user=54321")
    ),
    "no /proc": Environment({"proc": False}, NO_PROC, MOUNTS),
    "no writable /dev/shm": Environment({}, "mount -t tmpfs -o ro none /dev/shm", MOUNTS),
    "PID 1": Environment({"pid": 1, "proc": True}, within=(*PIDS, "--mount-proc")),
    "PID 1 and the /proc of others": Environment({"pid": 1}, within=PIDS),
    "closed standard streams": Environment({"streams": 0}, "exec <&- >&- 2>&-"),
    "modules of the user": Environment({}, f'{MODULES}; export FASTS3_TEST_MODULES="$PWD"'),
    "as on macOS": Environment(
        {"platform": "darwin", "proc": False}, f"{NO_PROC} && export PYTHONPATH='{LIKE_MACOS}'", MOUNTS
    ),
}
# In `make test`, those that take different paths through the code with the wire.
DAILY = {"read-only root", "PID 1", "closed standard streams"}


@pytest.mark.parametrize(
    "environment",
    [pytest.param(name, marks=[] if name in DAILY else [pytest.mark.release]) for name in ENVIRONMENTS],
)
def test_every_byte_arrives(run, environment):
    run(ENVIRONMENTS[environment])


@pytest.mark.release
def test_spawned_processes_as_on_macos(variables, tmp_path):
    printed = programs.run({**variables, "PYTHONPATH": str(LIKE_MACOS)}, tmp_path, "started_by", "spawn", "used before")
    assert printed == (["True", "True"], "")


def test_the_error_of_the_import_on_windows_has_a_remedy():
    # The standard library of Python 3.14 imports modules that only Windows has, so it is imported before.
    program = (
        "import asyncio, shutil, subprocess, sys; sys.modules['fcntl'] = None; sys.platform = 'win32'; import metaflow"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: metaflow-fasts3 needs Linux or macOS")
    assert "WSL 2" in last
