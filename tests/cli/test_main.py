"""``metaflow fasts3`` as a part of Metaflow's command line: it imports no command early, and prints no greeting."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from case import case
from metaflow._vendor import click
from metaflow._vendor.click._bashcomplete import do_complete

from metaflow_extensions.fasts3.cli import main
from metaflow_extensions.fasts3.cli.exit_status import BROKEN_PIPE
from metaflow_extensions.fasts3.cli.main import ALTERNATIVES, COMMANDS, LazyGroup

IMPORTED = """
import json, sys
from metaflow.cmd.main_cli import start
ours = tuple(f"metaflow_extensions.fasts3.{package}." for package in ("cli", "doctor"))
print(json.dumps([name for name in sys.modules if name.startswith((*ours, "boto"))]))
"""


def test_a_start_of_metaflow_imports_no_command_and_no_boto3():
    stdout = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True).stdout
    assert {name.rpartition(".")[2] for name in json.loads(stdout)} == {"main"}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_help_with_examples(fasts3, name):
    shown = fasts3(name, "--help")
    assert shown.exit_code == 0
    assert re.search(rf"^ *Examples?\b.*:\n(\s+.+\n)*?\s+metaflow fasts3 {name}", shown.stdout, re.MULTILINE)
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())


def test_the_help_lists_all_commands_in_order(fasts3):
    shown = fasts3("--help").stdout.partition("Commands:\n")[2]
    assert [line.split()[0] for line in shown.splitlines()] == list(COMMANDS)


def test_the_page_of_the_command_line_lists_them_in_this_order():
    page = (Path(__file__).resolve().parents[2] / "docs" / "command_line.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[`(\w+)`\]", page, re.MULTILINE) == list(COMMANDS)


def test_another_command_is_registered_by_a_line():
    group = LazyGroup("group")
    group.add_command(click.Command("other"))
    assert group.list_commands(None) == [*COMMANDS, "other"]
    assert group.get_command(None, "other").name == "other"
    assert group.get_command(None, "none") is None


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_called_what_it_is_listed_as(name):
    assert main.fasts3.get_command(None, name).name == name


def test_metaflow_greets_only_where_the_command_is_another(start, program):
    ours, _ = start("--version").communicate()
    assert ours.startswith(b"metaflow-fasts3 ")
    theirs = subprocess.run([program, "help"], capture_output=True, check=True).stdout
    assert theirs.startswith(b"Metaflow (")


@pytest.mark.parametrize(
    ("typed", "meant"), [("lss", "'ls'"), ("doktor", "'doctor'"), ("frobnicate", None), ("--lss", None)]
)
def test_a_command_that_is_mistyped_is_guessed(fasts3, typed, meant):
    done = fasts3(typed)
    assert done.exit_code == 2
    assert ("Did you mean" in done.stderr) is bool(meant)
    assert not meant or f"Did you mean {meant}?" in done.stderr


@pytest.mark.parametrize("typed", ALTERNATIVES)
def test_commands_of_other_programs_suggest_ours(fasts3, typed):
    done = fasts3(typed, "a", "b")
    assert done.exit_code == 2
    named = re.findall(r"'(\w+)'", done.stderr.partition(f"No such command {typed!r}. ")[2])
    assert named
    assert set(named) <= set(COMMANDS)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["ls", "--help"]])
def test_a_closed_pipe_ends_a_help_text_without_a_message(start, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    process = start(*arguments, stdout=writer)
    os.close(writer)
    assert (process.wait(), process.stderr.read()) == (BROKEN_PIPE, b"")


def test_the_version_is_printed(fasts3):
    assert fasts3("--version").stdout == f"metaflow-fasts3 {version('metaflow-fasts3')}\n"


ASKED = [
    "download",
    "upload",
    "copy",
    "head",
    "tree",
    "remove",
    "delete",
    "move",
    "rename",
    "stat",
    "mirror",
    "rsync",
    "rb",
]


def test_the_names_that_other_programs_use_are_known():
    assert set(ASKED) <= ALTERNATIVES.keys()
    assert ALTERNATIVES.keys().isdisjoint(COMMANDS)


# The test of the completions runs bash's.
@pytest.mark.parametrize("shell", ["zsh", pytest.param("fish", marks=pytest.mark.release)])
def test_shells_get_a_script_for_completion(program, shell):
    environment = {**os.environ, "_METAFLOW_COMPLETE": f"source_{shell}"}
    script = subprocess.run([program], env=environment, capture_output=True, text=True, check=False).stdout
    assert f"_METAFLOW_COMPLETE=complete_{shell}" in script.replace('"', "")


COMPLETED = {
    "pre": ["presign"],
    "presign --meth": ["--method"],
    "presign --method P": ["PUT"],
    "ls --no-sign": ["--no-sign-request"],
    "copy ''": sorted(COMMANDS),
}
BY_BASH = ("pre", "presign --method P")  # each is a process that imports Metaflow
COMPLETE = """
eval "$(_METAFLOW_COMPLETE=source_bash metaflow)"
complete -o default -o nosort -F _metaflow_completion metaflow
for words in "$@"; do
  eval "COMP_WORDS=(metaflow fasts3 $words)"
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  _metaflow_completion metaflow
  echo "${COMPREPLY[*]}"
done
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_and_choices(program):
    environment = {**os.environ, "PATH": f"{os.path.dirname(program)}:{os.environ['PATH']}"}
    command = ["bash", "-c", COMPLETE, "bash", *BY_BASH]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert [line.split() for line in done.stdout.splitlines()] == [COMPLETED[words] for words in BY_BASH]


def test_commands_options_and_choices_are_completed(monkeypatch, capsys):
    """As Metaflow's command does it with the words of a shell."""
    for words, completed in COMPLETED.items():
        with case(words):
            typed = ["metaflow", "fasts3", *shlex.split(words)]
            monkeypatch.setenv("COMP_WORDS", " ".join(typed))
            monkeypatch.setenv("COMP_CWORD", str(len(typed) - 1))
            assert do_complete(main.cli, "metaflow", include_descriptions=False)
            assert capsys.readouterr().out.split() == completed
