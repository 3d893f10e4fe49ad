"""Transfers from S3 to local files: of objects by their keys, and of everything that prefixes and patterns select."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Callable, NamedTuple, Optional, Union

from metaflow._vendor import click

from metaflow_extensions.fasts3.api import local_paths
from metaflow_extensions.fasts3.api.errors import (
    MetaflowS3AccessDenied,
    MetaflowS3NotFound,
    MetaflowS3URLException,
    shown,
)
from metaflow_extensions.fasts3.api.file_download import ignores_case_in
from metaflow_extensions.fasts3.api.placement import FEW_PIECES
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3transfers import S3Downloads
from metaflow_extensions.fasts3.cli.missing import no_object, with_hints
from metaflow_extensions.fasts3.cli.removal import remove_objects
from metaflow_extensions.fasts3.cli.selection import HEAD_START, Emptied, Selection, listed, url_of
from metaflow_extensions.fasts3.cli.transfers import DOWNLOAD, Options, Report, Targets, looked_up
from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.workers import worker_pool

LINKED = (
    "'{}' was skipped: '{}' exists, and may be the file of another object, because a symbolic link joins two "
    "directories. Move the objects one directory at a time."
)
COPIED = 2**20  # bytes at a time, to stdout


class _Wanted(NamedTuple):
    """An object to download."""

    source: Union[str, S3Object]
    name: str  # of its file

    @property
    def url(self) -> str:
        return self.source if isinstance(self.source, str) else self.source.url


def to_stdout(s3: S3, selections: "Sequence[Selection]", options: Options) -> None:
    """Write one object to standard output."""
    if len(selections) > 1 or options.selects_many(selections[0]):
        raise click.UsageError(
            "Only one object can be written to stdout. Give the URL of one object, or use cat, or a directory as DEST."
        )
    [selection] = selections
    url = url_of(selection.bucket, selection.key)
    try:
        found = s3.info(url) if options.dry_run else s3.get(url, return_info=False)
    except MetaflowS3NotFound as error:
        raise no_object(s3, selection, error) from error
    if options.dry_run:
        with Report(DOWNLOAD, options) as report:
            report.add([(url, "-")], size=found.size)
            report.print_json([{"url": url, "path": "-", "size": found.size}])
        return
    with open(str(found.path), "rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer, COPIED)
    sys.stdout.buffer.flush()


def to_files(
    open_client: "Callable[[], S3]",
    selections: "Sequence[Selection]",
    destination: str,
    options: Options,
    hint: str = "",
) -> None:
    """Download objects into a file or a directory, and with `moves` delete those that were downloaded.

    `open_client` creates the client, which takes a moment. `hint` is for missing objects.
    """
    several = len(selections) > 1 or options.selects_many(selections[0])
    directory, name = _directory_and_name(destination, several)
    if len(selections) > FEW_PIECES or any(options.selects_many(one) for one in selections):
        worker_pool.shared.start(processors())  # while boto3 is imported
    existed = os.path.isdir(directory)
    with open_client() as s3:
        try:
            _Downloads(s3, selections, options, directory, name, hint).run()
        finally:
            if not existed and os.path.isdir(directory) and not os.listdir(directory):
                os.rmdir(directory)


def _directory_and_name(destination: str, several: bool) -> "tuple[str, Optional[str]]":
    """The directory of the files; and the name of the file in it, if there is one file whose name was given."""
    if several or destination.endswith("/") or os.path.isdir(destination):
        if os.path.lexists(destination) and not os.path.isdir(destination):
            raise click.UsageError(f"{destination!r} is not a directory; several objects need a directory.")
        return destination, None
    kind = local_paths.unlike_a_file(destination)
    if kind:
        raise click.UsageError(
            f"{destination!r} is a {kind}, which a file would replace. To write to it, use cat, or a DEST of -, and "
            f"redirect stdout: > {shlex.quote(destination)}"
        )
    folder, name = os.path.split(destination)
    if name in (".", ".."):
        raise click.UsageError(
            f"There is no directory {destination!r}. To create one, name it, with a slash at the end."
        )
    return folder or ".", name


class _Downloads:
    """The downloads of one command: listed objects in batches, so that memory does not grow with their number."""

    def __init__(
        self,
        s3: S3,
        selections: "Sequence[Selection]",
        options: Options,
        directory: str,
        name: Optional[str],
        hint: str,
    ) -> None:
        self._s3 = s3
        self._selections = selections
        self._options = options
        self._directory = directory
        self._start = len(os.path.join(os.path.abspath(directory), ""))
        self._name = name
        self._hint = hint
        self._report = Report(DOWNLOAD, options)
        self._ignores_case: Optional[bool] = None  # not known yet
        self._folders: dict[str, str] = {}  # directory of files, relative -> without links
        self._first: dict[str, str] = {}  # directory without links -> the first of those that lead to it
        self._targets = Targets(self._report.left_out)
        self._objects = {one.url: one for one in selections if not options.selects_many(one)}
        self._emptied = Emptied(filter(options.selects_many, selections))

    def run(self) -> None:
        """Download all objects that can be files; raise one exception for the others."""
        with self._report:
            named = self._without_missing(list(self._named()))
            if named:
                self._fetch(named)
            for selection in self._selections:
                if self._options.selects_many(selection):
                    for batch in self._listed(selection):
                        self._fetch(batch)
        self._raise_for_failures()

    def _fetch(self, batch: "Sequence[_Wanted]") -> None:
        """Download a batch, except for objects whose files are up to date.

        A move downloads all: it deletes the object, so the time of a file is not sufficient.
        """
        options, report = self._options, self._report
        found = self._download(batch)
        left = set(map(id, found.unchanged))
        done = [one for one in found if id(one) not in left]
        if options.moves and not options.dry_run:
            done = remove_objects(self._s3, done, report)
            self._emptied.note([one.url for one in done])
        paths = {id(one): self._path(one) for one in found}
        report.add([(one.url, paths[id(one)]) for one in done], len(left), sum(one.size or 0 for one in done))
        shown_ones = done if options.moves or options.dry_run else found
        report.print_json({"url": one.url, "path": paths[id(one)], "size": one.size} for one in shown_ones)

    def _download(self, batch: "Sequence[_Wanted]") -> S3Downloads:
        options = self._options
        return self._report.call(
            lambda: self._s3.download(
                batch, self._directory, options.overwrite, dry_run=options.dry_run, compare=not options.moves
            )
        )

    def _path(self, one: S3Object) -> str:
        """The path of a file, relative to the working directory if DEST is."""
        return os.path.join(self._directory, str(one.path)[self._start :])

    def _named(self) -> "Iterator[_Wanted]":
        urls = {url: self._name or one.key[len(one.folder) :] for url, one in self._objects.items()}
        for (url, name), source in zip(urls.items(), looked_up(self._s3, urls, self._options)):
            if not self._report.is_missing(source) and self._is_new(url, name):
                yield _Wanted(source, name)

    def _without_missing(self, batch: "list[_Wanted]") -> "list[_Wanted]":
        """Leave out missing objects whose file path is a local directory.

        If a directory was given without its slash, the error should name the missing object, not the local directory.
        """
        blocked = [one.url for one in batch if os.path.isdir(os.path.join(self._directory, one.name))]
        missing: set[str] = set()
        if blocked:
            with suppress(MetaflowS3AccessDenied):  # then the local directory is the error
                found = self._s3.info_many(blocked, return_missing=True)
                missing = {one.url for one in found if self._report.is_missing(one)}
        return [one for one in batch if one.url not in missing]

    def _listed(self, selection: Selection) -> "Iterator[list[_Wanted]]":
        found = False
        start = len(url_of(selection.bucket, selection.stem))
        with listed(self._s3, selection) as pages:
            for page in pages:
                # All objects listed so far: with large batches, workers wait less often for the last object.
                entries = chain(page, *pages.ready(0.0 if found else HEAD_START))
                found = True
                batch = [_Wanted(one, one.url[start:]) for one in entries]
                batch = [one for one in batch if self._is_new(one.url, one.name)]
                if batch:
                    yield batch
        if not found and selection not in self._emptied:
            self._report.left_out.note(selection.url, MetaflowS3NotFound(selection.nothing()))

    def _is_new(self, url: str, name: str) -> bool:
        """Whether neither this object nor another one for the same file was selected before."""
        if len(self._selections) == len(self._objects) == 1:
            return True
        if self._options.moves and self._replaces_another(name):
            self._report.left_out.note(url, MetaflowS3URLException(LINKED.format(shown(url), shown(name))))
            return False
        folds = self._folds()
        if len(self._selections) == 1 and not folds:
            return True  # without remembering a million keys
        return self._targets.is_new(
            local_paths.folded(name) if folds else name,
            url,
            lambda: MetaflowS3URLException(
                f"'{shown(url)}' was skipped: another object has the same file name '{shown(name)}'."
            ),
        )

    def _folds(self) -> bool:
        """Whether the file system ignores case, which only the directory itself shows: it may be a mounted one."""
        if self._ignores_case is None:
            path = os.path.abspath(self._directory)
            find = local_paths.seems_to_ignore_case if self._options.dry_run else ignores_case_in
            self._ignores_case = find(path)
        return self._ignores_case

    def _replaces_another(self, name: str) -> bool:
        """Whether a file exists that an earlier object of a move may have become, because links join directories.

        Within a batch, `S3.download` finds out.
        """
        folder = os.path.dirname(name)
        try:
            if folder not in self._folders:
                self._folders[folder] = os.path.realpath(os.path.join(self._directory, folder))
            first = self._first.setdefault(self._folders[folder], folder)
            return first != folder and os.path.lexists(os.path.join(self._directory, name))
        except ValueError:  # a NUL, which no file name has
            return False

    def _raise_for_failures(self) -> None:
        try:
            self._report.raise_for_failures()
        except MetaflowS3NotFound as error:
            reasons = self._report.left_out.reasons
            missing = [selection for url, selection in self._objects.items() if url in reasons]
            if not missing:
                raise
            raise with_hints(self._s3, missing, len(reasons), error, self._hint) from error
