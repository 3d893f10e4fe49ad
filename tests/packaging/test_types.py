"""Type checkers on the installed wheel: no error in correct code, and one for each mistake."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "typed_example.py"
USES = Path(__file__).with_name("typed_uses.py")
FLOW = Path(__file__).with_name("typed_flow.py")


def told_by(command, folder):
    """What a checker printed; it may have found something, and must not have failed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy(python, file, folder):
    """The lines in which `mypy --strict` finds errors, each with what it says."""
    (folder / "mypy.ini").write_text("[mypy]\n", encoding="utf-8")  # and not this project's
    command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--python-executable", python, file]
    return {
        int(line): text
        for line, text in re.findall(rf"^{re.escape(file)}:(\d+): error: (.*)", told_by(command, folder), re.MULTILINE)
    }


def pyright(python, file, folder):
    """The same of pyright, in its strict mode."""
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}', encoding="utf-8")
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", python, file]
    report = json.loads(told_by(command, folder))
    assert report["summary"]["filesAnalyzed"] == 1
    return {
        found["range"]["start"]["line"] + 1: found["message"]
        for found in report["generalDiagnostics"]
        if found["severity"] == "error"
    }


each_checker = pytest.mark.parametrize("check", [mypy, pyright], ids=["mypy", "pyright"])


@pytest.fixture
def folder(tmp_path):
    """Where somebody works who has the wheel, and not this repository."""
    for file in (EXAMPLE, USES, FLOW):
        shutil.copy(file, tmp_path)
    return tmp_path


def wrong_lines(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if "# wrong" in line}


@each_checker
def test_the_example_of_the_docs_has_no_errors(user, folder, check):
    assert check(user, EXAMPLE.name, folder) == {}


@each_checker
def test_right_uses_are_right_and_wrong_ones_are_errors(user, folder, check):
    assert set(check(user, USES.name, folder)) == wrong_lines(USES)


@each_checker
@pytest.mark.parametrize("file", [EXAMPLE, USES], ids=lambda file: file.name)
def test_metaflows_stubs_change_nothing_of_that(user_with_stubs, folder, check, file):
    assert set(check(user_with_stubs, file.name, folder)) == wrong_lines(file)


def test_with_metaflows_stubs_its_own_names_have_types_as_well(user_with_stubs, folder):
    assert set(mypy(user_with_stubs, FLOW.name, folder)) == wrong_lines(FLOW)


def test_the_typed_names_are_those_of_metaflow(user, folder):
    for first, second in (("metaflow", "typed"), ("typed", "metaflow")):
        modules = {"metaflow": "metaflow.plugins.datatools.s3.s3", "typed": "metaflow_extensions.fasts3.typed"}
        program = (
            f"import {modules[first]} as {first}, {modules[second]} as {second}\n"
            "print([name for name in typed.__all__ if getattr(typed, name) is not getattr(metaflow, name)])"
        )
        done = subprocess.run([user, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
        assert done.stdout == "[]\n", done.stderr
