"""``metaflow fasts3 cat``: writes objects to stdout, one after the other."""

import re
import sys
from collections.abc import Iterator
from itertools import chain, groupby
from typing import Any, NamedTuple, Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.arguments import S3GetObject
from metaflow_extensions.fasts3.api.errors import MetaflowS3NotFound
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.missing import no_object
from metaflow_extensions.fasts3.cli.options import with_location, with_raw
from metaflow_extensions.fasts3.cli.selection import (
    Selection,
    listed,
    location_from,
    refuse_directories,
    refuse_empty,
    select,
    url_of,
)
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

COPIED = 2**20  # bytes at a time, to stdout
RANGE = re.compile(r"(\d{0,19})-(\d{0,19})\Z", re.ASCII)


class Bytes(NamedTuple):
    """A range of an object, as `S3GetObject` takes it."""

    offset: Optional[int]
    length: Optional[int]  # negative: the last bytes


class ByteRange(click.ParamType):  # type: ignore[misc]  # metaflow's copy of click has no types
    """A range as in HTTP: 0-99, 100- or -100."""

    name = "range"

    def convert(self, value: Any, param: Any, ctx: Any) -> Bytes:
        found = RANGE.match(str(value))
        first, last = found.groups() if found else ("", "")
        if first and not last:
            return Bytes(int(first), None)
        if first and int(first) <= int(last):
            return Bytes(int(first), int(last) - int(first) + 1)
        if not first and last and int(last):
            return Bytes(None, -int(last))
        message = (
            f"{value!r} is not a range. Give 0-99 for the first 100 bytes, 100- for the others, -100 for the last."
        )
        raise click.BadParameter(message, ctx, param)


@click.command("cat", short_help="Write objects to stdout.")
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@with_location
@click.option(
    "--range",
    "byte_range",
    type=ByteRange(),
    metavar="FIRST-LAST",
    help="Write only these bytes of one object, counted from 0. FIRST- means up to the end, -N the last N bytes.",
)
@with_raw
@with_connection
@with_exit_status
def cat(
    urls: "tuple[str, ...]",
    run: Optional[str],
    root: Optional[str],
    byte_range: Optional[Bytes],
    raw: bool,
    connection: Connection,
) -> None:
    """Write the bytes of objects to stdout, one after the other.

    A pattern selects all matching objects, in key order. Large objects are written while they are downloaded, and small
    ones are downloaded ahead, so the command needs little memory and no disk space.

    \b
    Examples:
        metaflow fasts3 cat s3://bucket/data/table.csv | head
        metaflow fasts3 cat 's3://bucket/logs/2024-*.gz' | zcat
        metaflow fasts3 cat --range -1000 --run MyFlow/123 train.log
    """
    refuse_empty(urls)
    location = location_from(run, root)
    selections = [select(url, location, raw) for url in urls]
    refuse_directories(one for one in selections if not (raw and one.key))
    several = len(selections) > 1 or selections[0].pattern is not None
    if several and byte_range is not None:
        raise click.UsageError("--range needs the URL of one object.")
    with connection.open(progress=False) as s3:
        for block in _several(s3, selections) if several else _one(s3, selections[0], byte_range):
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()


def _one(s3: S3, selection: Selection, byte_range: Optional[Bytes]) -> "Iterator[bytes]":
    url = url_of(selection.bucket, selection.key)
    try:
        if byte_range is None:
            yield from _blocks(s3, url)
        else:
            found = s3.get(S3GetObject(url, *byte_range), return_info=False)
            with open(str(found.path), "rb") as file:
                yield from iter(lambda: file.read(COPIED), b"")
    except MetaflowS3NotFound as error:
        raise no_object(s3, selection, error, takes_prefixes=False) from error


def _several(s3: S3, selections: "list[Selection]") -> "Iterator[bytes]":
    for is_large, some in groupby(_objects(s3, selections), _is_large):
        if is_large:
            for one in some:
                yield from _blocks(s3, one.url)
        else:
            for found in s3.iter_many((one.url for one in some), return_info=False, in_memory=True):
                yield found.blob or b""


def _objects(s3: S3, selections: "list[Selection]") -> "Iterator[S3Object]":
    """The selected objects, in order. Missing ones raise before the first."""
    named = iter(s3.info_many([url_of(one.bucket, one.key) for one in selections if one.pattern is None]))
    for selection in selections:
        if selection.pattern is None:
            yield next(named)
            continue
        with listed(s3, selection) as pages:
            first = next(pages, None)
            if first is None:
                raise click.ClickException(selection.nothing())
            yield from chain(first, chain.from_iterable(pages))


def _is_large(one: S3Object) -> bool:
    """Whether parts of it are requested in parallel."""
    return one.size is None or one.size > PART_SIZE


def _blocks(s3: S3, url: str) -> "Iterator[bytes]":
    with s3.open(url) as file:
        yield from iter(lambda: file.read(COPIED), b"")
