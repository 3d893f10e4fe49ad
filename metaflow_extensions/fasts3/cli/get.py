"""``metaflow fasts3 get``: downloads objects while they are listed."""

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import NamedTuple, Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api import local_paths
from metaflow_extensions.fasts3.api.errors import (
    MOST_URL,
    MetaflowS3AccessDenied,
    MetaflowS3NotFound,
    MetaflowS3URLException,
    shown,
)
from metaflow_extensions.fasts3.api.file_download import UNKNOWN, FileDownload, Wanted
from metaflow_extensions.fasts3.api.formatting import counted, duration
from metaflow_extensions.fasts3.api.location import SCHEME
from metaflow_extensions.fasts3.api.placement import FEW_PIECES
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import with_json, with_location, with_progress, with_raw
from metaflow_extensions.fasts3.cli.output import format_size, format_unchanged, json_line, print_lines, summary
from metaflow_extensions.fasts3.cli.selection import (
    Selection,
    is_directory,
    location_from,
    pages_of,
    refuse_empty,
    select,
    unquoted_hint,
    url_of,
)
from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.plans.listings import modified_of
from metaflow_extensions.fasts3.plans.split_listing import Entry
from metaflow_extensions.fasts3.workers import worker_pool

FEW = 4  # missing objects; of more, none is looked up as a directory
COPIED = 2**20  # bytes at a time, to stdout
HEAD_START = 0.25  # seconds for the listing before the first download: ten pages take less from a nearby server


class Options(NamedTuple):
    """How objects are downloaded."""

    destination: str
    recursive: bool
    overwrite: bool
    as_json: bool
    quiet: bool
    hint: str  # "", or a hint for missing objects

    def selects_many(self, selection: Selection) -> bool:
        """Whether it selects a prefix or a pattern, not an object."""
        return selection.pattern is not None or self.recursive or selection.is_directory


@click.command("get", short_help="Download objects.")
@click.argument("urls", metavar="URL...", nargs=-1)
@click.argument("destination", metavar="DEST", required=False)
@with_location
@click.option("-r", "--recursive", is_flag=True, help="Download everything below the URLs, as if they ended in /.")
@click.option("--no-overwrite", is_flag=True, help="Do not replace existing files.")
@with_json
@with_raw
@with_progress
@with_exit_status
def get(
    urls: "tuple[str, ...]",
    destination: Optional[str],
    run: Optional[str],
    root: Optional[str],
    recursive: bool,
    no_overwrite: bool,
    as_json: bool,
    raw: bool,
    no_progress: bool,
) -> None:
    """Download an object into a file or a directory, or to stdout (a DEST of -).

    A URL that ends in a slash, or has wildcards (*, ? and [...]; * also matches /), selects many objects. DEST is then
    a directory, which is created if it does not exist. File names are the parts of the keys after the prefix, or after
    the last slash before the first wildcard. A file gets its name when it is complete, and the time of its object. A
    file with the size and the time of its object is not downloaded again. Objects that S3 refuses, or that can't be
    files, such as dir/../../file, are skipped: the others are downloaded, the error names the skipped ones, and the
    exit status is 1.

    \b
    Examples:
        metaflow fasts3 get s3://bucket/data/table.parquet .
        metaflow fasts3 get s3://bucket/data/ data
        metaflow fasts3 get 's3://bucket/logs/2024-*/*.gz' logs
        metaflow fasts3 get --run MyFlow/123 model.bin - | sha256sum
    """
    if destination is None:
        raise click.UsageError("Give a URL to download, and DEST.")
    refuse_empty([*urls, destination])
    if not urls:
        # click assigns a single argument to the last parameter.
        raise click.UsageError("DEST is missing: a file, a directory (.), or - for standard output.")
    if destination.startswith(SCHEME):
        raise click.UsageError(
            f"DEST is {destination!r}, but this command downloads. To upload: metaflow fasts3 put SOURCE {destination}"
        )
    location = location_from(run, root)
    selections = [select(url, location, raw) for url in urls]
    options = Options(destination, recursive, not no_overwrite, as_json, no_progress, unquoted_hint(urls))
    if destination != "-":
        _to_files(selections, options)
    elif len(selections) > 1 or options.selects_many(selections[0]):
        raise click.UsageError("Only one object can go to stdout. Give the URL of one, or a directory for several.")
    else:
        _to_stdout(selections[0])


