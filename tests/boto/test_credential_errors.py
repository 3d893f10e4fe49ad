"""Tests of errors of boto3's credential providers: one exception with reason and remedy, no secret."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import botocore.exceptions
import pytest
from metaflow import S3
from metaflow._vendor.click.testing import CliRunner
from metaflow.datatools.s3 import MetaflowS3Exception

from metaflow_extensions.fasts3.boto import clients
from metaflow_extensions.fasts3.boto.credential_errors import failure_of_provider
from metaflow_extensions.fasts3.boto.transfer_client import TransferClient
from metaflow_extensions.fasts3.cli.main import cli
from metaflow_extensions.fasts3.wire.failures import Code

NOWHERE = "http://127.0.0.1:9"
SECRET = "hush-hush-hush"
ARN = "arn:aws:iam::123456789012:role/reader"
ROLE = f"role_arn = {ARN}\nsource_profile = base"
PAGE = b"<html><body>Log in to the network</body></html>"


@pytest.fixture(scope="module")
def portal():
    """The page that a proxy sends instead of every response."""

    class Portal(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Portal) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A process without credentials, except those that a test sets."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", NOWHERE)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(clients, "_clients", {})

    def use(profile, **environment):
        base = f"[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = {SECRET}\n"
        tmp_path.joinpath("config").write_text(f"{base}[profile mine]\nregion = us-east-1\n{profile}\n")
        monkeypatch.setenv("AWS_PROFILE", "mine")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    return use


def program(text):
    return f'credential_process = {sys.executable} -c "{text}"'


SSO = "sso_account_id = 123456789012\nsso_role_name = reader\n"
OLD = json.dumps({"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": SECRET, "Expiration": "2020-01-01T00:00:00Z"})
# Profile, environment, and the parts of the message: the reason and the remedy.
CASES = {
    "SSO session": (
        f"{SSO}sso_session = s\n[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x.example/start",
        {},
        ("the SSO session of profile 'mine' is missing or has expired", "aws sso login --profile mine"),
    ),
    "SSO without a session": (
        f"{SSO}sso_region = us-east-1\nsso_start_url = https://x.example/start",
        {},
        ("the SSO session of profile 'mine'", "aws sso login --profile mine"),
    ),
    "no JSON": (program(f"print('{SECRET}')"), {}, ("printed something other than a JSON object", "by hand")),
    "JSON of another kind": (program("print([1])"), {}, ("something other than a JSON object", "by hand")),
    "an error": (
        program(f"import sys; print('{SECRET}'); sys.exit('log in to the vault')"),
        {},
        ("credential_process of profile 'mine' failed: log in to the vault", "by hand"),
    ),
    "an error without a word": (program("raise SystemExit(1)"), {}, ("exited with an error", "by hand")),
    "no program": ("credential_process = /no/such/program", {}, ("/no/such/program: No such file", "by hand")),
    "a set that has expired": (program(f"print('''{OLD}''')".replace('"', '\\"')), {}, ("still expired", "by hand")),
    "STS is away": (
        ROLE,
        {"AWS_ENDPOINT_URL_STS": NOWHERE},
        (f'assume-role) can\'t be reached: Could not connect to the endpoint URL: "{NOWHERE}/"', "Check the network"),
    ),
    "a page instead of STS": (ROLE, {"AWS_ENDPOINT_URL_STS": "PORTAL"}, ("can't be parsed", "AWS_ENDPOINT_URL_STS")),
    "a dead proxy before STS": (
        ROLE,
        {"HTTPS_PROXY": f"http://me:{SECRET}@127.0.0.1:9"},
        ("proxy URL", "127.0.0.1:9", "HTTPS_PROXY"),
    ),
    "no token file": (
        f"role_arn = {ARN}\nweb_identity_token_file = /no/such/token",
        {},
        ("'/no/such/token' can't be read: No such file", "web_identity_token_file"),
    ),
    "no source profile": (f"role_arn = {ARN}\nsource_profile = none", {}, ('"none"', "Check the profile")),
    "container": ("", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{NOWHERE}/x"}, ("container", "credentials endpoint")),
}


@pytest.fixture(params=CASES)
def expected(request, alone, portal, monkeypatch):
    """Set up a case; return the expected parts of its message."""
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    profile, environment, expected = CASES[request.param]
    alone(profile, **{name: portal if value == "PORTAL" else value for name, value in environment.items()})
    return expected


def test_every_error_of_a_provider_is_one_exception_with_a_remedy(expected, tmp_path):
    with S3(tmproot=str(tmp_path)) as s3, pytest.raises(MetaflowS3Exception) as raised:
        s3.get_many(["s3://bucket/a", "s3://bucket/b"])
    for part in expected:
        assert part in str(raised.value)
    error = raised.value
    while error is not None:
        assert SECRET not in f"{error!r} {getattr(error, 'doc', '')}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("arguments", [["ls"], ["ls", "s3://bucket/"], ["doctor"]], ids=" ".join)
@pytest.mark.parametrize("expected", ["SSO session", "an error"], indirect=True)
def test_commands_say_it_without_a_traceback(expected, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(cli, ["fasts3", *arguments])
    assert ended.exit_code == 1
    assert isinstance(ended.exception, SystemExit)
    for part in expected:
        assert part in " ".join(ended.output.split())
    assert SECRET not in ended.output


@pytest.mark.parametrize("error", [EOFError(), botocore.exceptions.RefreshWithMFAUnsupportedError()])
def test_the_error_for_mfa_recommends_to_get_credentials_first(error):
    failure = failure_of_provider(error, "assume-role", "mine")
    assert failure.code is Code.NO_CREDENTIALS
    assert "the role of profile 'mine' requires an MFA code" in failure.message
    assert "get-session-token" in failure.remedy


def test_messages_use_no_provider(alone):
    """Not even for the access key id: an error handler that raises would hide the error."""
    alone(*CASES["SSO session"][:1])
    transfer_client = TransferClient(clients.S3Client().client, ours=True)
    assert transfer_client.identity == "none"
    assert transfer_client.conceal("text") == "text"


def test_a_provider_that_takes_its_time_is_not_the_endpoint_s_silence(alone, tmp_path):
    """The endpoint has seconds to respond; STS, with its own retries, may take a minute."""
    alone(*CASES["STS is away"][:1], **CASES["STS is away"][1])
    with S3(tmproot=str(tmp_path)) as s3, pytest.raises(MetaflowS3Exception, match="credentials"):
        s3.get("s3://bucket/a")


def test_a_dead_proxy_is_named_and_not_a_server_of_one_s_own(alone, tmp_path):
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}
    alone("", HTTP_PROXY=f"http://me:{SECRET}@127.0.0.1:9", NO_PROXY="", **keys)
    with S3(tmproot=str(tmp_path)) as s3, pytest.raises(MetaflowS3Exception) as raised:
        s3.get("s3://bucket/a")
    for part in ("proxy http://***@127.0.0.1:9", "HTTP_PROXY", "NO_PROXY"):
        assert part in str(raised.value)
    assert "fasts3 serve" not in str(raised.value)
    assert SECRET not in str(raised.value)
