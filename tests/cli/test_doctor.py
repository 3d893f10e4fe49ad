"""``metaflow fasts3 doctor``: as users run it, and in this process, which takes a tenth of the time."""

import contextlib
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any, NamedTuple, Optional

import metaflow.metaflow_config as configuration
import pytest
from metaflow._vendor.click.testing import CliRunner
from servers import faults
from servers.faulty import Exchange, FaultyS3
from servers.s3_server import S3Server

from metaflow_extensions.fasts3.boto import clients, endpoints
from metaflow_extensions.fasts3.cli.main import cli
from metaflow_extensions.fasts3.doctor import context, examination, limits

METAFLOW = shutil.which("metaflow", path=sysconfig.get_path("scripts")) or "metaflow"
FOLDER = ".metaflow-fasts3-doctor"
PATIENCE = 200.0  # seconds after which a test gives up
SHORT = 0.2  # seconds, of which a check that never ends has ten times as many


class Ran(NamedTuple):
    """The output of an examination."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)  # nothing else is printed

    @property
    def findings(self) -> "dict[str, dict[str, Any]]":
        return {finding["name"]: finding for finding in self.document["findings"]}

    def fact(self, section: str, name: str) -> "tuple[Any, str]":
        found = self.document["facts"][section][name]
        return found["value"], found["origin"]

    def having(self, status: str) -> "list[str]":
        return [name for name, finding in self.findings.items() if finding["status"] == status]


def environment(server: S3Server, root: Optional[str], **changes: str) -> "dict[str, str]":
    """The settings of users for such a server."""
    return {
        **os.environ,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_DEFAULT_REGION": server.region,
        "AWS_ENDPOINT_URL_S3": server.endpoint_url,
        **({"METAFLOW_DATATOOLS_S3ROOT": root} if root else {}),
        **changes,
    }


def doctor(settings: "dict[str, str]", *options: str, never_end: Sequence[str] = ()) -> Ran:
    """Examine in this process, as if it had begun with these settings.

    Each check has ten times as long: on a busy machine, to be slow is no finding. Checks that never end have less time.
    """
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        for name, value in settings.items():
            patch.setenv(name, value)
            setting = name[len("METAFLOW_") :] if name.startswith("METAFLOW_") else ""
            if hasattr(configuration, setting):
                patch.setattr(configuration, setting, json.loads(value) if value.startswith("{") else value)
        patch.setattr(clients, "_clients", {})
        patch.setattr(endpoints, "_responded", set())
        patch.setattr(examination, "TOTAL", 10 * examination.TOTAL)
        if never_end:
            limit = {name: SHORT for name in never_end}
            checks = [check._replace(seconds=limit.get(check.name, check.seconds)) for check in examination.REST]
            patch.setattr(examination, "REST", checks)
            patch.setattr(context, "CLEANUP_LIMIT", SHORT)
        for module in (examination, context):
            patch.setattr(module, "limited", lambda seconds, work: limits.limited(10 * seconds, work))
        for number in (signal.SIGTERM, signal.SIGHUP):  # the command has its own handlers
            stack.callback(signal.signal, number, signal.getsignal(number))
        done = CliRunner(mix_stderr=False).invoke(cli, ["fasts3", "doctor", *options])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.exit_code, done.stdout, done.stderr)


def examined(settings: "dict[str, str]", *options: str, never_end: Sequence[str] = ()) -> Ran:
    """Examine with little data, and return the JSON document."""
    return doctor(settings, "--quick", "--json", *options, never_end=never_end)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads go to the current directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def place(seaweedfs: S3Server, prefix: str) -> str:
    """A root on SeaweedFS."""
    return f"s3://{seaweedfs.bucket}/{prefix}"


@pytest.fixture
def proxy(seaweedfs: S3Server) -> Iterator[FaultyS3]:
    with FaultyS3(seaweedfs) as proxy:
        yield proxy


@pytest.fixture
def through(proxy: FaultyS3, seaweedfs: S3Server, place: str) -> "dict[str, str]":
    """Settings for the proxy."""
    return environment(seaweedfs, place, AWS_ENDPOINT_URL_S3=proxy.client_params()["endpoint_url"])


def keys_below(server: S3Server, prefix: str) -> "list[str]":
    client = server.boto3_client()
    try:
        listed = client.list_objects_v2(Bucket=server.bucket, Prefix=prefix)
        return [entry["Key"] for entry in listed.get("Contents", [])]
    finally:
        client.close()


def test_all_is_well(server: S3Server, root: str, prefix: str) -> None:
    ran = examined(environment(server, root))
    assert ran.having("problem") == []
    assert ran.status == 0
    assert {"signature", "bucket", "list", "write", "read", "round_trip", "delete"} <= set(ran.having("ok"))
    assert ran.findings["transfers"]["message"] == "This package's own HTTP client transfers the data."
    assert ran.findings["round_trip"]["figures"]["milliseconds"] > 0
    assert keys_below(server, prefix) == []


def test_all_is_well_with_boto3(seaweedfs: S3Server, place: str, prefix: str) -> None:
    ran = examined(environment(seaweedfs, place, METAFLOW_S3_TRANSFERS="boto3"))
    assert ran.status == 0
    assert "S3_TRANSFERS is 'boto3'" in ran.findings["transfers"]["message"]
    assert keys_below(seaweedfs, prefix) == []


@pytest.mark.parametrize("name", ["OUTAGE_TIMEOUT", "RETRY_COUNT", "WORKER_COUNT"])
def test_impossible_settings_are_problems(seaweedfs: S3Server, place: str, name: str) -> None:
    ran = examined(environment(seaweedfs, place, **{f"METAFLOW_S3_{name}": "-5"}))
    assert "settings" in ran.having("problem")
    assert f"METAFLOW_S3_{name} is -5" in ran.findings["settings"]["message"]


def test_the_origin_of_settings_is_shown(seaweedfs: S3Server, place: str) -> None:
    ran = examined(environment(seaweedfs, place))
    assert ran.fact("endpoint", "endpoint_url") == (
        seaweedfs.endpoint_url,
        "environment variable AWS_ENDPOINT_URL_S3",
    )
    assert ran.fact("endpoint", "region") == ("us-east-1", "environment variable AWS_DEFAULT_REGION")
    assert ran.fact("metaflow", "DATATOOLS_S3ROOT") == (place, "environment variable METAFLOW_DATATOOLS_S3ROOT")
    assert ran.fact("metaflow", "S3_OUTAGE_TIMEOUT") == (300, "default")
    assert ran.fact("credentials", "method") == ("environment variables", "")
    assert ran.fact("credentials", "access_key_id")[1] == "environment variable AWS_ACCESS_KEY_ID"
    assert ran.fact("endpoint", "bucket_in") == ("path", "")


def test_people_get_lines_and_speeds(seaweedfs: S3Server, place: str, prefix: str) -> None:
    ran = doctor(environment(seaweedfs, place))
    assert ran.status == 0
    assert "\x1b" not in ran.out
    assert "Objects can be written below" in ran.out
    assert "iB/s up, " in ran.out
    assert ran.out.splitlines()[-1].startswith("No problems found (")
    assert keys_below(seaweedfs, prefix) == []


def test_a_wrong_secret(seaweedfs: S3Server, place: str) -> None:
    ran = examined(environment(seaweedfs, place, AWS_SECRET_ACCESS_KEY="not-this-one-at-all"))
    assert ran.status == 1
    assert ran.having("problem") == ["signature"]
    assert "SignatureDoesNotMatch" in ran.findings["signature"]["message"]
    assert ran.findings["signature"]["remedy"].startswith("Check the secret key")
    assert ran.findings["write"]["message"] == "Not checked: needs 'signature'."
    assert "not-this-one-at-all" not in ran.out


def test_an_access_key_that_the_server_does_not_know(seaweedfs: S3Server, place: str) -> None:
    ran = examined(environment(seaweedfs, place, AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE"))
    assert ran.having("problem") == ["signature"]
    assert "belong to this endpoint" in ran.findings["signature"]["remedy"]
    assert "AKIAIOSFODNN7EXAMPLE" not in ran.out
    assert "AKIA***MPLE" in ran.out


def test_no_credentials(seaweedfs: S3Server, place: str) -> None:
    settings = environment(seaweedfs, place)
    del settings["AWS_ACCESS_KEY_ID"], settings["AWS_SECRET_ACCESS_KEY"]
    ran = examined(settings)
    assert ran.having("problem") == ["credentials"]
    assert "aws configure" in ran.findings["credentials"]["remedy"]


def test_no_such_profile(seaweedfs: S3Server, place: str) -> None:
    ran = examined(environment(seaweedfs, place, AWS_PROFILE="nobody-has-it"))
    assert ran.status == 1
    assert ran.having("problem") == ["client"]
    assert "nobody-has-it" in ran.findings["client"]["message"]


def test_a_missing_bucket(server: S3Server) -> None:
    ran = examined(environment(server, "s3://there-is-no-such-bucket/data"))
    assert ran.status == 1
    assert ran.having("problem") == ["bucket"]
    assert ran.findings["bucket"]["message"] == "The bucket there-is-no-such-bucket does not exist."
    assert ran.findings["list"]["message"] == "Not checked: needs 'bucket'."


def test_a_closed_port(seaweedfs: S3Server, place: str) -> None:
    with socket.socket() as taken:  # and does not listen
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        ran = examined(environment(seaweedfs, place, AWS_ENDPOINT_URL_S3=url))
    assert ran.status == 1
    assert ran.having("problem") == ["response"]
    assert "Check the network and the endpoint" in ran.findings["response"]["remedy"]
    assert ran.findings["signature"]["message"] == "Not checked: needs 'response'."


def test_a_name_that_does_not_resolve(seaweedfs: S3Server, place: str) -> None:
    ran = examined(environment(seaweedfs, place, AWS_ENDPOINT_URL_S3="http://s3.nowhere.invalid"))
    assert ran.status == 1
    assert ran.having("problem") == ["resolve"]
    assert "The name s3.nowhere.invalid does not resolve" in ran.findings["resolve"]["message"]
    assert ran.findings["response"]["message"] == "Not checked: needs 'resolve'."


def test_a_server_that_accepts_and_does_not_respond(seaweedfs: S3Server, place: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ran = examined(environment(seaweedfs, place, AWS_ENDPOINT_URL_S3=url), never_end=("response",))
    assert ran.having("problem") == ["response"]
    assert "The check took more than" in ran.findings["response"]["message"]


@pytest.mark.parametrize("transfers", ["wire", "boto3"])
def test_a_server_that_stops_responding(transfers: str, proxy: FaultyS3, through: "dict[str, str]") -> None:
    for operation in ("GetObject", "DeleteObject"):
        proxy.inject(operation, faults.stall, times=None)
    ran = examined({**through, "METAFLOW_S3_TRANSFERS": transfers}, never_end=("read", "delete"))
    assert ran.having("problem") == ["read", "delete"]
    assert all("The check took more than" in ran.findings[name]["message"] for name in ("read", "delete"))
    assert f"/{FOLDER}/" in ran.err  # it could not be deleted, so it is named
    assert "may be deleted" in ran.err


def test_a_missing_permission_to_write_is_named(proxy: FaultyS3, through: "dict[str, str]", place: str) -> None:
    proxy.inject("PutObject", faults.error(403, "AccessDenied"), times=None)
    ran = examined(through)
    assert ran.status == 1
    assert ran.having("problem") == ["write"]
    wanted = f"Allow s3:PutObject on arn:aws:s3:::{place[len('s3://') :]}/* for these credentials."
    assert ran.findings["write"]["remedy"] == wanted
    assert ran.findings["delete"]["message"] == "No object was written."
    assert {"list", "round_trip"} <= set(ran.having("ok"))


def test_without_permission_to_list_writes_and_reads_succeed(proxy: FaultyS3, through: "dict[str, str]") -> None:
    for operation in ("ListObjectsV2", "HeadBucket"):
        proxy.inject(operation, faults.error(403, "AccessDenied"), times=None)
    ran = examined(through)
    assert ran.having("problem") == ["list"]
    assert ran.having("warning") == ["bucket"]
    assert {"write", "read", "delete"} <= set(ran.having("ok"))


def test_a_missing_permission_to_delete_warns_and_names_what_remains(
    proxy: FaultyS3, through: "dict[str, str]"
) -> None:
    proxy.inject("DeleteObject", faults.error(403, "AccessDenied"), times=None)
    ran = examined(through)
    assert ran.status == 0
    assert ran.having("warning") == ["delete"]
    assert f"/{FOLDER}/" in ran.findings["delete"]["message"]
    assert "s3:DeleteObject" in ran.findings["delete"]["remedy"]


@pytest.mark.parametrize("fault", [faults.error(403, "AccessDenied"), faults.corrupt, faults.stall])
def test_the_test_object_is_deleted_even_if_it_can_not_be_read(
    fault: Any, proxy: FaultyS3, through: "dict[str, str]", seaweedfs: S3Server, prefix: str
) -> None:
    proxy.inject("GetObject", fault, times=None)
    ran = examined(through, never_end=("read",) if fault is faults.stall else ())
    assert ran.status == 1
    assert ran.having("problem") == ["read"]
    assert keys_below(seaweedfs, prefix) == []


def test_a_write_whose_response_is_lost_is_removed(
    proxy: FaultyS3, through: "dict[str, str]", seaweedfs: S3Server, prefix: str
) -> None:
    proxy.inject("PutObject", faults.after_execution(faults.stall), times=None)
    ran = examined(through, never_end=("write",))
    assert ran.having("problem") == ["write"]
    assert proxy.injected
    assert keys_below(seaweedfs, prefix) == []


@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.release)])
def test_an_interruption_leaves_nothing_behind(
    how: signal.Signals, proxy: FaultyS3, through: "dict[str, str]", seaweedfs: S3Server, prefix: str
) -> None:
    proxy.inject("GetObject", faults.stall, times=None)
    command = [METAFLOW, "fasts3", "doctor", "--quick"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=through) as process:
        try:
            until = time.monotonic() + PATIENCE
            while not any(request.operation == "GetObject" for request in proxy.requests) and time.monotonic() < until:
                time.sleep(0.01)
            process.send_signal(how)  # at once: the check gives up after some seconds
            _, output = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 130
    assert any(request.operation == "PutObject" for request in proxy.requests)
    assert output.endswith("Stopped.\n")
    assert "Traceback" not in output
    assert keys_below(seaweedfs, prefix) == []


def clock_off_by(seconds: float) -> Any:
    """The clock of the server is wrong."""

    def do(exchange: Exchange) -> None:
        response = exchange.forward()
        headers = {name: value for name, value in response.headers.items() if name.lower() != "date"}
        headers["Date"] = formatdate(time.time() + seconds, usegmt=True)
        exchange.send(response._replace(headers=headers).head + response.body)

    return do


@pytest.mark.parametrize(
    ("seconds", "status", "told"),
    [
        (200, "warning", "200 s behind the server's"),
        (-200, "warning", "200 s ahead of the server's"),
        (7200, "problem", "7200 s behind the server's"),
    ],
)
def test_another_clock(seconds: int, status: str, told: str, proxy: FaultyS3, through: "dict[str, str]") -> None:
    proxy.inject_where(lambda _: True, clock_off_by(seconds), times=None)
    ran = examined(through)
    finding = ran.findings["clock"]
    assert finding["status"] == status
    assert abs(-finding["figures"]["seconds_ahead"] - seconds) < 10
    assert told.split(" s ")[1] in finding["message"]
    assert "clock" in finding["remedy"]
    assert ran.status == (1 if status == "problem" else 0)


def test_no_root(seaweedfs: S3Server) -> None:
    ran = examined(environment(seaweedfs, None))
    assert ran.status == 1
    assert ran.having("problem") == ["root"]
    assert "METAFLOW_DATATOOLS_S3ROOT=s3://" in ran.findings["root"]["remedy"]
    assert ran.findings["response"]["status"] == "ok"
    assert ran.findings["write"]["message"] == "Not checked: needs 'root'."


def test_a_root_that_is_no_url(seaweedfs: S3Server) -> None:
    ran = examined(environment(seaweedfs, "/a/local/place"))
    assert ran.having("problem") == ["root"]
    assert "/a/local/place" in ran.findings["root"]["message"]


def test_another_root(seaweedfs: S3Server, place: str) -> None:
    ran = examined(environment(seaweedfs, None), "--root", f"{place}/")
    assert ran.status == 0
    assert ran.findings["root"]["message"] == f"The root is {place} (--root)."


def test_the_error_for_an_invalid_root_is_one_sentence(seaweedfs: S3Server, place: str) -> None:
    for given in ("bucket/prefix", ""):  # an unset shell variable
        ran = doctor(environment(seaweedfs, place), "--root", given)
        assert ran.status == 2
        assert f"'{given}' has no bucket. The form of an S3 URL is s3://bucket/key." in ran.err


def test_read_only_it_writes_nothing(proxy: FaultyS3, through: "dict[str, str]", seaweedfs: S3Server) -> None:
    ran = examined(through, "--read-only")
    assert ran.status == 0
    assert {request.method for request in proxy.requests} <= {"GET", "HEAD"}
    assert ran.findings["write"]["message"] == "Not checked with --read-only."
    assert "There is no object to read below" in ran.findings["read"]["message"]


def test_read_only_it_reads_what_is_there(
    proxy: FaultyS3, through: "dict[str, str]", seaweedfs: S3Server, prefix: str
) -> None:
    client = seaweedfs.boto3_client()
    client.put_object(Bucket=seaweedfs.bucket, Key=f"{prefix}/mine", Body=b"value")
    ran = examined(through, "--read-only")
    assert ran.findings["read"]["status"] == "ok"
    client.delete_object(Bucket=seaweedfs.bucket, Key=f"{prefix}/mine")
    client.close()


def test_another_region(moto: S3Server, prefix: str) -> None:
    ran = examined(environment(moto, f"s3://{moto.bucket}/{prefix}", AWS_DEFAULT_REGION="eu-central-1"))
    assert ran.findings["region"]["status"] == "warning"
    assert "AWS_DEFAULT_REGION=us-east-1" in ran.findings["region"]["remedy"]


SECRETS = (
    "the-secret-of-the-profile",
    "the-token-of-the-profile",
    "the-pass%20word",
    "the-pass word",
    "another-secret",
)


@pytest.mark.parametrize("options", [("--json",), ()])
@pytest.mark.parametrize("where", ["profile", "environment", "client_params"])
def test_no_secret_is_printed(where: str, options: "tuple[str, ...]", seaweedfs: S3Server, tmp_path: Path) -> None:
    settings = environment(seaweedfs, f"s3://{seaweedfs.bucket}/x")
    key = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": SECRETS[0]}
    given = {**key, "aws_session_token": SECRETS[1]}
    settings["AWS_SHARED_CREDENTIALS_FILE"] = str(tmp_path / "credentials")
    lines = "".join(f"{name} = {value}\n" for name, value in given.items())
    (tmp_path / "credentials").write_text(f"[default]\n{lines}[other]\naws_secret_access_key = {SECRETS[4]}\n")
    host = seaweedfs.endpoint_url.partition("://")[2]
    settings["AWS_ENDPOINT_URL_S3"] = f"http://somebody:the-pass%20word@{host}"
    settings["HTTPS_PROXY"] = "http://somebody:the-pass%20word@proxy.invalid:3128"
    del settings["AWS_ACCESS_KEY_ID"], settings["AWS_SECRET_ACCESS_KEY"]
    if where == "environment":
        settings.update({name.upper(): value for name, value in given.items()})
    if where == "client_params":
        settings["METAFLOW_DATATOOLS_CLIENT_PARAMS"] = json.dumps(given)
    ran = doctor(settings, "--quick", *options)
    for secret in (*SECRETS, key["aws_access_key_id"]):
        assert secret not in ran.out + ran.err
    assert "AKIA***MPLE" in ran.out
    assert f"http://***@{host}" in ran.out
    if options:
        assert ran.document["format"] == 2


def test_no_secret_of_a_proxy_is_printed(seaweedfs: S3Server, place: str) -> None:
    settings = environment(
        seaweedfs,
        place,
        AWS_ENDPOINT_URL_S3="http://s3.nowhere.invalid",
        HTTP_PROXY="http://somebody:the-pass%20word@proxy.invalid:3128",
    )
    ran = examined(settings)
    assert "pass" not in ran.out + ran.err
    assert ran.fact("endpoint", "proxy") == (
        "http://***@proxy.invalid:3128",
        "environment variable HTTP_PROXY",
    )
    assert "proxy.invalid" in ran.findings["resolve"]["message"]
    assert "Check the proxy" in ran.findings["resolve"]["remedy"]


def shown_on_a_terminal(settings: "dict[str, str]") -> str:
    ours, theirs = pty.openpty()
    command = [METAFLOW, "fasts3", "doctor", "--quick"]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=settings):
        os.close(theirs)
        told = b""
        with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
            while data := os.read(ours, 65536):
                told += data
    os.close(ours)
    return told.decode()


def test_a_terminal_gets_colours_but_not_with_no_color(seaweedfs: S3Server) -> None:
    settings = {**environment(seaweedfs, None), "TERM": "xterm"}
    coloured = shown_on_a_terminal(settings)
    assert "\x1b[31m\x1b[1m  PROBLEM" in coloured
    plain = shown_on_a_terminal({**settings, "NO_COLOR": "1"})
    assert "  PROBLEM  root" in plain
    assert "\x1b" not in plain[plain.index("Software") :]  # before, Metaflow may greet
