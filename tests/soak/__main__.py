"""Ten minutes of everything at once: users in threads of two processes, faults and kills. Every byte is compared.

    python -m soak [SECONDS]

Prints what was done and which faults occurred, and exits with 1 if a result was wrong, a user got an error, or
descriptors, threads or memory have grown.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import conftest  # noqa: F401  # forgets this machine's settings
import psutil
from servers.killer import workers_of
from servers.starters import STARTERS
from soak.chaos import RandomFaults, killer

THREADS = 3  # in each of the two processes
CHECK_INTERVAL = 2.0  # seconds between two looks at the processes
REPORT_INTERVAL = 30.0  # seconds between two lines
LONG_ENOUGH = 120.0  # seconds until growth can be measured
# How much more there may be at the end than after the warm-up: a part of it, and a constant.
ALLOWED = {"descriptors": (0.25, 16), "threads": (0.25, 6), "memory": (0.25, 40 * 2**20)}


class Soak:
    """The reports of the users, and the observations of their processes."""

    def __init__(self):
        self.done = {}  # process id -> operations and bytes so far
        self.losses, self.errors = [], []
        self.samples = []

    def listen(self, stream):
        """Take the lines of the users, to their end."""
        for line in stream:
            report = json.loads(line)
            self.losses += [report["loss"]] if "loss" in report else []
            self.errors += [report["error"]] if "error" in report else []
            if "operations" in report:
                self.done[report["pid"]] = (report["operations"], report["bytes"])

    def totals(self):
        """Operations and bytes."""
        return tuple(map(sum, zip(*self.done.values()))) or (0, 0)

    def look(self):
        """Take a sample of the processes and their workers."""
        processes = []
        for pid in list(self.done):
            with contextlib.suppress(psutil.NoSuchProcess):
                processes += [psutil.Process(pid), *workers_of(pid)]
        sample = dict.fromkeys(ALLOWED, 0)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                sample["descriptors"] += process.num_fds()
                sample["threads"] += process.num_threads()
                sample["memory"] += process.memory_info().rss
        if processes:
            self.samples.append(sample)

    def growth(self):
        """Yield each quantity after the warm-up and at the end, and whether it has grown."""
        sixth = max(1, len(self.samples) // 6)
        for name, (part, constant) in ALLOWED.items():
            before, after = (
                statistics.median(sample[name] for sample in some)
                for some in (self.samples[sixth : 2 * sixth] or self.samples, self.samples[-sixth:])
            )
            yield name, before, after, after > before * (1 + part) + constant


def run(seconds):
    soak = Soak()
    with STARTERS["seaweedfs"]() as real, RandomFaults(real, seed=1) as proxy:
        environment = {
            **os.environ,
            "METAFLOW_S3_ENDPOINT_URL": proxy.client_params()["endpoint_url"],
            "AWS_ACCESS_KEY_ID": real.access_key,
            "AWS_SECRET_ACCESS_KEY": real.secret_key,
            "AWS_DEFAULT_REGION": real.region,
            "ROOT": f"s3://{real.bucket}/soak",
        }
        command = [sys.executable, str(Path(__file__).with_name("load.py")), str(THREADS), str(seconds)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as users:
            listening = threading.Thread(target=soak.listen, args=(users.stdout,))
            listening.start()
            with killer(lambda: list(soak.done), lambda: soak.totals()[0], seed=2) as killing:
                reported = time.monotonic()
                end = reported + seconds
                while users.poll() is None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        users.wait(CHECK_INTERVAL)
                    if time.monotonic() < end:
                        soak.look()
                    if time.monotonic() - reported > REPORT_INTERVAL:
                        reported = time.monotonic()
                        operations, size = soak.totals()
                        print(
                            f"{operations} operations, {size / 2**20:.0f} MiB, {sum(proxy.kinds.values())} faults, "
                            f"{killing.kills} kills, {len(soak.losses)} losses, {len(soak.errors)} errors",
                            flush=True,
                        )
            listening.join()
    return report(soak, proxy, killing, seconds, users.returncode)


def report(soak, proxy, killing, seconds, status):
    operations, size = soak.totals()
    print(f"\noperations      {operations}\nbytes           {size} ({size / 2**20:.0f} MiB), every one compared")
    print(f"faults injected {sum(proxy.kinds.values())}")
    for name, count in proxy.kinds.most_common():
        print(f"                {count:6} {name}")
    print(f"workers killed  {killing.kills}\nlosses          {len(soak.losses)}\nerrors          {len(soak.errors)}")
    grown = []
    for name, before, after, has_grown in soak.growth() if soak.samples else ():
        unit, scale = (" MiB", 2**20) if name == "memory" else ("", 1)
        print(f"{name:15} {before / scale:.0f}{unit} after the warm-up, {after / scale:.0f}{unit} at the end")
        grown += [name] if has_grown and seconds >= LONG_ENOUGH else []
    for what in (*soak.losses[:5], *soak.errors[:5], *map(str, proxy.problems[:5])):
        print(f"\n{what}", file=sys.stderr)
    too_few_kills = seconds >= LONG_ENOUGH and not killing.kills
    good = operations and not (soak.losses or soak.errors or grown or proxy.problems or status or too_few_kills)
    failed = grown or ("no worker was killed" if too_few_kills else what_failed(soak, proxy, status))
    print(f"\n{'Nothing was lost.' if good else f'FAILED: {failed}'}")
    return 0 if good else 1


def what_failed(soak, proxy, status):
    """Name it in a word."""
    found = {"losses": soak.losses, "errors": soak.errors, "problems of the proxy": proxy.problems, "status": status}
    return ", ".join(name for name, some in found.items() if some) or "nothing was done"


if __name__ == "__main__":
    sys.exit(run(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0))
