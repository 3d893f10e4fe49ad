"""``metaflow fasts3 info``: prints the properties of objects."""

import json
from collections.abc import Iterator
from typing import Any, Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.arguments import USER_ATTRIBUTES
from metaflow_extensions.fasts3.api.location import as_directory, split_object_url
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import with_json, with_location, with_raw
from metaflow_extensions.fasts3.cli.output import format_name, format_size, format_time, json_line, print_lines
from metaflow_extensions.fasts3.cli.selection import (
    Selection,
    is_directory,
    location_from,
    pages_of,
    refuse_empty,
    select,
    url_of,
)
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo

FEW = 4  # objects up to which the call uses no workers


@click.command("info", short_help="Show size, type, ETag, time and metadata of objects.")
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@with_location
@with_json
@with_raw
@with_exit_status
def info(urls: "tuple[str, ...]", run: Optional[str], root: Optional[str], as_json: bool, raw: bool) -> None:
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
    missing: list[str] = []  # sentences
    with S3(progress=False) as s3:
        for objects, nothing in _objects(s3, [select(url, location, raw) for url in urls]):
            if nothing:
                missing.append(nothing)
                continue
            # Not info_many: S3Object.metadata is None for an object of another program.
            infos = s3._infos(objects, Place.HERE if len(objects) <= FEW else Place.WORKERS, return_missing=True)
            found = [(url_of(*one), info) for one, info in zip(objects, infos) if info]
            missing += _missing(s3, [one for one, info in zip(objects, infos) if not info])
            print_lines(json_line(url=url, **_fields(info)) if as_json else _text(url, info) for url, info in found)
    if missing:
        raise click.ClickException(" ".join(missing))


def _objects(s3: S3, selections: "list[Selection]") -> "Iterator[tuple[list[tuple[str, str]], str]]":
    """Yield batches of objects, as bucket and key, or the message for a pattern without a match."""
    exact = [split_object_url(url_of(one.bucket, one.key)) for one in selections if not one.pattern]
    if exact:
        yield exact, ""
    for selection in selections:
        if selection.pattern:
            found = False
            with pages_of(s3, selection) as pages:
                for entries in pages:
                    found = True
                    yield [(selection.bucket, entry.key) for entry in entries], ""
            if not found:
                yield [], selection.nothing()


def _missing(s3: S3, objects: "list[tuple[str, str]]") -> "Iterator[str]":
    """A sentence for each missing object; if they are few, it says which are directories."""
    for bucket, key in objects:
        url = format_name(url_of(bucket, key))
        if len(objects) <= FEW and is_directory(s3, bucket, key):
            hint = f"see `metaflow fasts3 ls {as_directory(url)}`"
            yield f"There is no object {url}, but a directory of that name: {hint}."
        else:
            yield f"There is no object {url}."


def _fields(info: ObjectInfo) -> "dict[str, Any]":
    """The fields by name; None for those that S3 does not return."""
    return {
        "size": info.size,
        "type": info.content_type,
        "etag": info.etag or None,
        "modified": format_time(info.last_modified),
        "encryption": info.encryption,
        "metadata": _metadata(info.metadata),
    }


def _metadata(stored: "dict[str, str]") -> "dict[str, Any]":
    """All metadata of an object; that of `S3.put` is decoded."""
    metadata: dict[str, Any] = {name: value for name, value in stored.items() if name != USER_ATTRIBUTES}
    try:
        ours = json.loads(stored.get(USER_ATTRIBUTES, "null"))
    except (ValueError, RecursionError):
        ours = stored[USER_ATTRIBUTES]  # another program has stored it
    if isinstance(ours, dict):
        metadata.update(ours)
    elif ours is not None:
        metadata[USER_ATTRIBUTES] = ours
    return metadata


def _text(url: str, info: ObjectInfo) -> str:
    fields = _fields(info)
    if info.size is not None and info.size >= 1024:
        fields["size"] = f"{info.size} ({format_size(info.size, human=True)})"
    fields["metadata"] = json.dumps(fields["metadata"]) if fields["metadata"] else None
    lines = [f"  {name:<12}{format_name(str(value))}" for name, value in fields.items() if value is not None]
    return "\n".join([format_name(url), *lines])
