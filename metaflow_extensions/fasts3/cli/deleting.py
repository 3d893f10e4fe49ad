"""What ``metaflow fasts3 rm`` does: list, ask, and delete, some thousands at a time."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

from metaflow._vendor import click
from metaflow.exception import MetaflowException

from ..api.errors import MetaflowS3AccessDenied, shown
from ..api.formatting import counted
from ..api.s3 import S3
from ..pool.split_listing import Entry
from .client import PAGES_AHEAD, client, found_ahead
from .output import LONGEST, json_line, name_shown, print_lines, remark
from .targets import Target, url_of


class Request(NamedTuple):
    """What is to be deleted."""

    targets: "list[Target]"
    recursive: bool
    dry_run: bool
    asks: bool  # before several go
    missing_ok: bool  # a key that was named may be missing
    as_json: bool
    told: bool  # a terminal hears of it
    hint: str = ""  # why keys that were named are asked about, too


class Left(NamedTuple):
    """How many objects were not deleted."""

    failed: int
    missing: int  # named by their keys, and not there


def delete(request: Request) -> Left:
    """Delete, or with `dry_run` only print."""
    count = failed = missing = 0
    is_exact = True
    try:
        with client(progress=None if request.told else False) as s3:
            for urls, absent in _batches(s3, request):
                missing += len(absent)
                for url in absent:
                    remark(f"There is no object {url}.")
                if request.dry_run:
                    print_lines(json_line(url=url) if request.as_json else name_shown(url) for url in urls)
                    continue
                is_exact = False
                left = _deleted(s3, urls)
                is_exact = True
                failed += len(left)
                count += len(urls) - len(left)
                if request.as_json:
                    print_lines(json_line(url=url, deleted=False) for url in absent)
                    print_lines(json_line(url=url, deleted=url not in left) for url in urls)
    finally:  # also where an error or Ctrl-C ends it: some objects are gone
        if not request.dry_run:
            more = "; keys that were not there count as well (--missing-ok)" if request.missing_ok else ""
            remark(f"Deleted {'' if is_exact else 'at least '}{counted(count, 'object')}{more}.")
    return Left(failed, missing)


def _batches(s3: S3, request: Request) -> "Iterator[tuple[list[str], list[str]]]":
    """URLs to delete, and those of what is not there, some at a time.

    Whoever says no to a pattern or prefix has none of it deleted.
    """
    wide = [target for target in request.targets if target.pattern or request.recursive]
    exact = [target for target in request.targets if target not in wide]
    if exact:
        # Each once: the count is of objects.
        named = list(dict.fromkeys(url_of(one.bucket, one.key) for one in exact))
        asks = request.hint and request.asks and not request.dry_run
        if not asks or click.confirm(f"{request.hint} Delete {counted(len(named), 'object')}?", err=True):
            missing = set() if request.missing_ok else _missing(s3, named)
            yield [url for url in named if url not in missing], [url for url in named if url in missing]
    for target in wide:
        with found_ahead(s3, target) as pages:
            first = list(islice(pages, PAGES_AHEAD))
            if not first:
                raise click.ClickException(target.nothing())
            if request.asks and not request.dry_run and not _may(target, first):
                continue
            for page in chain(first, pages):
                entries = chain(page, *pages.ready())
                yield [url_of(target.bucket, entry.key) for entry in entries], []


def _missing(s3: S3, urls: "list[str]") -> "set[str]":
    """Those of some objects that are not there: S3 says of none whether it was, when it deletes it."""
    try:
        return {one.url for one in s3.info_many(urls, return_missing=True) if not one.exists}
    except MetaflowS3AccessDenied:
        return set()  # who may delete and not read is not told; what else is refused, deleting tells


def _may(target: Target, first: "list[list[Entry]]") -> bool:
    """Ask whether all of a target may go, unless it is the one object that was named; its first pages are known."""
    count = sum(map(len, first))
    url, asked = url_of(target.bucket, first[0][0].key), shown(target.url, LONGEST)
    if count == 1:
        # The brackets of report[1].csv are a pattern, which fits another object.
        what = "that fits" if target.pattern else "below"
        question = f"Delete {shown(url, LONGEST)}, the only object {what} {asked}?"
        return url == target.url or bool(click.confirm(question, err=True))
    most = "" if len(first) < PAGES_AHEAD else "at least "
    what = "that fit" if target.pattern else "below"
    return bool(click.confirm(f"Delete {most}{counted(count, 'object')} {what} {asked}?", err=True))


def _deleted(s3: S3, urls: "list[str]") -> "set[str]":
    """Delete objects; those that are left, each named on stderr with the reason."""
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
            for url, why in refused.items():
                remark(f"{url}: {why}")
            left.update(refused)
            # Again without these: whether the others are gone the exception does not say, and twice does no harm.
            rest = [url for url in rest if url not in left]
    return left
