import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

import pytest
from boto.provider import Provider
from servers.s3_server import S3Server

from metaflow_extensions.fasts3.doctor import credentials
from metaflow_extensions.fasts3.doctor.context import Context
from metaflow_extensions.fasts3.doctor.findings import Status

ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "the-secret-key"
MakeContext = Callable[..., Context]


def facts(context: Context) -> "dict[str, tuple[Any, str]]":
    return {fact.name: (fact.value, fact.origin) for fact in credentials.facts(context, context.create_client())}


def keys(heading: str) -> str:
    return f"[{heading}]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"


def test_environment_variables(context_of: MakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the-token")
    shown = facts(context_of())
    assert shown["method"] == ("environment variables", "")
    assert shown["access_key_id"] == ("AKIA***MPLE", "environment variable AWS_ACCESS_KEY_ID")
    assert shown["profile"] == ("default", "")


@pytest.mark.parametrize("which", ["config", "credentials"])
def test_a_profile(
    which: str, context_of: MakeContext, files: "dict[str, Path]", monkeypatch: pytest.MonkeyPatch
) -> None:
    files[which].write_text(keys("profile mine" if which == "config" else "mine"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    shown = facts(context_of())
    assert shown["method"] == ("profile", "")
    assert shown["profile"] == ("mine", "environment variable AWS_PROFILE")


def test_parameters(context_of: MakeContext) -> None:
    shown = facts(context_of(aws_access_key_id=ID, aws_secret_access_key=SECRET))
    assert shown["method"][0] == "client_params (METAFLOW_DATATOOLS_CLIENT_PARAMS)"


def test_a_program_and_when_its_credentials_expire(
    context_of: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = context_of()
    provider = Provider(tmp_path, ID, SECRET, lifetime=3600)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(provider.config))
    shown = facts(context)
    assert shown["method"] == ("credential_process", "")
    assert sys.executable not in str(shown)  # what is in the command may be secret
    left = datetime.fromisoformat(shown["expires"][0]) - datetime.now(timezone.utc)
    assert 3500 < left.total_seconds() <= 3600
    assert credentials.check_credentials(context).status is Status.OK


def test_no_credentials(context_of: MakeContext) -> None:
    context = context_of()
    assert facts(context)["method"] == (None, "")
    found = credentials.check_credentials(context)
    assert found.status is Status.PROBLEM
    assert "`metaflow fasts3 serve`" in found.remedy


def test_unsigned_requests(context_of: MakeContext) -> None:
    from botocore import UNSIGNED
    from botocore.config import Config

    context = context_of(config=Config(signature_version=UNSIGNED))
    assert facts(context)["method"][0] == "none: requests are not signed"
    assert credentials.check_credentials(context).status is Status.OK
    assert credentials.check_identity(context).status is Status.SKIPPED


def test_every_method_of_botocore_has_a_word() -> None:
    import botocore.credentials

    methods = {one.METHOD for one in vars(botocore.credentials).values() if getattr(one, "METHOD", None)}
    assert methods <= set(credentials.METHODS)


def test_a_profile_that_is_not_used_is_a_warning(
    context_of: MakeContext, files: "dict[str, Path]", monkeypatch: pytest.MonkeyPatch
) -> None:
    files["credentials"].write_text(keys("mine"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    found = credentials.check_credentials(context_of())
    assert found.status is Status.WARNING
    assert "'mine'" in found.message
    assert "AWS_ACCESS_KEY_ID" in found.remedy


@pytest.mark.parametrize(
    ("left", "status", "message"),
    [(600, Status.WARNING, "expire in 10 minutes"), (-60, Status.PROBLEM, "1 minutes ago")],
)
def test_credentials_that_expire(
    left: float, status: Status, message: str, context_of: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = context_of(aws_access_key_id=ID, aws_secret_access_key=SECRET)
    client = context.create_client()
    known = client.credentials.current()
    assert known is not None
    monkeypatch.setattr(client.credentials, "current", lambda: known._replace(expires=time.time() + left))
    found = credentials.check_credentials(context)
    assert found.status is status
    assert message in found.message
    assert "aws sso login" in found.remedy


def test_sts_is_used_for_aws_only(context_of: MakeContext) -> None:
    context = context_of(aws_access_key_id=ID, aws_secret_access_key=SECRET, endpoint_url="http://localhost:1")
    found = credentials.check_identity(context)
    assert found.status is Status.SKIPPED
    assert "not AWS's own" in found.message


def test_sts_returns_the_identity(moto: S3Server, context_of: MakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.endpoint_url)
    context = context_of(aws_access_key_id=ID, aws_secret_access_key=SECRET, region_name="us-east-1")
    found = credentials.check_identity(context)
    assert found.status is Status.OK
    assert "arn:aws:" in found.message


def test_an_unreachable_sts_is_no_problem(context_of: MakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://sts.nowhere.invalid")
    context = context_of(aws_access_key_id=ID, aws_secret_access_key=SECRET, region_name="us-east-1")
    found = credentials.check_identity(context)
    assert found.status is Status.SKIPPED
    assert found.message.startswith("STS did not return the identity: ")
