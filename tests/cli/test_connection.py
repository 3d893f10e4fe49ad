"""The options of the connection, which all commands that use S3 have."""

import json
import os
import re

import metaflow.metaflow_config as configuration
import pytest

from metaflow_extensions.fasts3.cli import main
from metaflow_extensions.fasts3.cli.connection import Connection
from metaflow_extensions.fasts3.cli.main import COMMANDS

USE_S3 = [name for name in COMMANDS if name != "serve"]
OPTIONS = {
    "profile",
    "endpoint_url",
    "region",
    "no_sign_request",
    "request_payer",
    "max_connections",
    "max_bandwidth",
}


@pytest.fixture
def elsewhere(here, monkeypatch):
    """Settings of another server, with other credentials."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "other")
    return here


@pytest.fixture
def profile(elsewhere, server, monkeypatch):
    """A profile with the credentials of the server."""
    keys = f"aws_access_key_id = {server.access_key}\naws_secret_access_key = {server.secret_key}\n"
    (elsewhere / "credentials").write_text(f"[mine]\n{keys}[default]\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(elsewhere / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(elsewhere / "none"))
    return "mine"


@pytest.mark.parametrize("name", USE_S3)
def test_each_command_has_the_options(name):
    assert {one.name for one in main.fasts3.get_command(None, name).params} >= OPTIONS


def test_a_profile_and_an_endpoint_replace_those_of_the_environment(fasts3, profile, server, root, stored):
    stored.put("a")
    before = dict(os.environ)
    done = fasts3("ls", "--profile", profile, "--endpoint-url", server.endpoint_url, f"{root}/")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.endswith(" a\n")
    assert dict(os.environ) == before


def test_a_profile_replaces_configured_credentials(fasts3, profile, server, root, stored, monkeypatch):
    stored.put("a")
    given = {"endpoint_url": server.endpoint_url, "aws_access_key_id": "AKIAOTHER", "aws_secret_access_key": "other"}
    monkeypatch.setattr(configuration, "DATATOOLS_CLIENT_PARAMS", given)
    assert fasts3("info", f"{root}/a").exit_code == 1
    assert fasts3("info", "--profile", profile, f"{root}/a").exit_code == 0


def test_options_are_added_to_the_configured_parameters(monkeypatch):
    monkeypatch.setattr(configuration, "DATATOOLS_CLIENT_PARAMS", {"verify": False, "endpoint_url": "https://a"})
    assert Connection().client_params() is None
    assert Connection(region="eu-west-1").client_params() == {
        "verify": False,
        "endpoint_url": "https://a",
        "region_name": "eu-west-1",
    }
    assert Connection(endpoint_url="https://b").client_params() == {"verify": False, "endpoint_url": "https://b"}
    assert configuration.DATATOOLS_CLIENT_PARAMS == {"verify": False, "endpoint_url": "https://a"}


def test_limits_reach_the_client():
    with Connection(max_connections=3, max_bandwidth=2**20).open() as s3:
        settings = s3._executor.settings()
    assert (settings.connections, settings.bandwidth) == (3, 2**20)


def test_a_bandwidth_has_no_upper_limit(fasts3, root, stored):
    stored.put("a")
    assert fasts3("ls", "--max-bandwidth", "20GiB", "--max-connections", "2", f"{root}/").exit_code == 0


def test_requests_without_a_signature(fasts3, root, stored):
    stored.put("a")
    done = fasts3("ls", "--no-sign-request", f"{root}/")
    assert done.exit_code == 1
    assert "Unsigned requests can access public data only" in done.stderr


def test_charges_are_accepted(fasts3, root, stored):
    stored.put("a", b"value")
    assert fasts3("cat", "--request-payer", f"{root}/a").stdout == "value"
    url = fasts3("presign", "--request-payer", f"{root}/a").stdout
    assert "x-amz-request-payer=requester" in url


@pytest.mark.parametrize("option", [["--request-payer", "requester"], ["--request-payer=requester"]])
def test_the_only_value_that_other_programs_accept_is_no_argument(fasts3, root, stored, option):
    stored.put_all({"a": b"", "b": b"", "requester": b""})
    assert fasts3("rm", "--root", root, *option, "a").stderr == "Deleted 1 object.\n"
    assert stored.list() == {"b", "requester"}
    assert fasts3("rm", "--root", root, "--request-payer", "b", "requester").exit_code == 0
    assert stored.list() == set()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--profile", ""], "it is empty, perhaps because a shell variable is not set"),
        (["--endpoint-url", "localhost:8333"], "Write it as https://host or https://host:port"),
        (["--endpoint-url", ""], "Write it as https://host or https://host:port"),
        (["--endpoint-url", "https://host:port"], None),
        (["--region", "eu west"], "'eu west' is not a valid region name"),
        (["--region", ""], "'' is not a valid region name"),
        (["--max-connections", "0"], "0 is smaller than the minimum"),
        (["--max-bandwidth", "100"], "it is 100 bytes per second, and must be at least 1,024"),
        (["--max-bandwidth", "fast"], "'fast' is not a size"),
        (["--max-bandwidth", "9" * 400], "is not a size"),
        (["--include", ""], "it is empty, perhaps because a shell variable is not set"),
        (["--exclude", "a", "--exclude", ""], "it is empty, perhaps because a shell variable is not set"),
        (["--no-sign-request", "--request-payer"], "can't be combined"),
    ],
)
def test_errors_of_options_are_one_sentence(fasts3, options, message):
    done = fasts3("ls", *options, "s3://bucket/")
    assert (done.exit_code, done.stdout) == (2 if message else 1, "")
    assert re.search(r"^Error: ", done.stderr, re.MULTILINE)
    assert (message or "Invalid endpoint") in " ".join(done.stderr.split())


def test_a_profile_that_does_not_exist_is_one_sentence(fasts3, profile):
    done = fasts3("ls", "--profile", "nobody-has-it", "s3://bucket/")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: Could not create an S3 client: The config profile (nobody-has-it) could not")
    assert done.stderr.count("\n") == 1


def test_the_doctor_names_the_origin(fasts3, profile, server, root):
    options = ["--profile", profile, "--endpoint-url", server.endpoint_url, "--region", "eu-west-3"]
    more = ["--max-connections", "7", "--max-bandwidth", "100MiB", "--quick", "--json"]
    done = fasts3("doctor", "--root", root, *options, *more)
    assert done.exit_code == 0
    facts = json.loads(done.stdout)["facts"]
    assert facts["credentials"]["profile"] == {"value": profile, "origin": "command line"}
    assert facts["endpoint"]["endpoint_url"] == {"value": server.endpoint_url, "origin": "command line"}
    assert facts["endpoint"]["region"] == {"value": "eu-west-3", "origin": "command line"}
    assert facts["machine"]["connections_allowed"] == {"value": 7, "origin": "command line"}
