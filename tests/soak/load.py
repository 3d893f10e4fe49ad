"""The users of the soak test: threads that store and read data continuously, and know the expected results.

A program. It runs in two processes, one forked by the other after it has used S3, and prints lines of JSON: once a
second what it has done, and every result that was wrong or was an error.

    python load.py THREADS SECONDS
"""

import itertools
import json
import os
import random
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

from botocore.config import Config
from metaflow import S3
from metaflow.datatools.s3 import S3GetObject

from metaflow_extensions.fasts3.api import executor, placement

SMALL = [f"dir{number % 4}/small {number}?" for number in range(60)]
LARGE = ["large/1", "large/2"]
LARGE_SIZE = 20 * 2**20  # bytes; three parts
SILENCE = 2.0  # timeout in seconds


class Wrong(Exception):
    """A response with other bytes than those that were stored."""


class User:
    """The work of one thread, below its own root."""

    def __init__(self, name, seed):
        self.chance = random.Random(seed)
        self.folder = Path(tempfile.mkdtemp())
        self.roots = (f"{os.environ['ROOT']}/{name}/{number}" for number in itertools.count())
        self.begin()
        self.operations = self.bytes = 0
        self.calls = {
            self.put_many: 20,
            self.put: 10,
            self.put_if_absent: 8,
            self.get_many: 25,
            self.get: 10,
            self.ranges: 10,
            self.info_many: 8,
            self.list_all: 5,
            self.put_large: 1,
            self.get_large: 3,
        }

    def begin(self):
        """Use an empty root: after an error nobody knows what is stored."""
        config = Config(connect_timeout=SILENCE, read_timeout=SILENCE)
        params = {"endpoint_url": os.environ["METAFLOW_S3_ENDPOINT_URL"], "config": config}
        self.s3 = S3(s3root=next(self.roots), tmproot=str(self.folder), client_params=params)
        self.stored = {}  # key -> bytes

    def work(self):
        """Do one thing, at random."""
        (call,) = self.chance.choices(list(self.calls), self.calls.values())
        call()
        self.operations += 1
        if self.chance.random() < 0.2:
            self.s3.close()

    def some(self, keys, most=30):
        return self.chance.sample(keys, min(len(keys), self.chance.randint(1, most)))

    def blob(self, most=20_000):
        return self.chance.randbytes(self.chance.randint(0, most))

    def known(self):
        return [key for key in SMALL if key in self.stored]

    def check(self, what, got, expected):
        if got != expected:
            raise Wrong(f"{what}: {len(expected)} expected, and something else came")

    def moved(self, blobs):
        self.bytes += sum(map(len, blobs))

    def put_many(self):
        blobs = {key: self.blob() for key in self.some(SMALL)}
        self.check("put_many", [key for key, _ in self.s3.put_many(blobs.items())], list(blobs))
        self.stored.update(blobs)
        self.moved(blobs.values())

    def put(self):
        key, blob = self.chance.choice(SMALL), self.blob()
        self.s3.put(key, blob)
        self.stored[key] = blob
        self.moved([blob])

    def put_if_absent(self):
        blobs = {key: self.blob() for key in self.some(SMALL)}
        new = [key for key in blobs if key not in self.stored]
        stored = [key for key, _ in self.s3.put_many(blobs.items(), overwrite=False)]
        self.check("put_many, no overwrite", stored, new)
        self.stored.update({key: blobs[key] for key in new})

    def get_many(self):
        keys = self.some(self.known())
        got = [one.blob for one in self.s3.get_many(keys)]
        self.check("get_many", got, [self.stored[key] for key in keys])
        self.moved(got)

    def get(self):
        key = self.chance.choice(SMALL)
        got = self.s3.get(key, return_missing=True)
        self.check("get", got.blob if got.exists else None, self.stored.get(key))

    def ranges(self):
        keys = [key for key in self.some(self.known()) if len(self.stored[key]) > 100]
        requested = [S3GetObject(key, self.chance.randint(0, 50), self.chance.randint(1, 50)) for key in keys]
        got = [one.blob for one in self.s3.get_many(requested)]
        self.check("ranges", got, [self.stored[one.key][one.offset : one.offset + one.length] for one in requested])

    def info_many(self):
        keys = self.some(SMALL)
        got = [one.size if one.exists else None for one in self.s3.info_many(keys, return_missing=True)]
        self.check("info_many", got, [len(self.stored[key]) if key in self.stored else None for key in keys])

    def list_all(self):
        got = {one.key: one.size for one in self.s3.list_recursive()}
        self.check("list_recursive", got, {key: len(blob) for key, blob in self.stored.items()})

    def put_large(self):
        key, blob = self.chance.choice(LARGE), self.chance.randbytes(LARGE_SIZE)
        path = self.folder / "large"
        path.write_bytes(blob)
        self.s3.put_files([(key, str(path))])
        self.stored[key] = blob
        self.moved([blob])

    def get_large(self):
        for key in (key for key in LARGE if key in self.stored):
            got = self.s3.get(key).blob
            self.check("get large", got, self.stored[key])
            self.moved([got])


def report(**fields):
    """Print a whole line immediately."""
    os.write(1, (json.dumps({"pid": os.getpid(), **fields}) + "\n").encode())


def live(user, until):
    """One thread."""
    while time.monotonic() < until:
        try:
            user.work()
        except Wrong as wrong:
            report(loss=str(wrong))
        except Exception:
            report(error=traceback.format_exc()[-1500:])
            user.s3.close()
            user.begin()


def have_workers():
    """Have workers do the calls for several objects, or there would be none to kill; those for one are done here."""
    placement.FEW_REQUESTS, placement.MANY_REQUESTS = 0, 1
    executor.may_leave = lambda here, queue, few: lambda: queue.at_least(few + 1)


def main(threads, seconds):
    have_workers()
    first = User("first", 0)
    first.put_many()
    child = os.fork()
    until = time.monotonic() + seconds
    users = [User(f"{'parent' if child else 'child'}-{number}", os.getpid() + number) for number in range(threads)]
    working = [threading.Thread(target=live, args=(user, until), daemon=True) for user in users]
    for thread in working:
        thread.start()
    while any(thread.is_alive() for thread in working):
        working[0].join(1.0)
        report(operations=sum(user.operations for user in users), bytes=sum(user.bytes for user in users))
    for user in users:
        user.s3.close()
        left = [str(path) for path in user.folder.iterdir() if path.name != "large"]
        if left:
            report(error=f"left behind: {left}")
    if child:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
