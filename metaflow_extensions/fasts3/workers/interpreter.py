"""How a worker is started: by which Python, with which flags and environment; and where none can be."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

SCRIPT = Path(__file__).with_name("s3op.py")
# The names of programs that run a script which they are given. Others may be an application that embeds Python, and
# would start again.
_INTERPRETER = re.compile(r"(python|pypy|graalpy)", re.IGNORECASE)
# Names of environment variables, AWS's and those of programs that have nothing to do with this one.
SECRETIVE = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|(ACCESS|AUTH|API|PRIVATE)_?KEY", re.IGNORECASE)
# Flags of the interpreter, by their names in `sys.flags`, that say what is imported from where, and how.
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
# Where a relative path begins depends on the working directory, which may have changed since this process started: a
# worker would execute code that this process does not.
_PATHS = ("PYTHONPATH", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX")


def why_no_workers() -> Optional[str]:
    """Why this process can't start workers; None where it can."""
    if getattr(sys, "frozen", False):
        return "this application is frozen, and its executable would start another copy of it"
    if not sys.executable:
        return "the path of the Python interpreter is unknown, because Python is embedded in another program"
    if not _INTERPRETER.match(os.path.basename(sys.executable)):
        return f"{sys.executable} is not a Python interpreter, and would start another copy of itself"
    if not os.path.isfile(SCRIPT):  # not Path.is_file, which raises where a directory may not be searched
        return f"{SCRIPT} is not a file that this process can see"
    return None


def command(script: Path, *arguments: int) -> list[str]:
    """The command that runs a script as this interpreter runs."""
    flags = [option for name, option in _FLAGS.items() for _ in range(int(getattr(sys.flags, name, 0)))]
    # "ignore" first, so that what the user asked for counts more: a deprecation that botocore announces would be shown
    # once for each worker.
    for warning in ("ignore", *sys.warnoptions):
        flags += ["-W", warning]
    for name, value in sys._xoptions.items():
        if name != "utf8" and (name != "pycache_prefix" or os.path.isabs(str(value))):
            flags += ["-X", name if value is True else f"{name}={value}"]
    # Always: names of files have to mean the same bytes, and this process may have it from its environment or locale.
    flags += ["-X", f"utf8={sys.flags.utf8_mode}"]
    return [sys.executable, *flags, str(script), *map(str, arguments)]


def environment(mine: Mapping[str, str]) -> dict[str, str]:
    """What a worker inherits: nothing of Metaflow's, which it does not know, and nothing that may be a secret.

    What it needs of these, the set to sign with, it is told over the pipe, where nobody else can read it. Python's own
    variables keep their absolute paths only.
    """
    inherited = {
        name: value
        for name, value in mine.items()
        if not name.upper().startswith("METAFLOW_") and not SECRETIVE.search(name)
    }
    for name in _PATHS:
        if name in inherited:
            absolute = [path for path in inherited.pop(name).split(os.pathsep) if os.path.isabs(path)]
            if absolute:
                inherited[name] = os.pathsep.join(absolute)
    return inherited


def import_path() -> list[str]:
    """Where this process imports from now, without what depends on the working directory."""
    return [entry for entry in sys.path if isinstance(entry, str) and os.path.isabs(entry)]
