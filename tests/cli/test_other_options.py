"""Tests of the answers to options that a command does not have."""

import pytest

from metaflow_extensions.fasts3.cli import main
from metaflow_extensions.fasts3.cli.main import COMMANDS
from metaflow_extensions.fasts3.cli.other_options import _EQUIVALENTS


def options_of(command):
    parameters = main.fasts3.get_command(None, command).params
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
