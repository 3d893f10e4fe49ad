"""``metaflow fasts3 ls``: lists objects as `aws s3 ls` does."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.formatting import counted, readable
from metaflow_extensions.fasts3.api.location import SCHEME
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import with_human, with_json, with_location, with_patterns, with_raw
from metaflow_extensions.fasts3.cli.output import (
    format_name,
    format_size,
    format_time,
    json_line,
    message,
    name_format,
    print_lines,
)
from metaflow_extensions.fasts3.cli.selection import Selection, filtered, listed, location_from, select_one, url_of

# Columns; longer texts shift the rest of their line.
TIME = 20
SIZE = 12  # up to a terabyte
STORAGE_CLASS = 12
ETAG = 34  # with quotes


class Options(NamedTuple):
    """How objects are printed."""

    human: bool
    long: bool
    as_json: bool


@click.command("ls", short_help="List objects and directories.")
@click.argument("urls", metavar="[URL]", nargs=-1)
@with_location
@click.option("-r", "--recursive", is_flag=True, help="List all objects below the URL, at any depth.")
@click.option("-l", "--long", is_flag=True, help="Print storage classes and ETags, too.")
@with_human
@click.option("--summarize", is_flag=True, help="Print the number of objects and their bytes at the end, on stderr.")
@with_patterns
@with_json
@with_raw
@with_connection
@with_exit_status
def ls(
    urls: "tuple[str, ...]",
    run: Optional[str],
    root: Optional[str],
    recursive: bool,
    long: bool,
    human: bool,
    summarize: bool,
    include: "tuple[str, ...]",
    exclude: "tuple[str, ...]",
    as_json: bool,
    raw: bool,
    connection: Connection,
) -> None:
    """List objects, with their times (UTC) and sizes in bytes, and directories, one level deep.

    The URL is a prefix: s3://bucket/da lists data/ and dates.csv, s3://bucket/data/ lists the contents of data. With
    --recursive, a prefix is a directory. With wildcards (*, ? and [...]; * also matches /), the command lists all
    matching keys. Without a URL, --run and --root, it lists the buckets.

    \b
    Examples:
        metaflow fasts3 ls s3://bucket/data/
        metaflow fasts3 ls -rlh --summarize s3://bucket/data/
        metaflow fasts3 ls 's3://bucket/data/*.csv'
        metaflow fasts3 ls --run MyFlow/123
    """
    location = location_from(run, root)
    if not urls and location.root is None:
        if recursive or summarize or include or exclude:
            raise click.UsageError("Without a URL, ls lists buckets. For objects, give a URL, --run or --root.")
        _print_buckets(connection, as_json)
        return
    selection = filtered(select_one(urls, location, raw), include, exclude)
    flat = recursive or selection.pattern is not None
    options = Options(human, long, as_json)
    objects = directories = size = 0
    with connection.open(progress=False) as s3, listed(s3, selection, flat) as pages:
        for page in pages:
            print_lines(_lines(selection, page, flat, options))
            sizes = [one.size for one in page if one.size is not None]
            objects, directories, size = objects + len(sizes), directories + len(page) - len(sizes), size + sum(sizes)
    if not objects and not directories and not selection.is_all:
        raise click.ClickException(
            selection.nothing() if flat or selection.is_filtered else f"No objects or directories at {selection.url}."
        )
    if summarize:
        message(_total(objects, directories, size))


def _lines(selection: Selection, page: "Iterable[S3Object]", flat: bool, options: Options) -> "Iterator[str]":
    start = len(url_of(selection.bucket, selection.base if flat or options.as_json else selection.folder))
    format_one = name_format()
    for one in page:
        name, time = one.url[start:], format_time(one.last_modified)
        if options.as_json:
            yield json_line(
                url=one.url,
                key=name,
                size=one.size,
                directory=one.size is None,
                modified=time,
                etag=one.etag,
                storage_class=one.storage_class,
            )
            continue
        size = "PRE" if one.size is None else format_size(one.size, options.human)
        more = f"{one.storage_class or '':<{STORAGE_CLASS}} {one.etag or '':<{ETAG}} " if options.long else ""
        yield f"{time or '':<{TIME}} {size:>{SIZE}} {more}{format_one(name)}"


def _total(objects: int, directories: int, size: int) -> str:
    exactly = f" ({readable(size)})" if size >= 1024 else ""
    directory = "directory" if directories == 1 else "directories"
    more = f", and {directories:,} {directory}" if directories else ""
    return f"Total: {counted(objects, 'object')}, {counted(size, 'byte')}{exactly}{more}."


def _print_buckets(connection: Connection, as_json: bool) -> None:
    with connection.open(progress=False) as s3:
        urls = [f"{SCHEME}{bucket}/" for bucket in s3.list_buckets()]
    print_lines(json_line(url=url, key="", size=None, directory=True) if as_json else format_name(url) for url in urls)
