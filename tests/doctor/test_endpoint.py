import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable

import metaflow.metaflow_config as configuration
import pytest

from metaflow_extensions.fasts3.doctor import endpoint
from metaflow_extensions.fasts3.doctor.checks import check_root
from metaflow_extensions.fasts3.doctor.context import Context, Response
from metaflow_extensions.fasts3.doctor.endpoint import LOCAL_SERVER, local_server_hint
from metaflow_extensions.fasts3.doctor.findings import Status

KEYS = {"aws_access_key_id": "id", "aws_secret_access_key": "secret"}
MakeContext = Callable[..., Context]


def facts(context: Context) -> "dict[str, tuple[Any, str]]":
    return {fact.name: (fact.value, fact.origin) for fact in endpoint.facts(context, context.create_client())}


@pytest.mark.parametrize(
    ("ahead", "status"),
    [
        (0.4, Status.OK),
        (-30, Status.OK),
        (61, Status.WARNING),
        (-899, Status.WARNING),
        (901, Status.PROBLEM),
        (-1e9, Status.PROBLEM),
    ],
)
def test_clocks(ahead: float, status: Status) -> None:
    found = endpoint.clock_finding(ahead)
    assert found.status is status
    assert bool(found.remedy) == (status is not Status.OK)


def test_the_direction_of_clock_skew_is_reported(context_of: MakeContext) -> None:
    context = context_of()
    context.response = Response(200, {"date": formatdate(1_000_000, usegmt=True)}, 1_000_100.5, 0.1)
    assert "100 s ahead of the server's" in endpoint.check_clock(context).message


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
def test_a_server_without_a_date_header(headers: "dict[str, str]", context_of: MakeContext) -> None:
    context = context_of()
    context.response = Response(200, headers, time.time(), 0.1)
    assert endpoint.check_clock(context).status is Status.SKIPPED


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_an_address_has_no_name_to_resolve(host: str, context_of: MakeContext) -> None:
    found = endpoint.check_name(context_of(endpoint_url=f"http://{host}:9000", **KEYS))
    assert found.status is Status.OK
    assert "is an address" in found.message


def test_a_name_that_resolves(context_of: MakeContext) -> None:
    found = endpoint.check_name(context_of(endpoint_url="http://localhost:9000", **KEYS))
    assert found.status is Status.OK
    assert found.figures["addresses"] >= 1


def test_a_name_that_does_not(context_of: MakeContext) -> None:
    found = endpoint.check_name(context_of(endpoint_url="http://nowhere.invalid", **KEYS))
    assert found.status is Status.PROBLEM
    assert "nowhere.invalid" in found.message


def test_the_name_of_a_bucket_is_part_of_the_host(context_of: MakeContext) -> None:
    shown = facts(context_of(region_name="eu-west-1", **KEYS))
    assert shown["bucket_in"] == ("host", "")
    assert shown["endpoint_url"] == ("https://s3.eu-west-1.amazonaws.com", "default")
    assert shown["tls"][0] == "yes"
    assert shown["certificates"] == ("botocore's own", "")


def test_variables_with_the_client_s_values_are_named(context_of: MakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://company")
    shown = facts(context_of(endpoint_url="http://company", region_name="eu-west-2", **KEYS))
    assert shown["endpoint_url"] == ("http://company", "environment variable AWS_ENDPOINT_URL_S3")
    assert shown["region"] == ("eu-west-2", "")


def test_a_proxy_and_its_variable(context_of: MakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:word@proxy:3128")
    context = context_of(endpoint_url="http://far.example", **KEYS)
    assert facts(context)["proxy"] == ("http://***@proxy:3128", "environment variable HTTP_PROXY")
    monkeypatch.setenv("NO_PROXY", "far.example")
    context = context_of(endpoint_url="http://far.example", **KEYS)
    assert facts(context)["proxy"] == (None, "")


def test_a_bundle_that_is_not_there(context_of: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    context = context_of(endpoint_url="https://localhost:1", **KEYS)
    found = endpoint.check_certificates(context)
    assert found.status is Status.PROBLEM
    assert "environment variable AWS_CA_BUNDLE" in found.message


def test_a_server_without_tls_is_reported(context_of: MakeContext) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        found = endpoint.check_response(context_of(endpoint_url=f"https://127.0.0.1:{server.server_port}", **KEYS))
        server.shutdown()
        thread.join()
    assert found.status is Status.PROBLEM
    assert found.message.endswith(" has no TLS.")
    assert found.remedy == "The server has no TLS: write http:// in the endpoint."


def test_no_certificate_is_called_verified_before_it_was_seen(context_of: MakeContext) -> None:
    found = endpoint.check_certificates(context_of(endpoint_url="https://no-such-host.invalid", **KEYS))
    assert "is verified" not in found.message
    assert "`response` reports the result" in found.message


def test_an_unverified_server_is_a_warning(context_of: MakeContext) -> None:
    found = endpoint.check_certificates(context_of(endpoint_url="https://localhost:1", verify=False, **KEYS))
    assert found.status is Status.WARNING


@pytest.mark.parametrize(
    ("theirs", "ours", "status"),
    [
        ("eu-west-1", "eu-west-1", Status.OK),
        ("us-east-1", "aws-global", Status.OK),
        ("eu-west-1", "us-east-1", Status.WARNING),
        ("", "us-east-1", Status.SKIPPED),
    ],
)
def test_regions(theirs: str, ours: str, status: Status, context_of: MakeContext) -> None:
    context = context_of(region_name=ours, endpoint_url="http://localhost:1", **KEYS)
    context.create_client()
    context.response = Response(200, {"x-amz-bucket-region": theirs} if theirs else {}, 0.0, 0.1)
    assert endpoint.check_region(context).status is status


@pytest.mark.parametrize("configured", [False, True])
def test_without_an_endpoint_the_error_suggests_a_local_server(
    configured: bool, context_of: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    if configured:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000")
    context = context_of(region_name="eu-west-1", **KEYS)
    assert local_server_hint(context) == ""  # unknown without a client
    context.create_client()
    assert local_server_hint(context) == ("" if configured else f" {LOCAL_SERVER}")


def test_no_root_and_a_name_that_does_not_resolve(context_of: MakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", None)
    monkeypatch.setattr(endpoint.socket, "getaddrinfo", fail)
    context = context_of(root=None, region_name="eu-west-1", **KEYS)
    context.create_client()
    assert check_root(context).remedy.endswith(LOCAL_SERVER)
    assert endpoint.check_name(context).remedy.endswith(LOCAL_SERVER)
