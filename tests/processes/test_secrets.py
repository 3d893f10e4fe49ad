"""Searches everything that others can read during a call for secrets."""

import tempfile
from pathlib import Path

import pytest
from processes import programs

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "hush-the-secret-key",
    "AWS_SESSION_TOKEN": "hush-the-session-token",
    "METAFLOW_SERVICE_AUTH_KEY": "hush-the-service-key",
    "MY_DATABASE_PASSWORD": "hush-the-password",
}


@pytest.fixture
def log():
    """The file for the stderr of a program, which would wait on a full pipe without a reader."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        yield file


@pytest.fixture
def running(moto, environment, tmp_path, prefix, log):
    """A program in the middle of its calls, with secrets in its environment; moto takes any."""
    place = {"METAFLOW_S3_ENDPOINT_URL": moto.endpoint_url, "ROOT": f"s3://{moto.bucket}/{prefix}"}
    with programs.start({**environment, **place, **SECRETS}, tmp_path, "held_and_talkative", stderr=log) as process:
        yield process
        process.kill()


def shown_by(pid):
    """Everything that a process of the same user can see of another process."""
    files = [Path(f"/proc/{pid}/{name}") for name in ("cmdline", "environ", "comm", "maps", "status")]
    files += Path(f"/proc/{pid}/task").glob("*/comm")
    return b"\n".join(file.read_bytes() for file in files)


def test_no_secret_can_be_seen_while_a_call_runs(running, tmp_path, log):
    workers = running.stdout.readline().split()
    assert workers
    shown = b"\n".join(shown_by(pid) for pid in workers)
    shown += Path(f"/proc/{running.pid}/cmdline").read_bytes()
    assert b"s3op.py" in shown
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files  # downloads, as the calls go on
    names = "\n".join(str(path) for path in files).encode()
    for path in files:
        try:
            shown += path.read_bytes()
        except FileNotFoundError:
            continue
    assert b"hush" not in shown + names

    running.kill()
    stdout, _ = running.communicate()
    log.seek(0)
    logged = log.read()
    assert "MetaflowS3NotFound" in logged
    assert "metaflow_fasts3" in logged
    # botocore's own log, at DEBUG, shows the headers that it signs, among them a session token; as it does without us.
    ours = [line for line in logged.splitlines() if ":botocore." not in line and "x-amz-security-token" not in line]
    assert "hush" not in "\n".join(ours) + stdout
    assert SECRETS["AWS_SECRET_ACCESS_KEY"] not in logged
