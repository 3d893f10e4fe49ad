"""``metaflow fasts3``: what this package offers on the command line. Thin: the work is done elsewhere.

Metaflow imports this file at every start, so each command is in a file of its own, imported when it is asked for.
"""

# mypy: disallow-untyped-decorators=False
# (Metaflow's own copy of click has no types.)

from metaflow._vendor import click

from .groups import ImportedLate, WithoutGreeting

# In the order of the help. Each is in a module of its own: `ls` in ls_command.py.
COMMANDS = ("ls", "info", "get", "put", "rm", "du", "bench", "doctor", "serve")


@click.group(cls=WithoutGreeting)
def cli() -> None:
    """Hold the one command that Metaflow merges into its own."""


@cli.group(cls=ImportedLate, names=COMMANDS, help="Tools around fast S3 access.")
def fasts3() -> None:
    """Hold the commands of this package."""
