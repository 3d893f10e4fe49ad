import json
from pathlib import Path
from typing import Any

import botocore.session
import metaflow.metaflow_config as configuration
import metaflow.metaflow_config_funcs as sources
import pytest

from metaflow_extensions.fasts3.doctor import origins
from metaflow_extensions.fasts3.doctor.origins import Setting


def session() -> Any:
    return botocore.session.Session()


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that sets what Metaflow would have read from client_params."""

    def set_parameters(raw: "dict[str, Any]", **put_in: Any) -> None:
        monkeypatch.setenv("METAFLOW_DATATOOLS_CLIENT_PARAMS", json.dumps(raw))
        monkeypatch.setattr(configuration, "DATATOOLS_CLIENT_PARAMS", {**raw, **put_in})

    return set_parameters


# --- Metaflow


def test_nobody_has_set_it() -> None:
    assert origins.metaflow_setting("S3_RETRY_COUNT") == Setting(7, "default")


def test_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_DATATOOLS_S3ROOT", "s3://b/c")
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", "s3://b/c")
    expected = Setting("s3://b/c", "environment variable METAFLOW_DATATOOLS_S3ROOT")
    assert origins.metaflow_setting("DATATOOLS_S3ROOT") == expected


def test_the_file_that_the_profile_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METAFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("METAFLOW_PROFILE", "mine")
    monkeypatch.setattr(sources, "METAFLOW_CONFIG", {"METAFLOW_DATATOOLS_S3ROOT": "s3://b/c"})
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", "s3://b/c")
    found = origins.metaflow_setting("DATATOOLS_S3ROOT")
    assert found.origin == f"METAFLOW_DATATOOLS_S3ROOT in {tmp_path}/config_mine.json"


def test_the_file_of_a_project_comes_before_that_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "METAFLOW_LOCAL_CONFIG", {"METAFLOW_S3_RETRY_COUNT": 7})
    monkeypatch.setattr(sources, "METAFLOW_CONFIG", {"METAFLOW_S3_RETRY_COUNT": 8})
    assert origins.metaflow_setting("S3_RETRY_COUNT").origin.startswith("METAFLOW_S3_RETRY_COUNT in .metaflow")


def test_a_root_that_follows_from_the_datastores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_S3", "s3://b/c")
    monkeypatch.setattr(configuration, "DATASTORE_SYSROOT_S3", "s3://b/c")
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", "s3://b/c/data")
    found = origins.metaflow_setting("DATATOOLS_S3ROOT")
    assert found.origin == "below DATASTORE_SYSROOT_S3, environment variable METAFLOW_DATASTORE_SYSROOT_S3"


def test_an_extension_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_DATATOOLS_S3ROOT", "s3://b/c")
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", "s3://company/x")
    assert origins.metaflow_setting("DATATOOLS_S3ROOT") == Setting("s3://company/x", "a Metaflow extension")


# --- boto3


def test_a_region_in_the_environment(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    expected = Setting("eu-west-1", "environment variable AWS_DEFAULT_REGION")
    assert origins.region_setting(session()) == expected


@pytest.mark.parametrize("which", ["config", "credentials"])
def test_a_region_in_a_profile(which: str, files: "dict[str, Path]", monkeypatch: pytest.MonkeyPatch) -> None:
    heading = "[profile mine]" if which == "config" else "[mine]"
    files[which].write_text(f"{heading}\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    expected = Setting("eu-west-1", f"region of profile 'mine' in {files[which]}")
    assert origins.region_setting(session()) == expected
    assert origins.boto_setting(session(), "profile") == Setting("mine", "environment variable AWS_PROFILE")


def test_a_region_in_client_params(files: Any, configured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    configured({"region_name": "eu-west-2"})
    found = origins.region_setting(session())
    assert found == Setting("eu-west-2", "region_name in environment variable METAFLOW_DATATOOLS_CLIENT_PARAMS")


def test_no_region(files: Any) -> None:
    assert origins.region_setting(session()) == Setting(None, "default")


SERVICES = "[profile mine]\nservices = local\n[services local]\ns3 =\n  endpoint_url = http://service\n"


def test_endpoints_in_their_order(files: "dict[str, Path]", configured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    files["config"].write_text("[profile mine]\nendpoint_url = http://profile\n")
    found = [origins.endpoint_setting(session())]
    files["config"].write_text(SERVICES.replace("services = local", "services = local\nendpoint_url = http://profile"))
    found.append(origins.endpoint_setting(session()))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all")
    found.append(origins.endpoint_setting(session()))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3")
    found.append(origins.endpoint_setting(session()))
    configured({}, endpoint_url="http://metaflow")
    monkeypatch.setenv("METAFLOW_S3_ENDPOINT_URL", "http://metaflow")
    monkeypatch.setattr(configuration, "S3_ENDPOINT_URL", "http://metaflow")
    found.append(origins.endpoint_setting(session()))
    configured({"endpoint_url": "http://parameter"})
    found.append(origins.endpoint_setting(session()))
    config = files["config"]
    assert found == [
        Setting("http://profile", f"endpoint_url of profile 'mine' in {config}"),
        Setting("http://service", f"endpoint_url for s3 in services 'local' of services of profile 'mine' in {config}"),
        Setting("http://all", "environment variable AWS_ENDPOINT_URL"),
        Setting("http://s3", "environment variable AWS_ENDPOINT_URL_S3"),
        Setting("http://metaflow", "environment variable METAFLOW_S3_ENDPOINT_URL"),
        Setting("http://parameter", "endpoint_url in environment variable METAFLOW_DATATOOLS_CLIENT_PARAMS"),
    ]


def test_the_order_is_that_of_botocore(files: "dict[str, Path]", monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told is what a client really uses."""
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all")
    files["config"].write_text(SERVICES)
    for ignored in ("false", "true"):
        monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", ignored)
        client = session().create_client("s3", aws_access_key_id="a", aws_secret_access_key="b")
        told = origins.endpoint_setting(session())
        assert client.meta.endpoint_url == (told.value or "https://s3.amazonaws.com")
        client.close()


