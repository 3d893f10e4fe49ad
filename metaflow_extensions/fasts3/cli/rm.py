"""``metaflow fasts3 rm``: lists objects, asks for confirmation, and deletes thousands at a time."""

import sys
from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple, Optional

from metaflow._vendor import click
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import MetaflowS3AccessDenied, shown
from metaflow_extensions.fasts3.api.formatting import counted
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.cli.connection import Connection, with_connection
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import (
    with_json,
    with_location,
    with_patterns,
    with_progress,
    with_quiet,
    with_raw,
)
from metaflow_extensions.fasts3.cli.output import LONGEST, format_name, json_line, message, print_lines, summary
from metaflow_extensions.fasts3.cli.selection import (
    PAGES_AHEAD,
    Emptied,
    Selection,
    filtered,
    listed,
    location_from,
    refuse_empty,
    refuse_whole_bucket,
    select,
    unquoted_hint,
    url_of,
)


class Options(NamedTuple):
    """The options that deleting depends on."""

    recursive: bool
    dry_run: bool
    confirm: bool  # ask before several objects are deleted
    missing_ok: bool
    as_json: bool
    quiet: bool
    hint: str  # "", or why keys need the confirmation of patterns

    def selects_many(self, selection: Selection) -> bool:
        """Whether an argument selects a prefix or a pattern, not an object."""
        return selection.pattern is not None or self.recursive


@click.command("rm", short_help="Delete objects.")
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@with_location
@click.option("-r", "--recursive", is_flag=True, help="Delete everything below the URLs.")
@click.option("--dry-run", is_flag=True, help="Print the objects that would be deleted, and delete none.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--missing-ok", is_flag=True, help="Ignore keys that do not exist, and prefixes and patterns without objects."
)
@with_patterns
@with_json
@with_raw
@with_progress
@with_quiet
@with_connection
@with_exit_status
def rm(
    urls: "tuple[str, ...]",
    run: Optional[str],
    root: Optional[str],
    recursive: bool,
    dry_run: bool,
    yes: bool,
    missing_ok: bool,
    include: "tuple[str, ...]",
    exclude: "tuple[str, ...]",
    as_json: bool,
    raw: bool,
    no_progress: bool,
    quiet: bool,
    connection: Connection,
) -> None:
    """Delete objects by key, by pattern, or with --recursive everything below a prefix.

    The command asks for confirmation before it deletes by pattern or prefix; without a terminal, it needs --yes. It
    also asks if all keys are names of local files, which happens if a pattern is not quoted. On stderr, it prints
    missing keys (unless --missing-ok is given), objects that could not be deleted, and the number of deleted objects.
    The exit status is 1 if a key is missing or an object could not be deleted. It never deletes a whole bucket: name a
    prefix before any wildcard. --include and --exclude match the paths below a prefix.

    \b
    Examples:
        metaflow fasts3 rm s3://bucket/data/old.csv s3://bucket/data/older.csv
        metaflow fasts3 rm --dry-run 's3://bucket/tmp/*.parquet'
        metaflow fasts3 rm --recursive --yes --exclude '*.keep' s3://bucket/tmp/
    """
    refuse_empty(urls)
    location = location_from(run, root)
    hint = unquoted_hint(urls)
    options = Options(recursive, dry_run, not yes, missing_ok, as_json, quiet, hint)
    selections = []
    for selection in (select(url, location, raw) for url in urls):
        _refuse_directory(selection, recursive or raw)
        selections.append(filtered(selection, include, exclude, options.selects_many(selection)))
    if not (yes or dry_run or sys.stdin.isatty()) and (hint or any(map(options.selects_many, selections))):
        refusal = (
            "Deleting several objects needs a confirmation, but there is no terminal. Add --yes, or try --dry-run."
        )
        raise click.UsageError(f"{refusal} {hint}".rstrip())
    with connection.open(progress=False if no_progress or quiet else None) as s3:
        failed, missing, empty = _delete(s3, selections, options)
    errors = [f"{failed:,} of the objects could not be deleted."] if failed else []
    errors += [] if missing_ok else empty
    if missing:
        errors.append(f"{missing:,} of the keys {'does' if missing == 1 else 'do'} not exist.")
        errors.append("To delete everything below a directory, add --recursive.")
    if errors:
        raise click.ClickException(" ".join(errors))


def _refuse_directory(selection: Selection, is_meant: bool) -> None:
    refuse_whole_bucket(selection, "which is not deleted")
    if selection.is_directory and not is_meant:
        raise click.UsageError(
            f"{selection.url} is a directory. Add --recursive to delete everything below it, or --raw to delete the "
            "object of this name."
        )


