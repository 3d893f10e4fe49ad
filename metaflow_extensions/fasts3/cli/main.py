"""``metaflow fasts3``: what this package offers on the command line. Thin: the work is done elsewhere.

Metaflow imports this file at every start, so each command is in a file of its own, imported when it is asked for.
"""

# mypy: disallow-untyped-decorators=False
# (Metaflow's own copy of click has no types.)

from typing import Any

from metaflow._vendor import click

from .groups import ImportedLate, WithoutGreeting

# In the order of the help. Each is in a module of its own: `ls` in ls_command.py.
COMMANDS = ("ls", "info", "get", "put", "rm", "uploads", "du", "bench", "doctor", "serve")


# What other programs call theirs, and which of ours does it.
MEANT = {
    "cp": "'get', which downloads, or 'put', which uploads",
    "sync": "'get', which downloads, or 'put', which uploads",
    "cat": "'get' with - for DEST, which writes to standard output",
    "delete": "'rm'",
    "stat": "'info'",
}


def _tell_version(ctx: Any, _: Any, wanted: bool) -> None:
    if wanted:
        from ..doctor.software import DISTRIBUTION, version_of

        click.echo(f"{DISTRIBUTION} {version_of(DISTRIBUTION) or 'is not installed'}")
        ctx.exit()


@click.group(cls=WithoutGreeting)
def cli() -> None:
    """Hold the one command that Metaflow merges into its own."""


@cli.group(cls=ImportedLate, names=COMMANDS, meant=MEANT, help="Tools around fast S3 access.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_version,
    help="Print the version of this package.",
)
def fasts3() -> None:
    """Hold the commands of this package."""
