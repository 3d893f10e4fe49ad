"""SeaweedFS on this machine: its start, its data, its secrets and its end."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import boto3
import pytest
from botocore.exceptions import ClientError

from metaflow_extensions.fasts3.local_server import seaweedfs, seaweedfs_command
from metaflow_extensions.fasts3.local_server.errors import (
    LocalServerError,
    ServerFailed,
    UnusableDirectory,
)
from metaflow_extensions.fasts3.local_server.seaweedfs import SeaweedFS

on_linux = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")


# Variables of a user who has these credentials: with them in its environment, SeaweedFS would let their owner in as an
# administrator.
OF_THE_USER = {
    "AWS_PROFILE": "not-there",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "someone",
    "AWS_SECRET_ACCESS_KEY": "else",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A server with all arguments, on a directory that exists, started in the environment of a user."""
    directory = tmp_path_factory.mktemp("running")
    directory.chmod(0o755)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in OF_THE_USER.items():
            monkeypatch.setenv(name, value)
        server = SeaweedFS(directory, port=port, bucket="one-bucket")
        server.start()
    try:
        assert server.endpoint_url == f"http://127.0.0.1:{port}"
        yield server
    finally:
        server.stop()


def client_of(server: SeaweedFS, **changes: str) -> Any:
    parameters = {
        "endpoint_url": server.endpoint_url,
        "aws_access_key_id": server.access_key,
        "aws_secret_access_key": server.secret_key,
        "region_name": server.region,
    }
    return boto3.session.Session().client("s3", **{**parameters, **changes})


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


def eventually(condition: Callable[[], bool], seconds: float = 100.0) -> bool:
    """Ask until it is so: for what other processes do, which give no event to wait for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def server_process(server: SeaweedFS) -> int:
    """Give the process id of weed: the only child of its supervisor."""
    assert server._process is not None
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    children = [line.split()[0] for line in listed.stdout.splitlines()
                if line.split()[1] == str(server._process.pid)]  # fmt: skip
    assert len(children) == 1
    return int(children[0])


def test_it_has_the_bucket_and_takes_objects(running: SeaweedFS) -> None:
    client = client_of(running)
    client.put_object(Bucket="one-bucket", Key="a/b", Body=b"value")
    assert client.get_object(Bucket="one-bucket", Key="a/b")["Body"].read() == b"value"
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["one-bucket"]
    client.close()


@pytest.mark.parametrize("changes", [{"aws_secret_access_key": "x"}, {"aws_access_key_id": "x"}])
def test_other_credentials_are_rejected(running: SeaweedFS, changes: dict[str, str]) -> None:
    client = client_of(running, **changes)
    with pytest.raises(ClientError) as caught:
        client.list_objects_v2(Bucket="one-bucket")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    client.close()


def test_the_environment_points_everything_at_it(running: SeaweedFS) -> None:
    assert running.environment() == {
        "METAFLOW_S3_ENDPOINT_URL": running.endpoint_url,
        "METAFLOW_DATASTORE_SYSROOT_S3": "s3://one-bucket/metaflow",
        "METAFLOW_DATATOOLS_S3ROOT": "s3://one-bucket/data",
        "AWS_ACCESS_KEY_ID": running.access_key,
        "AWS_SECRET_ACCESS_KEY": running.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": running.endpoint_url,
    }


@on_linux
def test_it_listens_on_the_loopback_address_only(running: SeaweedFS) -> None:
    process = server_process(running)
    descriptors = Path(f"/proc/{process}/fd")
    sockets = {os.readlink(each) for each in descriptors.iterdir()}
    listening = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            # 0A is LISTEN; a UDP socket that anyone may send to is 07.
            if f"socket:[{inode}]" in sockets and state == ("0A" if "tcp" in table else "07"):
                listening.append(local.split(":")[0])
    assert len(listening) >= 9
    assert set(listening) == {"0100007F"}  # 127.0.0.1, as a little-endian number


def test_its_files_are_for_the_owner_only(running: SeaweedFS) -> None:
    home = running.directory
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [home, *home.iterdir()]}
    assert modes == {
        "seaweedfs": 0o700,
        "data": 0o700,
        "identities.json": 0o600,
        "server.log": 0o600,
        "lock": 0o600,
    }


def test_the_secret_is_in_no_command_line_log_or_repr(running: SeaweedFS) -> None:
    lines = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True)
    assert str(running.directory / "data") in lines.stdout
    assert running.secret_key not in lines.stdout
    assert running.secret_key not in (running.directory / "server.log").read_text()
    assert running.secret_key not in repr(running) + repr(vars(running))


def test_settings_of_the_user_do_not_reach_it(running: SeaweedFS) -> None:
    client = client_of(running, aws_access_key_id="someone", aws_secret_access_key="else")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client.list_buckets()
    client.close()


@pytest.mark.release
def test_a_directory_ends_with_its_last_object(running: SeaweedFS) -> None:
    """Within half a minute; SeaweedFS itself takes more than two. If it is busy, it may miss a directory once."""
    client = client_of(running)

    def is_gone() -> bool:
        return "CommonPrefixes" not in client.list_objects_v2(Bucket=running.bucket, Prefix="gone/", Delimiter="/")

    for _ in range(3):
        client.put_object(Bucket=running.bucket, Key="gone/b/c", Body=b"x")
        assert not is_gone()
        client.delete_object(Bucket=running.bucket, Key="gone/b/c")
        if eventually(is_gone, seconds=60):
            return
    pytest.fail("the directory is still there")


def test_servers_started_at_the_same_time_do_not_collide() -> None:
    servers = [SeaweedFS() for _ in range(2)]
    threads = [threading.Thread(target=server.start) for server in servers]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(listens(server.endpoint_url) for server in servers)
        assert len({server.endpoint_url for server in servers}) == 2
        assert len({server.secret_key for server in servers}) == 2
    finally:
        for server in servers:
            server.stop()


def test_a_free_port_lost_to_another_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = seaweedfs_command.choose_ports
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = [{"master.port": other.getsockname()[1]}, {}]
        monkeypatch.setattr(seaweedfs, "choose_ports", lambda port: {**honest(port), **ports.pop(0)})
        with SeaweedFS() as server:
            assert listens(server.endpoint_url)
    assert ports == []


def test_a_running_server_is_not_started_again(running: SeaweedFS) -> None:
    with pytest.raises(LocalServerError, match="running already"):
        running.start()
    assert listens(running.endpoint_url)


# --- The end


def test_stop_removes_its_temporary_data() -> None:
    with SeaweedFS() as server:
        home = server.directory
        left = leftovers(server_process(server))
        assert len(left) >= 4
    assert not listens(server.endpoint_url)
    assert not home.parent.exists()
    # By now, another server may use one of these ports, and have a socket of the same name.
    assert not [path for path, created in left.items() if creation(path) == created]
    assert repr(server) == "<SeaweedFS stopped, bucket 'metaflow'>"
    server.stop()  # a second stop has no effect


def leftovers(process: int) -> dict[Path, Optional[tuple[int, int]]]:
    """Give the sockets that SeaweedFS put in /tmp, whose names end in the gRPC ports of its command line."""
    command = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(process)], capture_output=True, text=True, check=True
    ).stdout.split()
    ports = {option.partition("=")[2] for option in command if ".grpc=" in option}
    sockets = Path("/tmp").glob("seaweedfs-*-grpc-*.sock")
    return {path: creation(path) for path in sockets if path.stem.rpartition("-")[2] in ports}


def creation(path: Path) -> Optional[tuple[int, int]]:
    """Give what differs when a file is created again under the same name, or None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


