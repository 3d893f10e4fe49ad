"""Runs a server program during a ``with`` block."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Callable

from metaflow_extensions.fasts3.local_server import supervisor

_START_SECONDS = 60.0
_ATTEMPTS = 3  # a free port is found by binding and letting go: another process can be quicker


class ServerDied(Exception):
    """The program ended before it accepted a connection."""


@contextmanager
def running(
    command: Callable[[int, Path], list[str]], environment: Callable[[int, Path], Mapping[str, str]] = lambda *_: {}
) -> Iterator[int]:
    """Start ``command(port, empty_directory)``, wait until it accepts connections, and yield its port.

    It has an empty environment but for PATH, HOME and what ``environment(port, empty_directory)`` returns.
    """
    with ExitStack() as stack:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                port = stack.enter_context(_running_once(command, environment))
                break
            except ServerDied:
                if attempt == _ATTEMPTS:
                    raise
        # Not below `except`: the block may start a server that dies, too.
        yield port


@contextmanager
def _running_once(
    command: Callable[[int, Path], list[str]], environment: Callable[[int, Path], Mapping[str, str]]
) -> Iterator[int]:
    scratch = Path(tempfile.mkdtemp(prefix="fasts3-test-"))
    port = _free_port()
    # The supervisor ends the server, and removes `scratch`, when this end of the pipe is closed:
    # at the end of the block, or when this process dies in whatever way.
    reader, writer = os.pipe()
    (scratch / "data").mkdir()
    try:
        process = _start(command(port, scratch / "data"), environment(port, scratch / "data"), reader, scratch)
    except BaseException:
        os.close(writer)
        shutil.rmtree(scratch)
        raise
    finally:
        os.close(reader)
    try:
        _wait_until_it_accepts(process, port, scratch / "log")
        yield port
    finally:
        os.close(writer)
        process.wait()
        shutil.rmtree(scratch, ignore_errors=True)  # of a server that ended before, the supervisor has left the log


def _start(command: list[str], environment: Mapping[str, str], reader: int, scratch: Path) -> subprocess.Popen[bytes]:
    supervision = [sys.executable, "-I", "-S", supervisor.__file__, "0", str(scratch), "--"]
    with open(scratch / "log", "wb") as log:
        return subprocess.Popen(
            [*supervision, *command],
            stdin=reader,
            stdout=log,
            stderr=log,
            cwd=scratch,
            env={"PATH": os.defpath, "HOME": str(scratch), **environment},
            start_new_session=True,
        )


def _wait_until_it_accepts(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise ServerDied(log.read_text(errors="replace")[-2000:])


def _free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])
