"""The long run with few operations, so that it keeps working."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.release
@pytest.mark.timeout(900)
def test_some_operations():
    command = [sys.executable, "-m", "model", "100", "--processes", "2", "--seed", "1"]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = dict(line.rsplit(None, 1) for line in done.stdout.splitlines() if line and not line.startswith(" "))
    assert int(lines["operations"]) >= 100
    assert lines["differences"] == "0"
