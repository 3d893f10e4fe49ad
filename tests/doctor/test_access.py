import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

import pytest
from boto.provider import Provider
from servers.s3_server import S3Server

from metaflow_extensions.fasts3.doctor import access
from metaflow_extensions.fasts3.doctor.findings import Status
from metaflow_extensions.fasts3.doctor.subject import Subject

ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "the-secret-key"
MakeSubject = Callable[..., Subject]


def facts(subject: Subject) -> "dict[str, tuple[Any, str]]":
    return {fact.name: (fact.value, fact.origin) for fact in access.facts(subject, subject.connect())}


def keys(heading: str) -> str:
    return f"[{heading}]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"


def test_environment_variables(subject_of: MakeSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the-token")
    told = facts(subject_of())
    assert told["method"] == ("environment variables", "AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN")
    assert told["access_key_id"] == ("AKIA***MPLE", "")
    assert told["profile"] == ("default", "default")


@pytest.mark.parametrize("which", ["config", "credentials"])
def test_a_profile(
    which: str, subject_of: MakeSubject, files: "dict[str, Path]", monkeypatch: pytest.MonkeyPatch
) -> None:
    files[which].write_text(keys("profile mine" if which == "config" else "mine"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    told = facts(subject_of())
    assert told["method"] == ("profile", f"profile 'mine' in {files[which]}")
    assert told["profile"] == ("mine", "environment variable AWS_PROFILE")


def test_parameters(subject_of: MakeSubject) -> None:
    told = facts(subject_of(aws_access_key_id=ID, aws_secret_access_key=SECRET))
    assert told["method"][0] == "client_params (METAFLOW_DATATOOLS_CLIENT_PARAMS)"


def test_a_program_and_when_its_credentials_expire(
    subject_of: MakeSubject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of()
    provider = Provider(tmp_path, ID, SECRET, lifetime=3600)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(provider.config))
    told = facts(subject)
    assert told["method"] == ("credential_process", f"profile 'default' in {provider.config}")
    assert sys.executable not in str(told)  # what is in the command may be secret
    left = datetime.fromisoformat(told["expires"][0]) - datetime.now(timezone.utc)
    assert 3500 < left.total_seconds() <= 3600
    assert access.check_credentials(subject).status is Status.OK


def test_no_credentials(subject_of: MakeSubject) -> None:
    subject = subject_of()
    assert facts(subject)["method"] == (None, "")
    found = access.check_credentials(subject)
    assert found.status is Status.PROBLEM
    assert "`metaflow fasts3 serve`" in found.remedy


def test_unsigned_requests(subject_of: MakeSubject) -> None:
    from botocore import UNSIGNED
    from botocore.config import Config

    subject = subject_of(config=Config(signature_version=UNSIGNED))
    assert facts(subject)["method"][0] == "none: requests are not signed"
    assert access.check_credentials(subject).status is Status.OK
    assert access.check_identity(subject).status is Status.SKIPPED


def test_a_role_is_named(files: "dict[str, Path]") -> None:
    import botocore.session

    files["config"].write_text("[default]\nrole_arn = arn:aws:iam::123456789012:role/reader\nsource_profile = x\n")
    told = access.origin_of(botocore.session.Session(), "assume-role")
    assert told == f"arn:aws:iam::123456789012:role/reader, profile 'default' in {files['config']}"


def test_a_container_and_a_web_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/")
    assert access.origin_of(None, "container-role") == "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:role")
    told = access.origin_of(None, "assume-role-with-web-identity")
    assert told == "AWS_WEB_IDENTITY_TOKEN_FILE, arn:role"
    assert access.origin_of(None, "iam-role") == ""


def test_every_method_of_botocore_has_a_word() -> None:
    import botocore.credentials

    methods = {one.METHOD for one in vars(botocore.credentials).values() if getattr(one, "METHOD", None)}
    assert methods <= set(access.METHODS)


def test_a_profile_that_is_not_used_is_a_warning(
    subject_of: MakeSubject, files: "dict[str, Path]", monkeypatch: pytest.MonkeyPatch
) -> None:
    files["credentials"].write_text(keys("mine"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    found = access.check_credentials(subject_of())
    assert found.status is Status.WARNING
    assert "'mine'" in found.told
    assert "AWS_ACCESS_KEY_ID" in found.remedy


@pytest.mark.parametrize(
    ("left", "status", "told"), [(600, Status.WARNING, "expire in 10 minutes"), (-60, Status.PROBLEM, "1 minutes ago")]
)
def test_credentials_that_expire(
    left: float, status: Status, told: str, subject_of: MakeSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of(aws_access_key_id=ID, aws_secret_access_key=SECRET)
    connection = subject.connect()
    known = connection.credentials()
    assert known is not None
    monkeypatch.setattr(connection, "credentials", lambda: known._replace(expires=time.time() + left))
    found = access.check_credentials(subject)
    assert found.status is status
    assert told in found.told
    assert "aws sso login" in found.remedy


def test_sts_is_asked_for_aws_only(subject_of: MakeSubject) -> None:
    subject = subject_of(aws_access_key_id=ID, aws_secret_access_key=SECRET, endpoint_url="http://localhost:1")
    found = access.check_identity(subject)
    assert found.status is Status.SKIPPED
    assert "not AWS's own" in found.told


def test_sts_tells_who_it_is(moto: S3Server, subject_of: MakeSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.endpoint_url)
    subject = subject_of(aws_access_key_id=ID, aws_secret_access_key=SECRET, region_name="us-east-1")
    found = access.check_identity(subject)
    assert found.status is Status.OK
    assert "arn:aws:" in found.told


def test_sts_that_does_not_answer_is_no_problem(subject_of: MakeSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://sts.nowhere.invalid")
    subject = subject_of(aws_access_key_id=ID, aws_secret_access_key=SECRET, region_name="us-east-1")
    found = access.check_identity(subject)
    assert found.status is Status.SKIPPED
    assert found.told.startswith("STS did not tell: ")
