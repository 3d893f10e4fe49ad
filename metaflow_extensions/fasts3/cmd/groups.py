"""The two groups that ``metaflow fasts3`` is made of: neither costs a start of Metaflow anything."""

import importlib
from collections.abc import Sequence
from typing import Any, Optional

from metaflow._vendor import click


class WithoutGreeting(click.Group):  # type: ignore[misc]  # metaflow's copy of click has no types
    """Holds the one command that Metaflow merges into its own.

    Metaflow greets on stdout before any command. What ours print is for other programs, an object's bytes for one, so
    when one of them is chosen, which happens before the greeting, there is none.
    """

    def get_command(self, ctx: Any, cmd_name: str) -> Optional[Any]:
        command = super().get_command(ctx, cmd_name)
        if command is not None and ctx.parent is None:
            ctx.invoke = _nothing  # of this context only, the one of `metaflow` itself
        return command


def _nothing(*_: object, **__: object) -> None:
    """Stand in for the greeting."""


class ImportedLate(click.Group):  # type: ignore[misc]
    """A group whose commands are imported when one of them is asked for.

    Parameters
    ----------
    names : sequence of str
        Of the commands, in the order of the help. `ls` is that of the module `ls_command`, beside this one.
    """

    def __init__(self, *args: Any, names: "Sequence[str]", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names = names

    def list_commands(self, ctx: Any) -> "list[str]":
        return [*self._names, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Optional[Any]:
        if cmd_name not in self._names:
            return super().get_command(ctx, cmd_name)
        return getattr(importlib.import_module(f".{cmd_name}_command", __package__), cmd_name)
