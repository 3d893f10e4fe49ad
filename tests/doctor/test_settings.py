import json
from pathlib import Path
from typing import Any

import botocore.session
import metaflow.metaflow_config as configuration
import metaflow.metaflow_config_funcs as sources
import pytest

from metaflow_extensions.fasts3.doctor import settings
from metaflow_extensions.fasts3.doctor.settings import Setting


def session() -> Any:
    return botocore.session.Session()


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that sets what Metaflow would have read from client_params."""

    def set_parameters(raw: "dict[str, Any]", **put_in: Any) -> None:
        monkeypatch.setenv("METAFLOW_DATATOOLS_CLIENT_PARAMS", json.dumps(raw))
        monkeypatch.setattr(configuration, "DATATOOLS_CLIENT_PARAMS", {**raw, **put_in})

    return set_parameters


def test_a_setting_that_is_not_set() -> None:
    assert settings.metaflow_setting("S3_RETRY_COUNT") == Setting(7, "default")


def test_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_DATATOOLS_S3ROOT", "s3://b/c")
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", "s3://b/c")
    expected = Setting("s3://b/c", "environment variable METAFLOW_DATATOOLS_S3ROOT")
    assert settings.metaflow_setting("DATATOOLS_S3ROOT") == expected


def test_the_file_that_the_profile_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METAFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("METAFLOW_PROFILE", "mine")
    monkeypatch.setattr(sources, "METAFLOW_CONFIG", {"METAFLOW_DATATOOLS_S3ROOT": "s3://b/c"})
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", "s3://b/c")
    found = settings.metaflow_setting("DATATOOLS_S3ROOT")
    assert found.origin == f"METAFLOW_DATATOOLS_S3ROOT in {tmp_path}/config_mine.json"


def test_the_file_of_a_project_comes_before_that_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "METAFLOW_LOCAL_CONFIG", {"METAFLOW_S3_RETRY_COUNT": 7})
    monkeypatch.setattr(sources, "METAFLOW_CONFIG", {"METAFLOW_S3_RETRY_COUNT": 8})
    assert settings.metaflow_setting("S3_RETRY_COUNT").origin.startswith("METAFLOW_S3_RETRY_COUNT in .metaflow")


def test_a_root_that_follows_from_the_datastores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_S3", "s3://b/c")
    monkeypatch.setattr(configuration, "DATASTORE_SYSROOT_S3", "s3://b/c")
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", "s3://b/c/data")
    found = settings.metaflow_setting("DATATOOLS_S3ROOT")
    assert found.origin == "below DATASTORE_SYSROOT_S3, environment variable METAFLOW_DATASTORE_SYSROOT_S3"


def test_an_extension_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_DATATOOLS_S3ROOT", "s3://b/c")
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", "s3://company/x")
    assert settings.metaflow_setting("DATATOOLS_S3ROOT") == Setting("s3://company/x", "a Metaflow extension")


def client_values(files: Any) -> Any:
    """What boto3 makes of the settings."""
    client = session().create_client("s3", aws_access_key_id="a", aws_secret_access_key="b")
    try:
        return client.meta
    finally:
        client.close()


def test_regions_in_their_order(files: "dict[str, Path]", configured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.regions(session()) == []
    files["config"].write_text("[profile mine]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert settings.profile_setting(session()) == Setting("mine", "environment variable AWS_PROFILE")
    assert client_values(files).region_name == "eu-west-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert client_values(files).region_name == "eu-west-2"
    configured({"region_name": "eu-west-3"})
    assert settings.regions(session()) == [
        Setting("eu-west-3", "region_name in environment variable METAFLOW_DATATOOLS_CLIENT_PARAMS"),
        Setting("eu-west-2", "environment variable AWS_DEFAULT_REGION"),
        Setting("eu-west-1", "region of profile 'mine'"),
    ]


def test_endpoints_in_their_order(files: "dict[str, Path]", configured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    profile = "[profile mine]\nservices = local\nendpoint_url = http://profile\n"
    files["config"].write_text(f"{profile}[services local]\ns3 =\n  endpoint_url = http://service\n")
    assert client_values(files).endpoint_url == "http://service"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all")
    assert client_values(files).endpoint_url == "http://all"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3")
    assert client_values(files).endpoint_url == "http://s3"
    configured({}, endpoint_url="http://metaflow")
    monkeypatch.setenv("METAFLOW_S3_ENDPOINT_URL", "http://metaflow")
    monkeypatch.setattr(configuration, "S3_ENDPOINT_URL", "http://metaflow")
    assert settings.endpoints(session()) == [
        Setting("http://metaflow", "environment variable METAFLOW_S3_ENDPOINT_URL"),
        Setting("http://s3", "environment variable AWS_ENDPOINT_URL_S3"),
        Setting("http://all", "environment variable AWS_ENDPOINT_URL"),
        Setting("http://service", "endpoint_url for s3 in services 'local'"),
        Setting("http://profile", "endpoint_url of profile 'mine'"),
    ]
    configured({"endpoint_url": "http://parameter"})
    assert settings.endpoints(session())[0] == Setting(
        "http://parameter", "endpoint_url in environment variable METAFLOW_DATATOOLS_CLIENT_PARAMS"
    )


def test_certificates_in_their_order(
    files: "dict[str, Path]", configured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.certificates(session()) == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/requests")
    files["config"].write_text("[default]\nca_bundle = /profile\n")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/aws")
    configured({"verify": False})
    assert settings.certificates(session()) == [
        Setting(False, "verify in environment variable METAFLOW_DATATOOLS_CLIENT_PARAMS"),
        Setting("/aws", "environment variable AWS_CA_BUNDLE"),
        Setting("/profile", "ca_bundle of profile 'default'"),
        Setting("/requests", "environment variable REQUESTS_CA_BUNDLE"),
    ]


def test_addressing_styles_in_their_order(files: "dict[str, Path]", configured: Any) -> None:
    assert settings.addressing_styles(session()) == []
    files["config"].write_text("[default]\ns3 =\n  addressing_style = path\n")
    configured({"config": {"s3": {"addressing_style": "virtual"}}})
    assert settings.addressing_styles(session()) == [
        Setting("virtual", "config in environment variable METAFLOW_DATATOOLS_CLIENT_PARAMS"),
        Setting("path", "s3 of profile 'default'"),
    ]


@pytest.mark.parametrize(
    ("value", "origin"),
    [(None, "default"), ("first", "here"), ("second", "there"), ("third", "the client provider")],
)
def test_a_value_of_the_client_is_that_of_the_first_setting_with_it(value: Any, origin: str) -> None:
    configured = [Setting("first", "here"), Setting("second", "there"), Setting("first", "nowhere")]
    assert settings.origin_of(value, configured) == Setting(value, origin)


def test_the_variable_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.proxy_variable("https") is None
    monkeypatch.setenv("HTTP_PROXY", "http://proxy")
    assert settings.proxy_variable("https") is None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    assert settings.proxy_variable("https") == "HTTPS_PROXY"