def test_certificates_in_their_order(
    files: "dict[str, Path]", configured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [origins.verify_setting(session())]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/requests")
    found.append(origins.verify_setting(session()))
    files["config"].write_text("[default]\nca_bundle = /profile\n")
    found.append(origins.verify_setting(session()))
    monkeypatch.setenv("AWS_CA_BUNDLE", "/aws")
    found.append(origins.verify_setting(session()))
    configured({"verify": False})
    found.append(origins.verify_setting(session()))
    configured({}, verify="/metaflow")
    monkeypatch.setenv("METAFLOW_S3_VERIFY_CERTIFICATE", "/metaflow")
    monkeypatch.setattr(configuration, "S3_VERIFY_CERTIFICATE", "/metaflow")
    found.append(origins.verify_setting(session()))
    assert found == [
        Setting(None, "default"),
        Setting("/requests", "environment variable REQUESTS_CA_BUNDLE"),
        Setting("/profile", f"ca_bundle of profile 'default' in {files['config']}"),
        Setting("/aws", "environment variable AWS_CA_BUNDLE"),
        Setting(False, "verify in environment variable METAFLOW_DATATOOLS_CLIENT_PARAMS"),
        Setting("/metaflow", "environment variable METAFLOW_S3_VERIFY_CERTIFICATE"),
    ]


def test_the_addressing_style_in_its_order(files: "dict[str, Path]", configured: Any) -> None:
    found = [origins.addressing_setting(session())]
    files["config"].write_text("[default]\ns3 =\n  addressing_style = path\n")
    found.append(origins.addressing_setting(session()))
    configured({"config": {"s3": {"addressing_style": "virtual"}}})
    found.append(origins.addressing_setting(session()))
    assert found == [
        Setting(None, "default"),
        Setting("path", f"s3.addressing_style of profile 'default' in {files['config']}"),
        Setting("virtual", "config.s3 in environment variable METAFLOW_DATATOOLS_CLIENT_PARAMS"),
    ]


def test_the_variable_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert origins.proxy_variable("https") is None
    monkeypatch.setenv("HTTP_PROXY", "http://proxy")
    assert origins.proxy_variable("https") is None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    assert origins.proxy_variable("https") == "HTTPS_PROXY"