def _delete(s3: S3, selections: "list[Selection]", options: Options) -> "tuple[int, int, list[str]]":
    """Delete, or with `dry_run` only print.

    Returns the numbers of failed deletions and of missing keys, and a sentence for each selection without objects.
    """
    count = failed = missing = 0
    is_exact = True
    empty: list[str] = []
    # Each key once, because objects are counted.
    named = list(dict.fromkeys(url_of(one.bucket, one.key) for one in selections if not options.selects_many(one)))
    wide = _outermost([one for one in selections if options.selects_many(one)])
    try:
        for urls, absent in _batches(s3, named, wide, options, empty):
            missing += len(absent)
            for url in absent:
                message(f"There is no object {url}.")
            if options.dry_run:
                print_lines(json_line(url=url) if options.as_json else format_name(url) for url in urls)
                count += len(urls)
                continue
            is_exact = False
            left = _delete_batch(s3, urls)
            is_exact = True
            failed += len(left)
            count += len(urls) - len(left)
            if options.as_json:
                print_lines(json_line(url=url, deleted=False) for url in absent)
                print_lines(json_line(url=url, deleted=url not in left) for url in urls)
    finally:  # also after an error or Ctrl-C, because some objects may be deleted
        more = "; keys that did not exist count as well (--missing-ok)" if options.missing_ok and named else ""
        done = "Would delete" if options.dry_run else "Deleted" if is_exact else "Deleted at least"
        summary(f"{done} {counted(count, 'object')}{more}.", options.quiet)
    return failed, missing, empty


def _outermost(selections: "list[Selection]") -> "list[Selection]":
    """Omit what is below another prefix: it is deleted, and counted, with the objects of that prefix."""
    distinct = {(one.bucket, one.prefix, one.pattern): one for one in selections}.values()
    prefixes = {(one.bucket, one.prefix) for one in distinct if one.pattern is None and not one.is_filtered}

    def is_below_another(one: Selection) -> bool:
        above = (one.prefix[: at + 1] for at, character in enumerate(one.prefix) if character == "/")
        return any((one.bucket, prefix) in prefixes for prefix in above if one.pattern or prefix != one.prefix)

    return [one for one in distinct if not is_below_another(one)]


def _batches(
    s3: S3, named: "list[str]", wide: "list[Selection]", options: Options, empty: "list[str]"
) -> "Iterator[tuple[list[str], list[str]]]":
    """Yield batches of URLs to delete and URLs of missing objects, except for selections that are not confirmed.

    `empty` gets a sentence for each selection without objects.
    """
    asks = options.confirm and not options.dry_run
    keys, emptied = set(named), Emptied(wide)
    question = f"{options.hint} Delete {counted(len(named), 'object')}?"
    if named and not (asks and options.hint and not click.confirm(question, err=True)):
        missing = set() if options.missing_ok else _missing(s3, named)
        there = [url for url in named if url not in missing]
        yield there, [url for url in named if url in missing]
        emptied.note(there)
    earlier: list[Selection] = []
    for selection in wide:
        with listed(s3, selection) as pages:
            first = list(islice(pages, PAGES_AHEAD))
            if not first and selection not in emptied:
                empty.append(selection.nothing())
            if not first or (asks and not _confirmed(selection, first)):
                continue
            for page in chain(first, pages):
                urls = [one.url for one in chain(page, *pages.ready())]
                if options.dry_run:  # otherwise those of earlier arguments no longer exist
                    urls = [url for url in urls if url not in keys and not any(one.selects(url) for one in earlier)]
                yield urls, []
                emptied.note(urls)
        earlier.append(selection)


def _missing(s3: S3, urls: "list[str]") -> "set[str]":
    """The URLs of missing objects, by HEAD requests: S3 deletes a missing object without an error."""
    try:
        return {one.url for one in s3.info_many(urls, return_missing=True) if not one.exists}
    except MetaflowS3AccessDenied:
        return set()  # the credentials may allow deleting, but not reading


def _confirmed(selection: Selection, first: "list[list[S3Object]]") -> bool:
    """Ask for confirmation, unless the selection is the one object with its key; `first` are its first pages."""
    count = sum(map(len, first))
    url, name = first[0][0].url, shown(selection.url, LONGEST)
    if count == 1:
        # report[1].csv is a pattern, which matches another object.
        what = "that matches" if selection.pattern else "below"
        question = f"Delete {shown(url, LONGEST)}, the only object {what} {name}?"
        return url == selection.url or bool(click.confirm(question, err=True))
    at_least = "" if len(first) < PAGES_AHEAD else "at least "
    what = "that match" if selection.pattern else "below"
    return bool(click.confirm(f"Delete {at_least}{counted(count, 'object')} {what} {name}?", err=True))


def _delete_batch(s3: S3, urls: "list[str]") -> "set[str]":
    """Delete objects; print failures on stderr, and return their URLs."""
    left: set[str] = set()
    rest = urls
    while rest:
        try:
            s3.delete_many(rest)
            break
        except MetaflowException as error:
            refused: dict[str, str] = {url: why for url, why in getattr(error, "failed", {}).items() if url not in left}
            if not refused:
                raise
            for url, reason in refused.items():
                message(f"{url}: {reason}")
            left.update(refused)
            if getattr(error, "result", None) is not None:
                break  # the others are deleted
            # Otherwise it is not known whether they are. Deleting twice is harmless.
            rest = [url for url in rest if url not in left]
    return left
