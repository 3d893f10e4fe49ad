"""``metaflow fasts3 ls``: lists objects as `aws s3 ls` does."""

from collections.abc import Iterable, Iterator
from typing import Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.location import SCHEME
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.boto.errors import failure_of
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import with_human, with_json, with_location, with_raw
from metaflow_extensions.fasts3.cli.output import format_name, format_size, json_line, print_lines
from metaflow_extensions.fasts3.cli.read_ahead import ReadAhead
from metaflow_extensions.fasts3.cli.selection import PAGES_AHEAD, Selection, location_from, pages_of, select_one, url_of
from metaflow_extensions.fasts3.plans.listings import Listing
from metaflow_extensions.fasts3.plans.split_listing import Entry
from metaflow_extensions.fasts3.workers.interruptible import interruptible

WIDTH = 12  # columns for sizes: up to a terabyte


@click.command("ls", short_help="List objects and directories.")
@click.argument("urls", metavar="[URL]", nargs=-1)
@with_location
@click.option("-r", "--recursive", is_flag=True, help="List all objects below the URL, at any depth.")
@with_human
@with_json
@with_raw
@with_exit_status
def ls(
    urls: "tuple[str, ...]",
    run: Optional[str],
    root: Optional[str],
    recursive: bool,
    human: bool,
    as_json: bool,
    raw: bool,
) -> None:
    """List objects, with their sizes in bytes, and directories, one level deep.

    The URL is a prefix: s3://bucket/da lists data/ and dates.csv, s3://bucket/data/ lists the contents of data. With
    --recursive, a prefix is a directory. With wildcards (*, ? and [...]; * also matches /), it lists
    all matching keys. Without a URL and a location, it lists the buckets.

    \b
    Examples:
        metaflow fasts3 ls s3://bucket/data/
        metaflow fasts3 ls --recursive --human s3://bucket/data/
        metaflow fasts3 ls 's3://bucket/data/*.csv'
        metaflow fasts3 ls --run MyFlow/123
    """
    location = location_from(run, root)
    if not urls and location.root is None:
        _print_buckets(as_json)
        return
    selection = select_one(urls, location, raw)
    flat = recursive or selection.pattern is not None
    found = False
    with S3(progress=False) as s3:
        if flat:
            pages = pages_of(s3, selection)
        else:
            pages = ReadAhead(s3._pages(Listing(selection.bucket, selection.key, "/")), PAGES_AHEAD)
        with pages:
            for entries in pages:
                found = found or bool(entries)
                print_lines(_lines(selection, entries, flat, human, as_json))
    if not found and (selection.text or selection.base):
        raise click.ClickException(selection.nothing() if flat else f"No objects or directories at {selection.url}.")


def _lines(selection: Selection, entries: "Iterable[Entry]", flat: bool, human: bool, as_json: bool) -> "Iterator[str]":
    start = len(selection.base) if flat else len(selection.folder)
    for key, size in entries:
        if as_json:
            name, url = key[len(selection.base) :], url_of(selection.bucket, key)
            yield json_line(url=url, key=name, size=size, directory=size is None)
        else:
            first = "PRE" if size is None else format_size(size, human)
            yield f"{first:>{WIDTH}} {format_name(key[start:])}"


def _print_buckets(as_json: bool) -> None:
    """Print the buckets of these credentials. `S3` has no such call, so its boto3 client makes it."""
    with S3(progress=False) as s3:
        s3._executor.client()
        try:
            # Not in the main thread, where botocore handles Ctrl-C as a network error.
            reply = interruptible(lambda _: s3._client.client.list_buckets())
        except Exception as error:
            raise s3._executor.exception_of("ListBuckets", SCHEME, failure_of(error)) from None
    urls = [f"{SCHEME}{bucket['Name']}/" for bucket in reply["Buckets"]]
    print_lines(json_line(url=url, key="", size=None, directory=True) if as_json else format_name(url) for url in urls)