@pytest.mark.parametrize("keep", [True, False])
def test_it_ends_when_its_starter_is_killed(keep: bool, tmp_path: Path) -> None:
    script = (
        "import sys; from metaflow_extensions.fasts3.local_server.seaweedfs import SeaweedFS\n"
        "server = SeaweedFS(sys.argv[1] or None); server.start()\n"
        "print(server.endpoint_url, server.directory, flush=True); sys.stdin.read()"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path) if keep else ""],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with starter:
        assert starter.stdout is not None
        url, home = starter.stdout.readline().split()
        assert listens(url)
        starter.kill()
    assert eventually(lambda: not listens(url))
    assert eventually(lambda: Path(home).exists() == keep)


# --- A directory that outlasts the server


def test_a_killed_server_is_reported_and_loses_nothing(tmp_path: Path) -> None:
    with SeaweedFS(tmp_path) as first:
        client = client_of(first)
        for number in range(20):
            client.put_object(Bucket=first.bucket, Key=str(number), Body=b"%d" % number)
        client.close()
        os.kill(server_process(first), signal.SIGKILL)
        with pytest.raises(ServerFailed, match=r"ended unexpectedly\. The end of its log:\n(?s:.+)") as caught:
            first.wait()
        assert first.secret_key not in str(caught.value)
    with SeaweedFS(tmp_path) as second:
        assert (second.access_key, second.secret_key) == (first.access_key, first.secret_key)
        client = client_of(second)
        for number in range(20):
            body = client.get_object(Bucket=second.bucket, Key=str(number))["Body"].read()
            assert body == b"%d" % number
        client.put_object(Bucket=second.bucket, Key="more", Body=b"more")
        client.close()


def test_two_servers_cannot_share_a_directory(running: SeaweedFS) -> None:
    with pytest.raises(UnusableDirectory, match="Another server uses"):
        SeaweedFS(running.directory.parent).start()


def test_a_directory_that_exists_keeps_its_mode(running: SeaweedFS) -> None:
    assert stat.S_IMODE(running.directory.parent.stat().st_mode) == 0o755


def test_a_file_in_place_of_the_directory_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnusableDirectory, match=r"Can't store data in .*file"):
        SeaweedFS(tmp_path / "file").start()


def test_damaged_credentials_are_reported(tmp_path: Path) -> None:
    (tmp_path / "seaweedfs").mkdir()
    (tmp_path / "seaweedfs" / "identities.json").write_text("{}")
    with pytest.raises(UnusableDirectory, match=r"credentials in .*identities\.json can't be read"):
        SeaweedFS(tmp_path).start()
