"""The soak test for some seconds, so that it keeps working."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.release
@pytest.mark.timeout(900)
def test_some_seconds_of_it():
    command = [sys.executable, "-m", "soak", "8"]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "losses          0\nerrors          0\n" in done.stdout
    assert "Nothing was lost." in done.stdout