def _to_stdout(selection: Selection) -> None:
    with S3(progress=False) as s3:
        try:
            found = s3.get(url_of(selection.bucket, selection.key), return_info=False)
        except MetaflowS3NotFound as error:
            raise _no_object(s3, selection, error) from error
        with open(str(found.path), "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, COPIED)
        sys.stdout.buffer.flush()


def _no_object(s3: S3, selection: Selection, error: MetaflowS3NotFound) -> MetaflowS3NotFound:
    """The error for one missing object; the hint that it is a directory replaces all other advice."""
    if error.s3_code == "NoSuchBucket":
        return error
    return MetaflowS3NotFound(_slash_hint(s3, selection) or f"There is no object {shown(selection.url, MOST_URL)}.")


def _slash_hint(s3: S3, selection: Selection) -> str:
    """The hint for a directory given without its slash; "" for anything else."""
    if not is_directory(s3, selection.bucket, selection.key):
        return ""
    url = shown(selection.url, MOST_URL)
    return f"There is no object {url}, but a directory of that name. To download what is in it, add a slash: {url}/"


def _to_files(selections: "list[Selection]", options: Options) -> None:
    several = len(selections) > 1 or options.selects_many(selections[0])
    directory, name = _directory_and_name(options.destination, several)
    if len(selections) > FEW_PIECES or any(map(options.selects_many, selections)):
        worker_pool.shared.start(processors())  # while boto3 is imported
    existed = os.path.isdir(directory)
    with S3(progress=False if options.quiet else None) as s3:
        try:
            _Downloads(s3, selections, options, directory, name).run()
        finally:
            if not existed and os.path.isdir(directory) and not os.listdir(directory):
                os.rmdir(directory)


def _directory_and_name(destination: str, several: bool) -> "tuple[str, Optional[str]]":
    """The directory of the files; and the name of the file in it, if there is one file whose name was given."""
    if several or destination.endswith("/") or os.path.isdir(destination):
        if os.path.lexists(destination) and not os.path.isdir(destination):
            raise click.UsageError(f"{destination!r} is not a directory; several objects need a directory.")
        return destination, None
    folder, name = os.path.split(destination)
    return folder or ".", name


class _Downloads:
    """The downloads of one command.

    It does not use `S3.download`, which lists everything first, accepts prefixes only, and can't rename an object.
    """

    def __init__(
        self, s3: S3, selections: "list[Selection]", options: Options, directory: str, name: Optional[str]
    ) -> None:
        self._s3 = s3
        self._selections = selections
        self._options = options
        self._directory = directory
        self._name = name
        self._download = FileDownload(os.path.abspath(directory), s3._executor)
        # Hash of a local name -> hash of its URL: two objects may have the same name, through several URL arguments or
        # on a file system that ignores case.
        self._taken: dict[int, int] = {}
        self._objects = {one.url: one for one in selections if not options.selects_many(one)}

    def run(self) -> None:
        """Download all objects that can be files; raise one exception for the others."""
        began = time.monotonic()
        count = size = unchanged = 0
        for batch in self._batches():
            files = self._fetch(batch)
            new = [one.size for one, is_new in files if is_new]
            count, size, unchanged = count + len(new), size + sum(new), unchanged + len(files) - len(new)
            if self._options.as_json:
                print_lines(
                    json_line(url=one.url, path=os.path.join(self._directory, one.name), size=one.size)
                    for one, _ in files
                )
        if not self._options.quiet:
            done = counted(count, "object")
            if count:
                done += f", {format_size(size, human=True)}, in {duration(time.monotonic() - began)}"
            summary(f"Downloaded {done}{format_unchanged(unchanged)}.")
        self._raise_for_left_out(count + unchanged)

    def _raise_for_left_out(self, done: int) -> None:
        left_out = self._download.left_out
        try:
            left_out.raise_if_any(done, "downloaded")
        except MetaflowS3NotFound as error:
            missing = [selection for url, selection in self._objects.items() if url in left_out.reasons]
            if not missing:
                raise
            if len(left_out.reasons) == 1:
                lines = [f"{_no_object(self._s3, missing[0], error)} {self._options.hint}".rstrip()]
            else:
                hints = (_slash_hint(self._s3, one) for one in missing[:FEW])
                lines = list(filter(None, [str(error), *hints, self._options.hint]))
            raise MetaflowS3NotFound("\n".join(lines)) from error

    def _fetch(self, batch: "list[Wanted]") -> "list[tuple[Wanted, bool]]":
        """Download objects that are not up to date; return those with a file, and whether each was downloaded."""
        batch = self._without_missing(batch)
        found = zip(batch, self._download.fetch(batch, self._options.overwrite))
        files = [(one, file) for one, file in found if file is not None]
        return [
            (one._replace(size=os.path.getsize(file.path)) if one.size == UNKNOWN else one, file.is_new)
            for one, file in files
        ]

    def _without_missing(self, batch: "list[Wanted]") -> "list[Wanted]":
        """Leave out missing objects whose file path is a local directory.

        If a directory was given without its slash, the error should name the missing object, not the local directory.
        """
        blocked = [one.url for one in batch if one.size == UNKNOWN and self._is_directory(one.name)]
        missing: set[str] = set()
        if blocked:
            with suppress(MetaflowS3AccessDenied):  # then the local directory is the error
                missing = {one.url for one in self._s3.info_many(blocked, return_missing=True) if not one.exists}
        for url in missing:
            self._download.left_out.note(url, MetaflowS3NotFound(f"There is no object {url} (NoSuchKey)."))
        return [one for one in batch if one.url not in missing]

    def _is_directory(self, name: str) -> bool:
        return os.path.isdir(os.path.join(self._directory, name))

    def _batches(self) -> "Iterator[list[Wanted]]":
        objects = self._objects.values()
        batch = [one for found in objects for one in self._wanted(found, [Entry(found.key, UNKNOWN)], found.folder)]
        if batch:
            yield batch
        for selection in self._selections:
            if self._options.selects_many(selection):
                yield from self._listed(selection)

    def _listed(self, selection: Selection) -> "Iterator[list[Wanted]]":
        found = False
        with pages_of(self._s3, selection, self._download.wants_times(self._options.overwrite)) as pages:
            for page in pages:
                # All objects listed so far: with large batches, workers wait less often for the last object.
                listed = [page, *pages.ready(0.0 if found else HEAD_START)]
                found = True
                batch = list(self._wanted(selection, chain.from_iterable(listed), selection.stem))
                if batch:
                    yield batch
        if not found:
            self._download.left_out.note(selection.url, MetaflowS3NotFound(selection.nothing()))

    def _wanted(self, selection: Selection, entries: "Iterable[Entry]", stem: str) -> "Iterator[Wanted]":
        """Objects and the names of their files: the part of the key after `stem`."""
        for one in entries:
            url = url_of(selection.bucket, one.key)
            name = self._name or one.key[len(stem) :]
            if self._is_new(url, name):
                yield Wanted(url, name, one.size or 0, modified_of(one))

    def _is_new(self, url: str, name: str) -> bool:
        """Whether the object was not selected before, nor another one for the same file."""
        ignores_case = self._download.ignores_case()
        if len(self._selections) == 1 and not ignores_case:
            return True  # without remembering a million keys
        file, one = hash(local_paths.folded(name) if ignores_case else name), hash(url)
        if file not in self._taken:
            self._taken[file] = one
            return True
        if self._taken[file] != one:
            reason = f"'{shown(url)}' was skipped: another object has the same file name '{shown(name)}'."
            self._download.left_out.note(url, MetaflowS3URLException(reason))
        return False
