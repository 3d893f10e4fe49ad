"""One of the two clients: a process that runs cases and returns their times."""

import json
import os
import selectors
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Optional

from .cases import Case

OURS = "ours"
OWN = "own"  # Metaflow's

TIME_LIMIT = 300.0  # seconds for one case; the slowest takes about ten
ROOT = Path(__file__).parent.parent


class ClientFailed(Exception):
    """A client crashed, hung, or returned wrong data."""


class Client:
    """A `child` process with one of the two classes.

    Parameters
    ----------
    which : str
        `OURS` or `OWN`. For Metaflow's own class, the same interpreter gets an extension search path without
        extensions; the child asserts that it has the intended class.
    server : dict of str to str
        The environment variables for the server.
    scratch : Path
        A writable directory, the same for both.
    warm_up_root : str, optional
        URL of a set of objects for a first call that is not measured.
    """

    def __init__(self, which: str, server: "dict[str, str]", scratch: Path, warm_up_root: Optional[str] = None) -> None:
        self.which = which
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "benchmarks.child",
                which,
                *([warm_up_root] if warm_up_root else []),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment_of(which, server, scratch),
            cwd=scratch,
            start_new_session=True,  # so that all it started can be ended with it
        )
        try:
            self._read_result()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self.close()

    def measure(self, case: Case, root: str, files: Optional[Path]) -> "dict[str, Any]":
        """Run a case; see `child.measure`.

        Raises
        ------
        ClientFailed
        """
        order = {"case": case, "root": root, "files": str(files) if files else None}
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise ClientFailed(f"its process is gone: {error}") from error
        return self._read_result()

    def close(self) -> None:
        """End the process and its children."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()

    def _read_result(self) -> "dict[str, Any]":
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(TIME_LIMIT):
                os.killpg(self._process.pid, signal.SIGKILL)
                raise ClientFailed(f"no result in {TIME_LIMIT:.0f} seconds")
        line = self._process.stdout.readline()
        if not line:
            raise ClientFailed(f"its process ended with status {self._process.wait()}")
        result: dict[str, Any] = json.loads(line)
        if "error" in result:
            raise ClientFailed(result["error"])
        return result


def environment_of(which: str, server: "dict[str, str]", scratch: Path) -> "dict[str, str]":
    """An environment without the user's own settings, the same for both except for the extension search path.

    Parameters
    ----------
    which : str
        `OWN` gets an extension search path without extensions.
    server : dict of str to str
        The environment variables for the server.
    scratch : Path
        A writable directory.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("METAFLOW_", "AWS_"))}
    nothing = scratch / "nothing"
    nothing.mkdir(exist_ok=True)
    environment = {
        **kept,
        **server,
        "PYTHONPATH": str(ROOT),
        "METAFLOW_HOME": str(nothing),
        "METAFLOW_TEMPDIR": str(scratch),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    if which == OWN:
        environment["METAFLOW_EXTENSIONS_SEARCH_DIRS"] = str(nothing)
    return environment
