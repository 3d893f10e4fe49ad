"""A file system of a few bytes that is mounted for its own process only, so that the tests need no root.

Others access it through that process's view of all files in /proc.
"""

import subprocess
from pathlib import Path

_SHELL = ["unshare", "--map-root-user", "--mount", "sh"]
_WHERE = "/mnt"  # in the view of that process only


class SmallDisk:
    """An empty tmpfs.

    Parameters
    ----------
    options : str
        Of mount, such as `size=4m`; see tmpfs(5).

    Attributes
    ----------
    path : Path
    """

    def __init__(self, options: str) -> None:
        self._process = subprocess.Popen(_SHELL, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self._do(f"mount -t tmpfs -o mode=0777,{options} none {_WHERE}")
        except BaseException:
            self.close()
            raise
        self.path = Path(f"/proc/{self._process.pid}/root{_WHERE}")

    def remount(self, options: str) -> None:
        """Make it another one, with the same files: `ro`, `size=8m`."""
        self._do(f"mount -o remount,{options} {_WHERE}")

    def close(self) -> None:
        """The file system ends with its last process."""
        self._process.communicate()  # closes its standard input, also if it has ended already

    def _do(self, command: str) -> None:
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(f"{command} && echo done || echo failed\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        if self._process.stdout.readline() != "done\n":
            raise OSError(f"{command}: not done")


def can_be_made() -> bool:
    """Whether this machine permits it; some containers do not."""
    try:
        SmallDisk("size=64k").close()
    except OSError:
        return False
    return True
