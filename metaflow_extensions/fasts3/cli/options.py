"""The options that several commands have."""

# mypy: disallow-untyped-decorators=False

from typing import Any, Callable

from metaflow._vendor import click

Decorator = Callable[[Any], Any]

_RUN = click.option(
    "--run",
    metavar="FLOW/ID",
    help="Work on the versioned data of a run, as S3(run=...) does, e.g. MyFlow/123. Keys are relative to it. The run "
    "is not looked up, so it may be of any namespace.",
)
_ROOT = click.option("--root", metavar="S3URL", help="Work below this place, s3://bucket/prefix. Keys are relative.")


def with_place(function: Any) -> Any:
    """Give a command the options `run` and `root`."""
    return _RUN(_ROOT(function))


with_raw: Decorator = click.option("--raw", is_flag=True, help="Take *, ? and [ as they are: no wildcards.")
with_json: Decorator = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
with_human: Decorator = click.option("--human", is_flag=True, help="Print sizes with units, e.g. 1.5 MiB.")
with_progress: Decorator = click.option(
    "--no-progress", is_flag=True, help="Say nothing on how far it is. [default: what it says on a terminal]"
)
