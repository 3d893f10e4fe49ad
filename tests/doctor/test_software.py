from typing import Optional

import metaflow.metaflow_config as configuration
import pytest

from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.doctor import software
from metaflow_extensions.fasts3.doctor.findings import Status


def other(module: str) -> type:
    return type("S3", (), {"__module__": module})


def test_the_class_is_ours_in_all_places() -> None:
    assert software.check_class().status is Status.OK


def test_another_extension_is_named() -> None:
    found = software.class_finding({"metaflow": other("metaflow_extensions.company.s3")}, S3)
    assert found.status is Status.PROBLEM
    assert "'company'" in found.message
    assert "metaflow_extensions.company.s3" in found.remedy


def test_metaflows_own_class_where_this_package_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "version_of", lambda _: None)
    found = software.class_finding({"metaflow": other("metaflow.plugins.datatools.s3.s3")}, S3)
    assert "not installed" in found.message
    assert "pip install" in found.remedy


def test_metaflows_own_class_where_this_package_is_installed() -> None:
    found = software.class_finding({"metaflow": other("metaflow.plugins.datatools.s3.s3")}, S3)
    assert found.status is Status.PROBLEM
    assert "metaflow.plugins.datatools.s3.s3" in found.message


def test_no_class_at_all() -> None:
    assert software.class_finding({"metaflow": None}, S3).status is Status.PROBLEM


def test_versions_are_reported() -> None:
    shown = {fact.name: fact.value for fact in software.facts()}
    assert {"python", "metaflow", "metaflow_fasts3", "boto3", "botocore"} <= set(shown)
    assert "not installed" not in shown.values()
    assert any(str(one).startswith("metaflow-fasts3") for one in software.extensions())


@pytest.mark.parametrize("name", ["root", None])
def test_no_user_for_runs(name: Optional[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "USER", name)
    for variable in ("SUDO_USER", "USERNAME", "USER"):
        monkeypatch.delenv(variable, raising=False)
    found = software.check_user()
    assert found.status is Status.PROBLEM
    assert "export METAFLOW_USER=" in found.remedy
    monkeypatch.setenv("USER", "ann\n")
    found = software.check_user()
    assert found.status is Status.OK
    assert found.message == "Metaflow's user name is ann\\n."
