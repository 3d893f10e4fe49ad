"""The parent of a server process: it ends the server when the starter asks for it or has ended.

Run as a script: ``python -I -S supervisor.py GRACE_SECONDS SCRATCH [PATH ...] -- COMMAND [ARG ...]``.

The starter holds the other end of this process's stdin. One byte means "stop", and so does the end of the
pipe, which the kernel closes even if the starter is killed by SIGKILL. This works on Linux and macOS.
PR_SET_PDEATHSIG works on Linux only, and fires when the *thread* that started the child ends.

As the server's parent, this process never signals another process by mistake: until it has waited for the
server, the kernel gives the server's process id to no other.

Standard library only: it starts before the server does, so its start-up time is the server's.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import threading


def main(arguments: "list[str]") -> int:
    """Run the command until it or the starter ends, then remove its leftovers."""
    split = arguments.index("--")
    grace, scratch, *leftovers = arguments[:split]
    os.umask(0o077)
    stopping = threading.Event()
    server = subprocess.Popen(arguments[split + 1 :], stdin=subprocess.DEVNULL)
    watch = threading.Thread(target=_wait_for_stop, args=(server, float(grace), stopping), daemon=True)
    watch.start()
    server.wait()
    for path in leftovers:
        _remove(path)
    if stopping.is_set():
        # Otherwise the starter is alive, and may read the log in there first.
        _remove(scratch)
    return 0


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _wait_for_stop(server: "subprocess.Popen[bytes]", grace: float, stopping: threading.Event) -> None:
    # A byte, not only the end of the pipe: a fork of the starter may keep its end open.
    os.read(0, 1)
    stopping.set()
    if grace:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(grace)
    server.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
