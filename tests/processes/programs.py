"""Programs that use S3 in processes that start and end in different ways. Each is a function; `run` runs one.

python programs.py NAME ARGUMENT...
"""

import atexit
import gc
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import traceback
from pathlib import Path

from metaflow import S3, parallel_map

SMALL = {str(number): bytes([number]) * number for number in range(100)}  # so many that workers are started for them


def client(tmproot="."):
    return S3(s3root=os.environ["ROOT"], tmproot=tmproot)


def round_trip(number):
    """Store an object of this process and read it back."""
    with client() as s3:
        s3.put_many((f"{number}/{key}", blob) for key, blob in SMALL.items())
        s3.put(f"{number}/one", str(number))
        read = {got.key.partition("/")[2]: got.blob for got in s3.get_many(f"{number}/{key}" for key in SMALL)}
        return read == SMALL and s3.get(f"{number}/one").text == str(number)


def started_by(method, used_before):
    """Children by fork, spawn or forkserver, of a parent that has used S3 before or not."""
    assert used_before == "fresh" or round_trip("parent")
    with multiprocessing.get_context(method).Pool(2) as pool:
        print(pool.map(round_trip, range(3)) == [True] * 3)
    print(round_trip("parent again"))


def by_parallel_map():
    assert round_trip("parent")
    print(parallel_map(round_trip, range(3), max_parallel=2) == [True] * 3)


def never_closed():
    """An unclosed client keeps its files until the process ends, because a user may still use them."""
    s3 = client("tmp")
    s3.put_many(SMALL.items())
    path = s3.get("7").path
    several = [got.path for got in s3.get_many(SMALL)]
    del s3
    gc.collect()
    print(Path(path).read_bytes() == SMALL["7"], [Path(one).read_bytes() for one in several] == list(SMALL.values()))
    print(len(os.listdir("tmp")))


def ended_in_a_call(daemon):
    """The main thread ends while another one is in the middle of a call."""
    s3, begun = client("tmp"), threading.Event()
    s3.put_many(SMALL.items())

    def go_on():
        for number in range(10**9 if daemon == "daemon" else 8):
            got = s3.get_many(SMALL)
            assert [one.blob for one in got] == list(SMALL.values())
            if number == 2:
                begun.set()

    threading.Thread(target=go_on, daemon=daemon == "daemon").start()
    begun.wait()
    print(True)


def used_at_exit():
    """A call from an exit handler, when threads can't be started any more."""
    s3 = client("tmp")
    s3.put_many(SMALL.items())

    def last():
        s3.put("last", "words")
        print(s3.get("last").text, len(s3.get_many(SMALL)))

    atexit.register(last)


def held():
    """A call that never ends; prints its workers as soon as they exist."""
    from metaflow_extensions.fasts3.workers import worker_pool

    s3 = client("tmp")
    s3.put_many(SMALL.items())
    calls = 0
    while True:
        s3.get_many(SMALL)
        calls += 1
        if calls % 3 == 0:
            print(*[worker.pid for worker in worker_pool.shared._idle], flush=True)


def held_and_talkative():
    """The same, with all loggers at the lowest level, and occasional failures with tracebacks."""
    logging.basicConfig(level=logging.DEBUG)
    try:
        client("tmp").get("not there")
    except Exception:
        traceback.print_exc()
    held()


def start(environment, folder, name, *arguments, stderr=subprocess.PIPE):
    """Start a program in a folder."""
    folder.joinpath("tmp").mkdir(exist_ok=True)
    command = [sys.executable, "-W", "error::ResourceWarning", __file__, name, *arguments]
    return subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=stderr, text=True)


def run(environment, folder, name, *arguments):
    """Run a program in a folder; return its stdout and stderr."""
    with start(environment, folder, name, *arguments) as process:
        try:
            output, errors = process.communicate(timeout=200)
        except BaseException:
            process.kill()
            raise
    assert process.returncode == 0, errors
    return output.splitlines(), errors


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
