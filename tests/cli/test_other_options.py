"""Tests of the answers to options that a command does not have."""

import re

import pytest
from metaflow._vendor import click

from metaflow_extensions.fasts3.cli import main
from metaflow_extensions.fasts3.cli.main import COMMANDS
from metaflow_extensions.fasts3.cli.other_options import _EQUIVALENTS, _WHY


def options_of(command):
    found = main.fasts3.get_command(None, command)
    parameters = found.get_params(click.Context(found))
    return {option for parameter in parameters for option in parameter.opts if option.startswith("-")}


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["cp", "--only-show-errors", "a", "s3://bucket/a"], "no such option: --only-show-errors. Use --quiet."),
        (["rm", "-rf", "s3://bucket/a/"], "no such option: -f. Use --yes."),
        (["presign", "--expires=60", "s3://bucket/a"], "Use --expires-in."),
        (["put", "--expires", "0", "a", "s3://bucket/a"], "by extra_args."),
        (["ls", "--storage-class", "s3://bucket"], "Use --long."),
        (["sync", "--size-only", "a", "s3://bucket/a"], "sync compares contents"),
        (["sync", "--recursive", "a", "s3://bucket/a"], "always include all levels"),
        (["cp", "--acl", "public-read", "a", "s3://bucket/a"], "by extra_args."),
        (["cp", "--root", "s3://bucket", "a", "b"], "take full URLs only"),
        (["doctor", "--run", "Flow/1"], "Use --root."),
        (["cp", "-R", "a", "s3://bucket/a"], "Use --recursive."),
        (["cp", "-h"], "Use --help."),
        (["cp", "--hlp"], "Did you mean --help?"),
        (["ls", "--show-fullpath", "s3://bucket"], "Use --json."),
        (["cat", "--exclude", "b", "s3://bucket/*"], "du have --include and --exclude"),
        (["cat", "--progress", "s3://bucket/a"], "and rm show progress"),
        (["get", "--retries", "3", "s3://bucket/a", "a"], "The larger of METAFLOW_S3_RETRY_COUNT and"),
        (["cp", "--recursvie", "a", "s3://bucket/a"], "Did you mean --recursive?"),
        (["cp", "--recurs", "a", "s3://bucket/a"], "no such option: --recurs  Did you mean --recursive?"),
        (["cp", "--frobnicate", "a", "s3://bucket/a"], "no such option: --frobnicate\n"),
        (["--json", "ls"], "no such option: --json. Options follow the command: metaflow fasts3 ls --json\n"),
        (["--vers"], "no such option: --vers  Did you mean --version?\n"),
    ],
)
def test_the_answer_to_an_unknown_option(fasts3, arguments, hint):
    done = fasts3(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert hint in done.stderr


def test_the_equivalents_are_options_of_commands():
    assert set(_EQUIVALENTS) <= set().union(*map(options_of, COMMANDS))


@pytest.mark.parametrize(
    ("name", "is_meant"),
    [
        ("progress", lambda options: "--no-progress" in options),
        ("filter", lambda options: "--include" in options),
        ("run", lambda options: "--profile" in options and "--root" not in options),
    ],
)
def test_the_commands_that_a_reason_names(name, is_meant):
    named = set(re.findall(r"(?<!-)\b[a-z]+\b", _WHY[name])) & set(COMMANDS)
    assert named == {command for command in COMMANDS if is_meant(options_of(command))}
