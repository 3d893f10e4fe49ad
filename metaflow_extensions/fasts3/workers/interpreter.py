"""How a worker is started: the Python, its flags and environment; and why this process may not start workers."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

SCRIPT = Path(__file__).with_name("s3op.py")
# Names of programs that run the script that they are given. Another executable may be an application that embeds
# Python, and would start a copy of itself.
_INTERPRETER = re.compile(r"(python|pypy|graalpy)", re.IGNORECASE)
# Names of environment variables with secrets, of AWS and of other programs.
SECRETIVE = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|(ACCESS|AUTH|API|PRIVATE)_?KEY", re.IGNORECASE)
# Interpreter flags, by their names in `sys.flags`, that affect imports.
_FLAGS = {
    "isolated": "-I",
    "ignore_environment": "-E",
    "no_user_site": "-s",
    "no_site": "-S",
    "safe_path": "-P",  # from Python 3.11
    "dont_write_bytecode": "-B",
    "bytes_warning": "-b",
    "optimize": "-O",
}
# A relative path depends on the working directory, which may have changed since this process started: a worker would
# run code that this process does not.
_PATHS = ("PYTHONPATH", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX")


def why_no_workers() -> Optional[str]:
    """Return why this process can't start workers; None if it can."""
    if getattr(sys, "frozen", False):
        return "this application is frozen, and its executable would start another copy of it"
    if not sys.executable:
        return "the path of the Python interpreter is unknown, because Python is embedded in another program"
    if not _INTERPRETER.match(os.path.basename(sys.executable)):
        return f"{sys.executable} is not a Python interpreter, and would start another copy of itself"
    if not os.path.isfile(SCRIPT):  # not Path.is_file, which raises if the directory is not searchable
        return f"{SCRIPT} does not exist, or this process has no permission to see it"
    return None


def command(script: Path, *arguments: int) -> list[str]:
    """Return the command that runs a script with this interpreter's flags."""
    flags = [option for name, option in _FLAGS.items() for _ in range(int(getattr(sys.flags, name, 0)))]
    # "ignore" first, so that the user's options override it: each worker would show botocore's deprecation warnings.
    for warning in ("ignore", *sys.warnoptions):
        flags += ["-W", warning]
    for name, value in sys._xoptions.items():
        if name != "utf8" and (name != "pycache_prefix" or os.path.isabs(str(value))):
            flags += ["-X", name if value is True else f"{name}={value}"]
    # Always: file names must decode equally, and this process may have it from its environment or locale.
    flags += ["-X", f"utf8={sys.flags.utf8_mode}"]
    return [sys.executable, *flags, str(script), *map(str, arguments)]


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return a worker's environment: this process's, without Metaflow's variables and those that may be secrets.

    The worker receives the credentials over its pipe, which other users can't read. Python's own variables keep only
    absolute paths.
    """
    inherited = {
        name: value
        for name, value in variables.items()
        if not name.upper().startswith("METAFLOW_") and not SECRETIVE.search(name)
    }
    for name in _PATHS:
        if name in inherited:
            absolute = [path for path in inherited.pop(name).split(os.pathsep) if os.path.isabs(path)]
            if absolute:
                inherited[name] = os.pathsep.join(absolute)
    return inherited


def import_path() -> list[str]:
    """Return this process's import path, without entries that depend on the working directory; standard library first.

    A user's `queue.py` in front of it does not matter to a process that has imported the library's `queue` before. A
    worker imports it later.
    """
    library = os.path.dirname(os.__file__)
    archive = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"

    def comes_after(entry: str) -> bool:
        return entry != library and os.path.basename(entry) not in ("lib-dynload", archive)

    return sorted((entry for entry in sys.path if isinstance(entry, str) and os.path.isabs(entry)), key=comes_after)
