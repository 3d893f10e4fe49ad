"""Tests of how workers are started: with this interpreter's flags, and without code that it would not execute."""

import json
import os
import subprocess
import sys

import pytest

from metaflow_extensions.fasts3.workers.interpreter import command, environment, import_path

SHOWN = """
import json, os, sys
names = ("isolated", "ignore_environment", "no_user_site", "no_site", "optimize", "dont_write_bytecode", "utf8_mode")
shown = [[getattr(sys.flags, name) for name in names], [one for one in sys.warnoptions if one != "ignore"],
         {name: value for name, value in sys._xoptions.items() if name != "utf8"}]
"""


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["-I"],
        ["-E", "-s"],
        ["-S", "-B"],
        ["-OO"],
        ["-X", "utf8"],
        ["-X", "utf8=0"],
        ["-X", "dev", "-X", "faulthandler"],
        ["-W", "error::UserWarning", "-W", "default"],
    ],
    ids=" ".join,
)
def test_a_worker_runs_as_this_interpreter_runs(flags, tmp_path):
    script = tmp_path / "shows.py"
    script.write_text(f"{SHOWN}\nos.write(int(sys.argv[3]), json.dumps(shown).encode())\n")
    program = f"""{SHOWN}
sys.path = {sys.path!r}
from pathlib import Path
from metaflow_extensions.fasts3.workers import worker_process
worker_process.SCRIPT = Path({str(script)!r})
worker = worker_process.WorkerProcess()
os.set_blocking(worker.fileno(), True)
data = os.read(worker.fileno(), 4096)
worker.close()
print(json.dumps([shown, json.loads(data)]))
"""
    given = {**os.environ, "PYTHONUTF8": "0" if "utf8" in flags else "1"}
    done = subprocess.run(
        [sys.executable, *flags, "-c", program], env=given, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    mine, its = json.loads(done.stdout)
    assert its == mine


LEASES = """
import os, select, sys
from metaflow_extensions.fasts3.workers.worker_pool import shared
os.chdir(sys.argv[1])
worker = shared.lease()
select.select([worker], [], [], 20)
list(worker.outcomes())
print(worker.greeted)
shared.discard(worker)
"""
EXECUTED = "import os, sys; open(os.path.join(os.path.dirname(__file__), 'executed'), 'w')\n"


def leases(folder, path):
    """Have a process with this PYTHONPATH lease a worker in a folder."""
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
    here = os.pathsep.join(entry for entry in sys.path if entry and not entry.startswith(own + "/tests"))
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path += {here.split(os.pathsep)!r}\n{LEASES}", str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        cwd=folder.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("path", ["", ":", "lib", "lib::", ".", "./:../x"])
def test_a_module_of_the_working_directory_is_not_executed(tmp_path, path):
    folder = tmp_path / "data"
    folder.mkdir()
    for place in (folder, folder / "lib"):
        place.mkdir(exist_ok=True)
        for name in ("selectors", "sitecustomize", "usercustomize", "metaflow_extensions", "gc", "heapq"):
            (place / f"{name}.py").write_text(EXECUTED)
    assert leases(folder, path) == ["True"]
    assert not list(folder.rglob("executed"))


def test_startup_code_of_an_interpreter_may_print_and_read(tmp_path):
    folder, library = tmp_path / "data", tmp_path / "library"
    folder.mkdir()
    library.mkdir()
    (library / "sitecustomize.py").write_text(EXECUTED + "print('hello', flush=True); sys.stdin.read()\n")
    assert leases(folder, f"{library}:")[-1] == "True"
    assert (library / "executed").exists()


def test_relative_paths_are_left_out(monkeypatch):
    mine = {"PYTHONPATH": "a::/b:.:/c", "PYTHONUSERBASE": "base", "PYTHONPYCACHEPREFIX": "/cache", "HOME": "/home"}
    assert environment(mine) == {"PYTHONPATH": "/b:/c", "PYTHONPYCACHEPREFIX": "/cache", "HOME": "/home"}
    monkeypatch.setattr(sys, "_xoptions", {"pycache_prefix": "here", "dev": True})
    options = command(sys, 1)
    assert "pycache_prefix=here" not in options
    assert options[options.index("-X") + 1] == "dev"


def test_the_standard_library_is_first_on_the_import_path(monkeypatch):
    library = [entry for entry in sys.path if entry == os.path.dirname(os.__file__) or entry.endswith("lib-dynload")]
    assert len(library) == 2
    monkeypatch.setattr(sys, "path", ["", "/user", "relative", *library, None, "/site-packages"])
    assert import_path() == [*library, "/user", "/site-packages"]
