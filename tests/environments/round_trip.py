"""Stores objects, reads them back in every way and compares every byte. Not a test; `test_environments` runs it.

python round_trip.py ROOT [FOLDER]

FOLDER is a directory for files; without one, all downloads stay in memory. At the end the program stores what it has
seen of its environment as the object `report`, because its standard streams may be closed.
"""

import json
import os
import random
import sys

from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception

from metaflow_extensions.fasts3.api import executor, placement
from metaflow_extensions.fasts3.machine.memory import memory
from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

MODULES = "FASTS3_TEST_MODULES"  # a directory that the program adds to its import path after its first calls
SMALL = {f"small/{number:03}": bytes([number]) * number for number in range(100)}
LARGE = random.Random(1).randbytes(2 * PART_SIZE + 1)
WORKERS = []  # commands that were started


def note_workers(event, arguments):
    """Remember the workers that are started: an audit hook."""
    if event == "subprocess.Popen" and any("s3op.py" in os.fspath(part) for part in arguments[1]):
        WORKERS.append(arguments[1])


def in_memory(s3, place):
    """Store and read back without files."""
    s3.put(f"{place}/one", "alone")
    s3.put_many((f"{place}/{key}", blob) for key, blob in SMALL.items())
    s3.put(f"{place}/large", LARGE)
    assert s3.get(f"{place}/one", in_memory=True).text == "alone"
    got = s3.get_many([f"{place}/{key}" for key in SMALL], in_memory=True)
    assert [one.blob for one in got] == list(SMALL.values())
    large, one = s3.get_many([f"{place}/large", f"{place}/one"], in_memory=True)
    assert (large.blob, one.text) == (LARGE, "alone")
    listed = s3.list_recursive([f"{place}/small"])
    assert [(one.key, one.size) for one in listed] == [(key[6:], len(blob)) for key, blob in SMALL.items()]


def with_files(s3, place, folder):
    """Store what `in_memory` has stored, from files and to files."""
    got = s3.get_many([f"{place}/large", *(f"{place}/{key}" for key in SMALL)])
    assert [read(one.path) for one in got] == [LARGE, *SMALL.values()]
    downloaded = s3.download(f"{place}/small", os.path.join(folder, place, "downloaded"))
    assert sorted(read(one.path) for one in downloaded) == sorted(SMALL.values())
    s3.upload(os.path.join(folder, place, "downloaded"), f"{place}/uploaded")
    again = s3.get_recursive([f"{place}/uploaded"])
    assert [one.blob for one in again] == list(SMALL.values())
    s3.put_files([(f"{place}/file", got[0].path)])
    assert s3.get(f"{place}/file").blob == LARGE


def nowhere_for_files(s3, place):
    """Downloads to files raise an error with a remedy."""
    import pytest  # only here: this takes longer than most calls

    with pytest.raises(MetaflowS3Exception, match="Set `tmproot`"):
        s3.get(f"{place}/one")
    with pytest.raises(MetaflowS3Exception, match="Set `tmproot`"):
        s3.get_many([f"{place}/{key}" for key in SMALL])


def read(path):
    """The bytes of a file."""
    with open(path, "rb") as file:
        return file.read()


def always_in_workers():
    """Make workers do all calls for several objects, as `tests/conftest.py` does."""
    placement.FEW_REQUESTS, placement.MANY_REQUESTS = 0, 1
    executor.may_leave = lambda here, queue, few: lambda: queue.at_least(few + 1)


def main(root, folder=None):
    """Do it as users do, and then in workers."""
    sys.addaudithook(note_workers)
    with S3(s3root=root) as s3:
        for place in ("here", "workers"):
            in_memory(s3, place)
            if folder:
                with_files(s3, place, folder)
            else:
                nowhere_for_files(s3, place)
            if MODULES in os.environ:
                sys.path.insert(0, os.environ[MODULES])
                S3.stop_workers()  # new ones have not imported everything yet
            always_in_workers()
        report = {
            "pid": os.getpid(),
            "uid": os.getuid(),
            "processors": processors(),
            "memory": memory(),
            "workers": len(WORKERS),
            "home": os.path.expanduser("~"),
            "proc": os.path.exists("/proc/self"),
            "platform": sys.platform,
            "read_only": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
            "streams": sum(stream is not None for stream in (sys.stdin, sys.stdout, sys.stderr)),
        }
        S3.stop_workers()
        s3.put("report", json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
