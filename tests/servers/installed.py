"""Where `make servers` has installed the servers of `make test-all`."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def installed(name: str) -> Path:
    """Return the directory of a server; skip the test if the server is not installed."""
    directory = REPOSITORY / f".venv-{name}"
    if not (directory / "installed").exists():
        pytest.skip(f"{name} is not installed: run `make servers`, or `make {directory.name}/installed` to see why not")
    return directory
