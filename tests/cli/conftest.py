"""Fixtures that run the command line: in this process, which is fast, and as a process, as users do."""

import shutil
import subprocess
import sysconfig
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable

import pytest
from metaflow._vendor.click.testing import CliRunner
from servers.s3_server import S3Server
from servers.stored import Stored

from metaflow_extensions.fasts3.cli.main import cli

METAFLOW = shutil.which("metaflow", path=sysconfig.get_path("scripts")) or "metaflow"


@pytest.fixture(scope="session")
def server(seaweedfs: S3Server) -> S3Server:
    """SeaweedFS is sufficient: these tests are about the client."""
    return seaweedfs


@pytest.fixture(scope="session")
def oracle(server: S3Server) -> Iterator[Any]:
    """A boto3 client for the server, shared because creating one takes longer than most tests."""
    client = server.boto3_client()
    yield client
    client.close()


@pytest.fixture(scope="session")
def program() -> str:
    """The path of Metaflow's command in this environment."""
    return METAFLOW


def reach(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment variables with which this process and its children use a server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", server.region)


@pytest.fixture
def here(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of commands, with the settings of the server."""
    reach(server, monkeypatch)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def fasts3(here: Path) -> "Callable[..., Any]":
    """Run a command in this process; its result has exit_code, stdout and stderr."""

    def run(*arguments: str, stdin: "str | bytes | None" = None) -> Any:
        result = CliRunner(mix_stderr=False).invoke(cli, ["fasts3", *arguments], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.stderr
        return result

    return run


@pytest.fixture
def odd(here: Path, moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stored]:
    """The objects below a prefix on a server that supports all keys, which commands then use."""
    reach(moto, monkeypatch)
    client = moto.boto3_client()
    yield Stored(client, moto.bucket, f"odd-{uuid.uuid4().hex}/")
    client.close()


@pytest.fixture
def start(here: Path) -> "Iterator[Callable[..., subprocess.Popen[bytes]]]":
    """Start a command as a process whose streams are pipes."""
    started = []

    def run(*arguments: str, **changes: Any) -> "subprocess.Popen[bytes]":
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen([METAFLOW, "fasts3", *arguments], cwd=here, **{**pipes, **changes}))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                with suppress(BrokenPipeError):
                    stream.close()
