"""``metaflow fasts3``: the group, and the list of its commands.

Metaflow imports this file at every start, so each command has its own module, which is imported when it is used.
"""

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

from metaflow._vendor import click

# In the order of the help text. The module of each has the same name.
COMMANDS = (
    "ls",
    "info",
    "cat",
    "get",
    "put",
    "cp",
    "mv",
    "sync",
    "rm",
    "presign",
    "mb",
    "uploads",
    "du",
    "bench",
    "doctor",
    "serve",
)

# Sentences about our equivalents of other programs' commands, whose names follow.
_EQUIVALENTS = {
    "'get' downloads objects, prefixes and patterns.": "download fetch pull",
    "'put' uploads files and directories; a SOURCE of - is stdin.": "upload push pipe rcat",
    "'cp' copies to S3, from S3 and within S3.": "copy copyto",
    "'sync' transfers new and changed files and objects, and with --delete makes a mirror.": "rsync mirror",
    "'mv' moves files and objects.": "move moveto rename",
    "'ls' lists objects and directories.": "list dir lsd lsf lsl",
    "'ls' with --recursive lists all levels; 'du' with --depth adds up directories.": "tree find",
    "'info' shows the properties of objects; 'cat' with --range 0-999 writes their first bytes.": "head stat",
    "'du' counts objects and their bytes.": "size count ncdu",
    "'rm' deletes objects.": "delete del remove purge rmdir deletefile",
    "'presign' prints URLs that work without credentials.": "sign share link signurl",
    "'mb' creates a bucket; directories need not be created.": "mkdir bucket make-bucket create-bucket",
    "'rm' with --recursive deletes everything below a prefix. No command deletes buckets; `aws s3 rb` does.": "rb",
    "'uploads' lists open multipart uploads, and aborts old ones.": "multipart cleanup abort",
}
PAYER = "--request-payer"
ALTERNATIVES = {name: sentence for sentence, names in _EQUIVALENTS.items() for name in names.split()}


OBJECTS_OF_A_COMMAND = 100_000  # new objects between two scans for unreachable ones; Python's default is 700


@contextmanager
def _rare_garbage_collection() -> "Iterator[None]":
    """Scan for unreachable objects less often: those of a command, a few for each file, remain until it ends."""
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS_OF_A_COMMAND, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def _sentences() -> "Iterator[None]":
    """Turn an error of writing help or the version into a sentence; those of commands are sentences already."""
    try:
        yield
    except OSError as error:
        from metaflow_extensions.fasts3.cli.exit_status import exception_of, exit_without_reader

        if isinstance(error, BrokenPipeError):
            exit_without_reader()
        raise exception_of(error) from error


def _without_payer(args: "list[str]") -> "list[str]":
    """Drop the only value of --request-payer in other programs, `requester`; here it would be a source or a key."""
    kept: list[str] = []
    for arg in args:
        if arg != "requester" or kept[-1:] != [PAYER] or "--" in kept:
            kept.append(PAYER if arg == f"{PAYER}=requester" else arg)
    return kept


class QuietGroup(click.Group):  # type: ignore[misc]  # metaflow's copy of click has no types
    """Holds the command that Metaflow merges into its own, and suppresses Metaflow's greeting for it.

    Metaflow prints the greeting to stdout before any command. The output of our commands is for other programs, for
    example an object's bytes.
    """

    def get_command(self, ctx: Any, cmd_name: str) -> Optional[Any]:
        command = super().get_command(ctx, cmd_name)
        if command is not None and ctx.parent is None:
            # Metaflow looks the command up first, then prints the greeting by `invoke` of this context.
            ctx.invoke = lambda *_, **__: None
        return command


class LazyGroup(click.Group):  # type: ignore[misc]
    """Imports each of the `COMMANDS` when it is used."""

    def list_commands(self, ctx: Any) -> "list[str]":
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Optional[Any]:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        return getattr(importlib.import_module(f".{cmd_name}", __package__), cmd_name)

    def parse_args(self, ctx: Any, args: "list[str]") -> Any:
        if None in (sys.stdin, sys.stdout, sys.stderr):
            from metaflow_extensions.fasts3.cli.closed_streams import replace_closed_streams

            replace_closed_streams()
        with _sentences():
            try:
                return super().parse_args(ctx, _without_payer(args))
            except click.NoSuchOption as error:
                if not error.possibilities:
                    is_help = error.option_name == "-h"
                    error.message += (
                        ". Use --help." if is_help else ". Options follow the command: metaflow fasts3 ls --json"
                    )
                raise

    def invoke(self, ctx: Any) -> Any:
        with _sentences(), _rare_garbage_collection():
            try:
                return super().invoke(ctx)
            except click.NoSuchOption as error:
                from metaflow_extensions.fasts3.cli.other_options import explain

                explain(error)
                raise

    def resolve_command(self, ctx: Any, args: "list[str]") -> Any:
        # Not while a shell completes a line: an error would be printed into it.
        if not (ctx.resilient_parsing or args[0] in self.list_commands(ctx) or args[0].startswith("-")):
            from difflib import get_close_matches  # only now: Metaflow imports this file at every start

            similar = get_close_matches(args[0], self.list_commands(ctx), 1)
            hint = ALTERNATIVES.get(args[0]) or next((f"Did you mean {name!r}?" for name in similar), None)
            if hint:
                ctx.fail(f"No such command {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)


def _print_version(ctx: Any, _: Any, wanted: bool) -> None:
    if wanted:
        from metaflow_extensions.fasts3.doctor.software import DISTRIBUTION, version_of

        click.echo(f"{DISTRIBUTION} {version_of(DISTRIBUTION) or 'is not installed'}")
        ctx.exit()


@click.group(cls=QuietGroup)
def cli() -> None:
    """Hold the one command that Metaflow merges into its own."""


@cli.group(cls=LazyGroup, help="Work with S3: list, copy and delete objects, and find problems.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version of this package.",
)
def fasts3() -> None:
    """Hold the commands of this package."""
