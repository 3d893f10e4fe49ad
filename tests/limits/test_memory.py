"""The memory of a call does not grow with its data: 400 MB for a process and its workers together."""

import pytest

# Bytes, with two workers. boto3 takes 40 MB in each process, and copies the parts of an upload.
LIMITS = {"wire": 400 * 2**20, "boto3": 600 * 2**20}
LARGE = 512 * 2**20  # bytes, of a file with holes
VALUES = 600  # of 1 MiB each

# Resident memory of each process at its peak, shared pages and all: more than all took at any one time.
MEASURED = """
from metaflow_extensions.fasts3.workers import worker_pool
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # so that there are two workers at the most
with open("large", "wb") as file:
    file.truncate(options["large"])

def put_open_file():
    with open("large", "rb") as file:
        s3.put("large", file)

calls = {
    "put_many": lambda: s3.put_many((str(n), bytes([n % 251]) * 2**20) for n in range(options["values"])),
    "put_many_in_parts": lambda: s3.put_many((str(n), bytes([n]) * 2**26) for n in range(options["values"] // 64)),
    "put_files": lambda: s3.put_files([("large", "large")]),
    "put": put_open_file,
    "get": lambda: s3.get("large"),
}
calls[options["call"]]()
processes = [os.getpid(), *(worker.pid for worker in worker_pool.shared._idle)]
# Not ru_maxrss, which begins with that of the process that forked.
peaks = [open(f"/proc/{process}/status").read().partition("VmHWM:")[2].split()[0] for process in processes]
print(sum(map(int, peaks)) * 1024)
"""


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param("put_many", marks=pytest.mark.release),
        pytest.param("put_many_in_parts", marks=pytest.mark.release),
        pytest.param("put_files", marks=pytest.mark.release),
        "put, get",
    ],
)
def test_memory_does_not_grow_with_the_transferred_bytes(calls, run, stored, implementation):
    for call in calls.split(", "):  # each in a process of its own
        done = run(MEASURED, call=call, large=LARGE, values=VALUES)
        assert 0 < int(done.stdout) < LIMITS[implementation], call
    if calls.startswith("put_many"):
        assert len(stored.list()) == (VALUES if calls == "put_many" else VALUES // 64)
    else:
        assert stored.head("large")["ContentLength"] == LARGE
    for key in stored.list():
        stored.client.delete_object(Bucket=stored.bucket, Key=stored.prefix + key)
