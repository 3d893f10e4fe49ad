"""Type checkers on the installed wheel: no error in correct code, and one for each mistake."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(900)]

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "typed_example.py"
USES = Path(__file__).with_name("typed_uses.py")
FLOW = Path(__file__).with_name("typed_flow.py")


def output_of(command, folder):
    """The output of a type checker, which may have found errors, but must not have crashed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy(python, folder, *files):
    """The file and the line of each error that `mypy --strict` finds."""
    (folder / "mypy.ini").write_text("[mypy]\n", encoding="utf-8")  # and not this project's
    command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--python-executable", python]
    output = output_of([*command, *(file.name for file in files)], folder)
    return {(name, int(line)) for name, line in re.findall(r"^(\w+\.py):(\d+): error: ", output, re.MULTILINE)}


def pyright(python, folder, *files):
    """The same of pyright, in its strict mode."""
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}', encoding="utf-8")
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", python]
    report = json.loads(output_of([*command, *(file.name for file in files)], folder))
    assert report["summary"]["filesAnalyzed"] == len(files)
    return {
        (Path(found["file"]).name, found["range"]["start"]["line"] + 1)
        for found in report["generalDiagnostics"]
        if found["severity"] == "error"
    }


# Both find the same; mypy, which has no cache here, takes twice as long.
each_checker = pytest.mark.parametrize(
    "check", [pytest.param(mypy, marks=pytest.mark.release), pyright], ids=["mypy", "pyright"]
)


@pytest.fixture
def folder(tmp_path):
    """The directory of a user who has the wheel, but not this repository."""
    for file in (EXAMPLE, USES, FLOW):
        shutil.copy(file, tmp_path)
    return tmp_path


def wrong_lines(*files):
    return {
        (file.name, number)
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if "# wrong" in line
    }


@each_checker
def test_right_uses_are_right_and_wrong_ones_are_errors(user, folder, check):
    """The example of the docs has right ones only."""
    assert wrong_lines(EXAMPLE) == set()
    assert check(user, folder, EXAMPLE, USES) == wrong_lines(USES)


@pytest.mark.release
@each_checker
def test_metaflows_stubs_change_nothing_of_that(user_with_stubs, folder, check):
    assert check(user_with_stubs, folder, EXAMPLE, USES) == wrong_lines(USES)


@pytest.mark.release
def test_with_metaflows_stubs_its_own_names_have_types_as_well(user_with_stubs, folder):
    assert mypy(user_with_stubs, folder, FLOW) == wrong_lines(FLOW)


def test_the_typed_names_are_those_of_metaflow(user, folder):
    for first, second in (("metaflow", "typed"), ("typed", "metaflow")):
        modules = {"metaflow": "metaflow.plugins.datatools.s3.s3", "typed": "metaflow_extensions.fasts3.typed"}
        program = (
            f"import {modules[first]} as {first}, {modules[second]} as {second}\n"
            "print([name for name in typed.__all__ if getattr(typed, name) is not getattr(metaflow, name)])"
        )
        done = subprocess.run([user, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
        assert done.stdout == "[]\n", done.stderr
