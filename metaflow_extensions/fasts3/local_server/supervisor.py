"""The parent of a server process: it ends the server when the starter wants it to, or is gone.

Run as a script: ``python -I -S supervisor.py GRACE_SECONDS SCRATCH [PATH ...] -- COMMAND [ARG ...]``.

The starter holds the other end of this process's stdin. One byte means "stop", and so does the end of the
pipe, which the kernel brings about even when the starter is SIGKILLed. That works on Linux and macOS alike,
where PR_SET_PDEATHSIG is Linux only and fires when the *thread* that started the child ends.

Being the server's parent, rather than a watcher beside it, this process can never signal a stranger: until
it has waited for the server, no other process can be given the server's id.

Standard library only: it starts before the server does, so its start-up time is the server's.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import threading


def main(arguments: "list[str]") -> int:
    """Run the command until it ends or the starter does, then remove what it leaves behind."""
    split = arguments.index("--")
    grace, scratch, *leftovers = arguments[:split]
    os.umask(0o077)
    told_to_stop = threading.Event()
    server = subprocess.Popen(arguments[split + 1 :], stdin=subprocess.DEVNULL)
    watch = threading.Thread(target=_stop_when_told, args=(server, float(grace), told_to_stop), daemon=True)
    watch.start()
    server.wait()
    for path in leftovers:
        _remove(path)
    if told_to_stop.is_set():
        # Otherwise the starter lives, and may want to read the log in there first.
        _remove(scratch)
    return 0


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _stop_when_told(server: "subprocess.Popen[bytes]", grace: float, told_to_stop: threading.Event) -> None:
    # A byte, not only the end of the pipe: a fork of the starter may hold its end open for longer.
    os.read(0, 1)
    told_to_stop.set()
    if grace:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(grace)
    server.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
