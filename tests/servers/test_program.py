"""Server programs are started again if they die, and leave nothing."""

import sys
import tempfile
from pathlib import Path

import pytest
from servers.program import ServerDied, running


def _server(port: int, _: Path) -> "list[str]":
    return [sys.executable, "-S", "-m", "http.server", "--bind", "127.0.0.1", str(port)]


def test_a_server_that_dies_below_another_one_is_the_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    started = []

    def dying(port: int, _: Path) -> "list[str]":
        started.append(port)
        return [sys.executable, "-S", "-c", "raise SystemExit('no disk')"]

    with pytest.raises(ServerDied, match="no disk"), running(_server), running(dying):
        pass
    assert len(started) == 3
    assert list(tmp_path.iterdir()) == []
