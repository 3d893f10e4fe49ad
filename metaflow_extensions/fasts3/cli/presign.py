"""``metaflow fasts3 presign``: prints URLs that work without credentials until they expire."""

from collections.abc import Iterator, Sequence
from typing import Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.presign import LONGEST, METHODS
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import Age, with_json, with_location, with_raw
from metaflow_extensions.fasts3.cli.output import json_line, print_lines
from metaflow_extensions.fasts3.cli.selection import (
    Selection,
    listed,
    location_from,
    refuse_directories,
    refuse_empty,
    select,
    url_of,
)


@click.command("presign", short_help="Print presigned URLs of objects.")
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@with_location
@click.option(
    "--expires-in",
    type=Age(unit="s"),
    default="1h",
    show_default=True,
    metavar="TIME",
    help="How long the URLs are valid: 600 (seconds), 30m, 12h, at most 7d.",
)
@click.option(
    "--method",
    type=click.Choice(list(METHODS), case_sensitive=False),
    default="GET",
    show_default=True,
    help="The request that the URLs allow.",
)
@with_json
@with_raw
@with_connection
@with_exit_status
def presign(
    urls: "tuple[str, ...]",
    run: Optional[str],
    root: Optional[str],
    expires_in: float,
    method: str,
    as_json: bool,
    raw: bool,
    connection: Connection,
) -> None:
    """Print presigned URLs, which work without credentials until they expire.

    Anyone who has such a URL can use it: treat it as a password. A URL that is signed with temporary credentials
    expires with them. A pattern selects all matching objects, in key order. For an object that is given by its key, the
    command sends no request, so it need not exist.

    \b
    Examples:
        metaflow fasts3 presign s3://bucket/data/table.csv
        metaflow fasts3 presign 's3://bucket/data/*.csv'
        metaflow fasts3 presign --expires-in 7d --run MyFlow/123 report.html
        curl -T a.csv "$(metaflow fasts3 presign --method PUT s3://bucket/a)"
    """
    refuse_empty(urls)
    if not 1 <= expires_in <= LONGEST:
        raise click.BadParameter("the URLs can be valid for one second to 7 days (7d).", param_hint="'--expires-in'")
    location = location_from(run, root)
    selections = [select(url, location, raw) for url in urls]
    # With --raw, a key may end in a slash: an object that stands for a directory.
    refuse_directories(one for one in selections if not (raw and one.key))
    if method.upper() == "PUT":
        _refuse_patterns(selections)
    with connection.open(progress=False) as s3:
        for objects in _objects(s3, selections):
            presigned = [(url, s3.presign(url, int(expires_in), method.upper())) for url in objects]
            print_lines(json_line(url=url, presigned_url=signed) if as_json else signed for url, signed in presigned)


def _refuse_patterns(selections: "Sequence[Selection]") -> None:
    pattern = next((one for one in selections if one.pattern), None)
    if pattern is not None:
        raise click.UsageError(
            f"{pattern.url} is a pattern; --method PUT needs the key of the object to store. Add --raw if the key has "
            "these characters."
        )


def _objects(s3: S3, selections: "Sequence[Selection]") -> "Iterator[list[str]]":
    """Yield the URLs of the selected objects, in order."""
    for selection in selections:
        if selection.pattern is None:
            yield [url_of(selection.bucket, selection.key)]
            continue
        found = False
        with listed(s3, selection) as pages:
            for page in pages:
                found = True
                yield [one.url for one in page]
        if not found:
            raise click.ClickException(selection.nothing())
