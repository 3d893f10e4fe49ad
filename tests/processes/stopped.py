"""A program whose calls are interrupted at any point by an exception in the main thread, as by Metaflow's @timeout.

Prints its result as JSON. `test_stops.py` runs it as a separate process, because it inspects its process.
"""

import contextlib
import gc
import json
import os
import random
import signal
import socket
import stat
import sys
import tempfile
import threading
import time

import psutil
from metaflow import S3

SMALL = {str(number): os.urandom(500) for number in range(300)}
LARGE = os.urandom(20 * 2**20)


class Stopped(Exception):
    """Raised by a signal's handler; and KeyboardInterrupt, every other time."""


class Alarm:
    """Raises in the main thread, after a while."""

    def __init__(self):
        self.rang_at = 0.0
        self._kinds = [Stopped, KeyboardInterrupt]
        self._armed = False
        signal.signal(signal.SIGUSR1, self._ring)

    def _ring(self, *_):
        if self._armed:
            self._armed = False
            self.rang_at = time.monotonic()
            self._kinds.reverse()
            raise self._kinds[0]

    def call(self, function, seconds):
        """Call a function and stop it after some seconds. Return whether it was stopped, and how long that took."""
        try:
            return self._call(function, seconds)
        except (Stopped, KeyboardInterrupt):  # it rang just when the function had ended
            return True, time.monotonic() - self.rang_at

    def _call(self, function, seconds):
        main, over = threading.main_thread().ident, threading.Event()

        def ring():
            if not over.wait(seconds):
                signal.pthread_kill(main, signal.SIGUSR1)

        thread = threading.Thread(target=ring)
        self._armed, self.rang_at = True, 0.0
        thread.start()
        try:
            function()
        except (Stopped, KeyboardInterrupt):
            return True, time.monotonic() - self.rang_at
        finally:
            self._armed = False
            over.set()
            thread.join()
        return False, 0.0


def kind_of(descriptor):
    """The open file of a descriptor: a pipe, a socket, ..., with its inode."""
    status = os.fstat(descriptor)
    kinds = {stat.S_IFSOCK: "socket", stat.S_IFIFO: "pipe", stat.S_IFREG: "file", stat.S_IFCHR: "device"}
    kind = kinds.get(stat.S_IFMT(status.st_mode), "other")
    if kind == "socket":
        with socket.socket(fileno=os.dup(descriptor)) as sock:
            # Of the network, be it one that the other end has closed.
            kind = "connection" if sock.family in (socket.AF_INET, socket.AF_INET6) else kind
    return f"{descriptor}: {kind} {status.st_ino}"


def opened():
    """All descriptors of this process."""
    found = []
    for name in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError):  # that of the list itself
            found.append(kind_of(int(name)))
    return found


def state():
    """The resources that a call must release: descriptors, threads, processes; and connections, kept for a while."""
    gc.collect()
    children = psutil.Process().children(recursive=True)
    found = opened()
    return {
        "descriptors": [one for one in found if "connection" not in one],
        "threads": [thread.name for thread in threading.enumerate()],
        "workers": [child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE],
        "connections": [one for one in found if "connection" in one],
    }


def settled(before):
    """The state after background work has ended, at most 10 seconds later."""
    until = time.monotonic() + 10
    while True:
        after = state()
        if all(len(after[name]) <= len(before[name]) for name in before) or time.monotonic() > until:
            return after
        time.sleep(0.1)


def main(count, seed):
    chance, alarm, tmproot = random.Random(seed), Alarm(), tempfile.mkdtemp()
    s3 = S3(s3root=os.environ["ROOT"], tmproot=tmproot)
    path = os.path.join(tempfile.mkdtemp(), "large")
    with open(path, "wb") as file:
        file.write(LARGE)

    def read():
        with s3.open("large") as file:
            while file.read(10**6):
                pass

    def write():
        with s3.open("written", "wb") as file:
            for start in range(0, len(LARGE), 10**6):
                file.write(LARGE[start : start + 10**6])

    calls = {
        "put_many": lambda: s3.put_many(SMALL.items()),
        "get_many": lambda: s3.get_many(SMALL),
        "info_many": lambda: s3.info_many(SMALL),
        "put_files": lambda: s3.put_files([("large", path), ("large2", path)]),
        "get large": lambda: s3.get("large"),
        "get": lambda: s3.get("1"),
        "put": lambda: s3.put("1", SMALL["1"]),
        "list": s3.list_recursive,
        "open to read": read,
        "open to write": write,
    }
    lengths = {}
    for name, call in (*calls.items(), *calls.items()):  # twice: the first one starts the workers
        began = time.monotonic()
        call()
        lengths[name] = time.monotonic() - began
    before, stops, slowest, wrong = state(), 0, 0.0, 0
    for number in range(count):
        name = chance.choice(list(calls))
        stopped, seconds = alarm.call(calls[name], chance.uniform(0, 1.3 * lengths[name]))
        stops += stopped
        slowest = max(slowest, seconds)
        if number % 10 == 0:
            got = s3.get_many([*SMALL, "large"])
            wrong += [one.blob for one in got] != [*SMALL.values(), LARGE]
            wrong += s3.get("written").blob != LARGE
            s3.close()
    calls["get_many"]()  # as many workers as there were
    after = settled(before)
    s3.close()
    left = os.listdir(tmproot)
    figures = {"stops": stops, "slowest": slowest, "wrong": wrong, "left": left, "before": before, "after": after}
    print(json.dumps(figures), flush=True)


main(int(sys.argv[1]), int(sys.argv[2]))
