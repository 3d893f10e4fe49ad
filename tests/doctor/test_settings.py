from pathlib import Path

import metaflow.metaflow_config as configuration
import metaflow.metaflow_config_funcs as sources
import pytest
from docs.test_settings_page import first_column

from metaflow_extensions.fasts3.doctor import settings
from metaflow_extensions.fasts3.doctor.settings import Setting


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


def test_the_file_of_a_project_overrides_that_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_the_variables_with_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "METAFLOW_S3_ENDPOINT_URL", "UNRELATED"):
        monkeypatch.setenv(name, "http://me:word@here")
    both = "environment variables AWS_ENDPOINT_URL_S3, METAFLOW_S3_ENDPOINT_URL"
    assert settings.variables_with("http://***@here") == both
    monkeypatch.setenv("METAFLOW_S3_ENDPOINT_URL", "http://there")
    assert settings.variables_with("http://***@here") == "environment variable AWS_ENDPOINT_URL_S3"
    assert settings.variables_with("http://nowhere") == settings.variables_with(None) == ""


def test_every_variable_in_the_documentation_is_shown() -> None:
    documented = {name for name in first_column("settings.md", "retries.md") if name.startswith("METAFLOW_")}
    assert {name[len("METAFLOW_") :] for name in documented} == set(settings.NAMES)
