"""``metaflow fasts3 info``: what S3 says of objects."""

# mypy: disallow-untyped-decorators=False

from typing import Optional

from metaflow._vendor import click

from .exit_status import with_exit_status
from .options import with_json, with_place, with_raw


@click.command("info", short_help="Show size, type, ETag, time and metadata of objects.")
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@with_place
@with_json
@with_raw
@with_exit_status
def info(urls: "tuple[str, ...]", run: Optional[str], root: Optional[str], as_json: bool, raw: bool) -> None:
    """Show what S3 says of objects: size, type, ETag, time of the last change, encryption and metadata.

    It asks for headers only. What is missing is named at the end, and the exit status is 1.

    \b
    Examples:
        metaflow fasts3 info s3://bucket/data/table.parquet
        metaflow fasts3 info --run MyFlow/123 model.bin table.parquet
        metaflow fasts3 info --json 's3://bucket/data/*.csv'
    """  # noqa: D301
    from . import facts
    from .targets import place_of, refuse_empty, target_of

    refuse_empty(urls)
    place = place_of(run, root)
    missing = facts.print_facts([target_of(url, place, raw) for url in urls], as_json)
    if missing:
        raise click.ClickException(" ".join(missing))
