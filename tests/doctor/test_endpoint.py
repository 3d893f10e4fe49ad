import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable

import pytest

from metaflow_extensions.fasts3.doctor import endpoint
from metaflow_extensions.fasts3.doctor.findings import Status
from metaflow_extensions.fasts3.doctor.subject import Answer, Subject

KEYS = {"aws_access_key_id": "id", "aws_secret_access_key": "secret"}
MakeSubject = Callable[..., Subject]


def facts(subject: Subject) -> "dict[str, tuple[Any, str]]":
    return {fact.name: (fact.value, fact.origin) for fact in endpoint.facts(subject, subject.connect())}


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
    found = endpoint.judged_clock(ahead)
    assert found.status is status
    assert bool(found.remedy) == (status is not Status.OK)


def test_who_is_ahead_is_told_right(subject_of: MakeSubject) -> None:
    subject = subject_of()
    subject.answer = Answer(200, {"date": formatdate(1_000_000, usegmt=True)}, 1_000_100.5, 0.1)
    assert "100 s ahead of the server's" in endpoint.check_clock(subject).told


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
def test_a_server_that_does_not_tell_its_time(headers: "dict[str, str]", subject_of: MakeSubject) -> None:
    subject = subject_of()
    subject.answer = Answer(200, headers, time.time(), 0.1)
    assert endpoint.check_clock(subject).status is Status.SKIPPED


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_an_address_has_no_name_to_resolve(host: str, subject_of: MakeSubject) -> None:
    found = endpoint.check_name(subject_of(endpoint_url=f"http://{host}:9000", **KEYS))
    assert found.status is Status.OK
    assert "is an address" in found.told


def test_a_name_that_resolves(subject_of: MakeSubject) -> None:
    found = endpoint.check_name(subject_of(endpoint_url="http://localhost:9000", **KEYS))
    assert found.status is Status.OK
    assert found.figures["addresses"] >= 1


def test_a_name_that_does_not(subject_of: MakeSubject) -> None:
    found = endpoint.check_name(subject_of(endpoint_url="http://nowhere.invalid", **KEYS))
    assert found.status is Status.PROBLEM
    assert "nowhere.invalid" in found.told


def test_the_name_of_a_bucket_is_part_of_the_host(subject_of: MakeSubject) -> None:
    told = facts(subject_of(region_name="eu-west-1", **KEYS))
    assert told["bucket_in"] == ("host", "")
    assert told["endpoint_url"] == ("https://s3.eu-west-1.amazonaws.com", "default")
    assert told["tls"][0] == "yes"
    assert told["certificates"] == ("botocore's own", "default")


def test_who_decided_otherwise_is_told(subject_of: MakeSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client whose endpoint and region are nobody's settings: a company's provider has chosen them."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    told = facts(subject_of(endpoint_url="http://company", region_name="eu-west-2", **KEYS))
    assert told["endpoint_url"] == ("http://company", "the client provider")
    assert told["region"] == ("eu-west-2", "the client provider")


def test_a_proxy_and_its_variable(subject_of: MakeSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:word@proxy:3128")
    subject = subject_of(endpoint_url="http://far.example", **KEYS)
    assert facts(subject)["proxy"] == ("http://***@proxy:3128", "environment variable HTTP_PROXY")
    monkeypatch.setenv("NO_PROXY", "far.example")
    subject = subject_of(endpoint_url="http://far.example", **KEYS)
    assert facts(subject)["proxy"] == (None, "NO_PROXY")


def test_a_bundle_that_is_not_there(subject_of: MakeSubject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = subject_of(endpoint_url="https://localhost:1", **KEYS)
    subject.connect()
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    found = endpoint.check_certificates(subject)
    assert found.status is Status.PROBLEM
    assert "environment variable AWS_CA_BUNDLE" in found.told


def test_a_server_without_tls_is_told_as_such(subject_of: MakeSubject) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        found = endpoint.check_answer(subject_of(endpoint_url=f"https://127.0.0.1:{server.server_port}", **KEYS))
        server.shutdown()
        thread.join()
    assert found.status is Status.PROBLEM
    assert found.told.endswith(" has no TLS.")
    assert found.remedy == "The server has no TLS: write http:// in the endpoint."


def test_no_certificate_is_called_verified_before_it_was_seen(subject_of: MakeSubject) -> None:
    found = endpoint.check_certificates(subject_of(endpoint_url="https://no-such-host.invalid", **KEYS))
    assert "is verified" not in found.told
    assert "`answer` says whether it is" in found.told


def test_an_unverified_server_is_a_warning(subject_of: MakeSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    import metaflow.metaflow_config as configuration

    monkeypatch.setattr(configuration, "DATATOOLS_CLIENT_PARAMS", {"verify": False})
    found = endpoint.check_certificates(subject_of(endpoint_url="https://localhost:1", verify=False, **KEYS))
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
def test_regions(theirs: str, ours: str, status: Status, subject_of: MakeSubject) -> None:
    subject = subject_of(region_name=ours, endpoint_url="http://localhost:1", **KEYS)
    subject.connect()
    subject.answer = Answer(200, {"x-amz-bucket-region": theirs} if theirs else {}, 0.0, 0.1)
    assert endpoint.check_region(subject).status is status
