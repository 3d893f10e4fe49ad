"""Calls that Ctrl-C or @timeout interrupt at any point end without waiting for S3; S3 can be used afterwards."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from metaflow_extensions.fasts3.boto.transfer_client import INLINE_CONNECTIONS

AT_ONCE = 30.0  # seconds: a tenth of one where the processors have time; what would be waited for takes 60
PROGRAM = Path(__file__).with_name("stopped.py")


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("transfers", "count"),
    [
        ("wire", 12),
        pytest.param("wire", 80, marks=pytest.mark.release),
        pytest.param("boto3", 40, marks=pytest.mark.release),
    ],
)
def test_a_stopped_call_ends_at_once_and_leaves_nothing(environment, transfers, count):
    command = [sys.executable, PROGRAM, str(count), "11"]
    environment["METAFLOW_S3_TRANSFERS"] = transfers
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["stops"] > count / 10  # most, unless the processors were busy only while it measured the calls
    assert figures["wrong"] == 0
    assert figures["slowest"] < AT_ONCE
    assert figures["left"] == []
    before, after = figures["before"], figures["after"]
    for name in ("descriptors", "threads", "workers"):
        assert len(after[name]) <= len(before[name]), f"{name}: {before[name]} and {after[name]}"
    # Kept for the next calls.
    assert len(after["connections"]) <= INLINE_CONNECTIONS, after["connections"]
