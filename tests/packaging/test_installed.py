"""The package as a wheel beside another extension, uninstalled, and in editable mode: which class S3 is."""

import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(900)]

OURS, OWN = "metaflow_extensions.fasts3.api.s3", "metaflow.plugins.datatools.s3.s3"
WAYS = {
    "before": OWN,
    "wheel": OURS,
    "uninstalled": OWN,
    "editable": OURS,
    "editable, in the repository": OURS,
}
each_way = pytest.mark.parametrize("way", WAYS)


@each_way
def test_s3_is_one_class_in_every_place(installed, way):
    found = installed["seen"][way]
    assert set(found["classes"].values()) == {WAYS[way]}
    assert len(found["classes"]) == 8
    assert found["one class"]


@each_way
def test_exceptions_are_one_class_each_in_every_place(installed, way):
    home = "metaflow_extensions.fasts3.api.errors" if WAYS[way] == OURS else OWN
    found = installed["seen"][way]["exceptions"]
    assert found == {name: [f"<class '{home}.{name}'>"] for name in found}
    assert len(found) == (11 if WAYS[way] == OURS else 7)


@each_way
def test_names_of_another_extension_are_still_there(installed, way):
    modules = installed["seen"][way]["neighbours"]
    assert len(modules) == 2
    assert all(module.startswith("metaflow_extensions.obcheckpoint.") for module in modules)


@each_way
def test_metaflows_modules_beside_the_replaced_one_are_still_there(installed, way):
    assert installed["seen"][way]["tools beside"] == [
        f"metaflow.plugins.datatools.s3.{n}" for n in ("s3tail", "s3util")
    ]


@pytest.mark.parametrize(
    ("way", "home"),
    [("wheel", "site-packages"), ("editable", "sources"), ("editable, in the repository", "sources")],
)
def test_the_code_is_loaded_from_where_it_was_installed(installed, way, home):
    files = installed["seen"][way]["files"]
    ours = [Path(file) for module, file in files.items() if module.startswith("metaflow_extensions.fasts3.")]
    assert ours
    assert all(file.is_relative_to(Path(installed[home], "metaflow_extensions", "fasts3")) for file in ours)


def test_uninstalled_nothing_of_it_is_left(installed):
    assert not [name for name in installed["seen"]["uninstalled"]["files"] if "fasts3" in name]


def test_the_wheel_has_every_module_and_no_other(installed):
    package = Path(installed["sources"], "metaflow_extensions")
    with zipfile.ZipFile(installed["wheel"]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    modules = {f"metaflow_extensions/{file.relative_to(package).as_posix()}" for file in package.rglob("*.py")}
    assert names == modules | {"metaflow_extensions/fasts3/py.typed"}
    # Metaflow forbids one at the top, and takes those of extension points for configuration files.
    packages = [name for name in names if name.endswith("/__init__.py")]
    assert packages == ["metaflow_extensions/fasts3/api/__init__.py"]
