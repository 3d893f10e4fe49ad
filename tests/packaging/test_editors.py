"""Completion in editors for Metaflow's own names, with the stubs that Metaflow generates."""

import json
import subprocess
import sys

import jedi
import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300), pytest.mark.release]

IMPORTS = "from metaflow import S3\nfrom metaflow.datatools.s3 import MetaflowS3NotFound, S3GetObject, S3PutObject\n"
CODE = IMPORTS + "s3 = S3()\nfound = s3.get(S3GetObject('k'))\n"


@pytest.fixture
def complete(user_with_stubs, tmp_path):
    """The completions of jedi, which Jupyter uses, at the end of a program."""
    environment = jedi.create_environment(user_with_stubs, safe=False)
    project = jedi.Project(tmp_path, environment_path=user_with_stubs)

    def names(code):
        script = jedi.Script(code, path=tmp_path / "program.py", project=project, environment=environment)
        lines = code.splitlines()
        return script, (len(lines), len(lines[-1]))

    return names


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("s3.", {"get", "iter_many", "download", "delete_recursive", "stop_workers"}),
        ("found.", {"blob", "etag", "encryption"}),
        ("S3Put", {"S3PutObject"}),
    ],
)
def test_jedi_completes(complete, typed, offered):
    script, place = complete(CODE + typed)
    assert offered <= {one.name for one in script.complete(*place)}


def test_jedi_knows_the_names_of_the_module(complete):
    script, place = complete("from metaflow.datatools.s3 import ")
    expected = {"S3", "S3GetObject", "S3Object", "S3PutObject", "RangeInfo", "Progress", "MetaflowS3NotFound"}
    assert expected <= {one.name for one in script.complete(*place)}


def test_jedi_shows_arguments_and_docstrings(complete):
    script, place = complete(CODE + "S3(")
    (signature,) = script.get_signatures(*place)
    assert {"s3root", "anonymous", "extra_args", "progress"} <= {one.name for one in signature.params}
    script, (line, column) = complete(CODE + "s3.iter_many")
    (completion,) = script.infer(line, column - 1)
    assert "look_ahead" in completion.docstring()


def pyright(python, code, folder):
    """The messages of pyright, which Pylance uses, about a program."""
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "basic"}', encoding="utf-8")
    (folder / "program.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", python, "program.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [(one["severity"], one["message"]) for one in json.loads(done.stdout)["generalDiagnostics"]]


def test_pyright_finds_the_names(user_with_stubs, tmp_path):
    output = pyright(
        user_with_stubs, CODE + "reveal_type(found.etag)\nMetaflowS3NotFound, S3PutObject('k')\n", tmp_path
    )
    assert [message for severity, message in output if severity == "error"] == []
    assert ("information", 'Type of "found.etag" is "str | None"') in output


def test_pyright_sees_a_wrong_argument(user_with_stubs, tmp_path):
    output = pyright(user_with_stubs, CODE + "S3(anonymus=True)\ns3.download('a')\n", tmp_path)
    assert len([message for severity, message in output if severity == "error"]) == 2
