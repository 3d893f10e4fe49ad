"""The two groups that ``metaflow fasts3`` is made of: neither costs a start of Metaflow anything."""

import importlib
from collections.abc import Mapping, Sequence
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
    meant : mapping of str to str, optional
        What is no command's name, and the one to use instead, as the end of a question.
    """

    def __init__(
        self, *args: Any, names: "Sequence[str]", meant: "Optional[Mapping[str, str]]" = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._names = names
        self._meant = meant or {}

    def list_commands(self, ctx: Any) -> "list[str]":
        return [*self._names, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Optional[Any]:
        if cmd_name not in self._names:
            return super().get_command(ctx, cmd_name)
        return getattr(importlib.import_module(f".{cmd_name}_command", __package__), cmd_name)

    def resolve_command(self, ctx: Any, args: "list[str]") -> Any:
        if args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            from difflib import get_close_matches  # only now: Metaflow imports this file at every start

            alike = [repr(name) for name in get_close_matches(args[0], self.list_commands(ctx), 1)]
            meant = self._meant.get(args[0]) or next(iter(alike), None)
            if meant:
                ctx.fail(f"No such command {args[0]!r}. Did you mean {meant}?")
        return super().resolve_command(ctx, args)
