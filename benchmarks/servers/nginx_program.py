"""Finds Debian's nginx with its Lua module, or installs it if this process has root and apt.

Otherwise an exception tells the user what to install.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Callable, Optional

PACKAGES = ("nginx", "libnginx-mod-http-lua")
MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")  # the second needs the first
_MODULE_FOLDERS = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules")


class NoNginx(Exception):
    """nginx is missing and can't be installed."""


def find() -> Optional[str]:
    """Return the path of the program, also in sbin, which many search paths lack."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


def modules() -> "list[str]":
    """Give the paths of the modules that Lua needs, in the order to load them; empty if one is missing."""
    for folder in _MODULE_FOLDERS:
        paths = [str(Path(folder, name)) for name in MODULES]
        if all(map(os.path.exists, paths)):
            return paths
    return []


def ensure(report: Callable[[str], None]) -> None:
    """Install nginx and its Lua module if they are missing.

    Raises
    ------
    NoNginx
        The message names the packages to install.
    """
    if find() and modules():
        return
    what = " ".join(PACKAGES)
    if not shutil.which("apt-get"):
        raise NoNginx(f"nginx with its Lua module is missing, and so is apt-get; install what Debian calls {what}")
    if os.geteuid() != 0:
        raise NoNginx(f"nginx with its Lua module is missing; as root: apt-get install {what}")
    report(f"installing {what} with apt-get")
    # RUNLEVEL: Debian starts a service as it installs it, on port 80. In the rescue level it does not.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoNginx(f"apt-get {command[0]} failed: {done.stderr.strip()[-500:]}")
    if not (find() and modules()):
        raise NoNginx(f"apt-get installed {what}, but nginx or its Lua module is not where it should be")


def version() -> str:
    """Give its version, as in the results."""
    program = find()
    if not program:
        return "none"
    output = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
    return output.strip().rpartition("/")[2]
