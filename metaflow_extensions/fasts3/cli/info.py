"""``metaflow fasts3 info``: prints the properties of objects."""

import json
from collections.abc import Iterator
from typing import Any, Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.location import as_directory, split_object_url
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.missing import FEW
from metaflow_extensions.fasts3.cli.options import with_json, with_location, with_patterns, with_raw
from metaflow_extensions.fasts3.cli.output import format_name, format_size, format_time, json_line, print_lines
from metaflow_extensions.fasts3.cli.selection import (
    Selection,
    filtered,
    is_directory,
    listed,
    location_from,
    refuse_empty,
    select,
    url_of,
)


@click.command("info", short_help="Show size, type, ETag, time and metadata of objects.")
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@with_location
@with_patterns
@with_json
@with_raw
@with_connection
@with_exit_status
def info(
    urls: "tuple[str, ...]",
    run: Optional[str],
    root: Optional[str],
    include: "tuple[str, ...]",
    exclude: "tuple[str, ...]",
    as_json: bool,
    raw: bool,
    connection: Connection,
) -> None:
    """Show size, type, ETag, time of the last change, encryption and metadata of objects.

    The command requests headers only. It names missing objects at the end, and the exit status is then 1.

    \b
    Examples:
        metaflow fasts3 info s3://bucket/data/table.parquet
        metaflow fasts3 info --run MyFlow/123 model.bin table.parquet
        metaflow fasts3 info --json 's3://bucket/data/*.csv'
    """
    refuse_empty(urls)
    location = location_from(run, root)
    selections = [select(url, location, raw) for url in urls]
    selections = [filtered(one, include, exclude, one.pattern is not None) for one in selections]
    missing: list[str] = []  # sentences
    with connection.open(progress=False) as s3:
        for batch, nothing in _objects(s3, selections):
            if nothing:
                missing.append(nothing)
                continue
            objects = s3.info_many(batch, return_missing=True)
            missing += _missing(s3, [one.url for one in objects if not one.exists])
            found = [one for one in objects if one.exists]
            print_lines(json_line(url=one.url, **_fields(one)) if as_json else _text(one) for one in found)
    if missing:
        raise click.ClickException(" ".join(missing))


def _objects(s3: S3, selections: "list[Selection]") -> "Iterator[tuple[list[str], str]]":
    """Yield batches of URLs, or the message for a pattern without a match."""
    exact = [url_of(one.bucket, one.key) for one in selections if not one.pattern]
    for url in exact:
        split_object_url(url)
    if exact:
        yield exact, ""
    for selection in selections:
        if selection.pattern:
            found = False
            with listed(s3, selection) as pages:
                for page in pages:
                    found = True
                    yield [one.url for one in page], ""
            if not found:
                yield [], selection.nothing()


def _missing(s3: S3, urls: "list[str]") -> "Iterator[str]":
    """A sentence for each missing object; if they are few, it says which are directories."""
    for url in urls:
        name = format_name(url)
        if len(urls) <= FEW and is_directory(s3, *split_object_url(url)):
            hint = f"see `metaflow fasts3 ls {as_directory(name)}`"
            yield f"There is no object {name}, but a directory of that name: {hint}."
        else:
            yield f"There is no object {name}."


def _fields(one: S3Object) -> "dict[str, Any]":
    """The fields by name; None for those that S3 does not return."""
    return {
        "size": one.size,
        "type": one.content_type,
        "etag": one.etag,
        "modified": format_time(one.last_modified),
        "encryption": one.encryption,
        "metadata": one.all_metadata or {},
    }


def _text(one: S3Object) -> str:
    fields = _fields(one)
    if one.size is not None and one.size >= 1024:
        fields["size"] = f"{one.size} ({format_size(one.size, human=True)})"
    fields["metadata"] = json.dumps(fields["metadata"]) if fields["metadata"] else None
    lines = [f"  {name:<12}{format_name(str(value))}" for name, value in fields.items() if value is not None]
    return "\n".join([format_name(one.url), *lines])
