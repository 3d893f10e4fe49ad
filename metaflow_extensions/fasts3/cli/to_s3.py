"""Transfers from local files to S3: of files, directories and standard input."""

import os
import sys
from collections.abc import Sequence
from typing import Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.arguments import S3PutObject
from metaflow_extensions.fasts3.api.content_types import content_type_of
from metaflow_extensions.fasts3.api.directory_walk import files_in
from metaflow_extensions.fasts3.api.errors import shown
from metaflow_extensions.fasts3.api.formatting import counted
from metaflow_extensions.fasts3.api.location import as_directory, split_object_url
from metaflow_extensions.fasts3.api.path_patterns import PathPatterns
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.api.s3transfers import S3Transfers
from metaflow_extensions.fasts3.api.upload_sources import path_source
from metaflow_extensions.fasts3.cli.output import LONGEST, message
from metaflow_extensions.fasts3.cli.removal import FileState, remove_files, state_of
from metaflow_extensions.fasts3.cli.selection import WILDCARD, Selection, url_of
from metaflow_extensions.fasts3.cli.transfers import UPLOAD, Options, Report

STDIN = "-"


def check(sources: "Sequence[str]", destination: Selection, options: Options) -> None:
    """Raise click.UsageError for contradictory arguments: standard input without a key, patterns for a single file."""
    if STDIN in sources and len(sources) > 1:
        raise click.UsageError("Stdin (-) must be the only source. Upload other sources with a separate command.")
    if STDIN in sources and destination.is_directory:
        raise click.UsageError(f"Stdin has no file name. Add a key to {destination.url}.")
    for one in sources:
        is_file = one == STDIN or (os.path.lexists(one) and not os.path.isdir(one))
        if is_file and (options.include or options.exclude):
            raise click.UsageError(
                f"--include and --exclude filter the files of a directory; {one!r} is not a directory."
            )
        if WILDCARD.search(one) and not os.path.lexists(one):
            raise click.UsageError(
                f"There is no local file {shown(repr(one), LONGEST)}. The shell expands wildcards in local paths: omit "
                "the quotes, or give the directory and --include."
            )
        if one.endswith("/") and os.path.isfile(one.rstrip("/")):
            raise click.UsageError(f"{one!r} is a file, not a directory. Omit the slash.")


def upload(s3: S3, sources: "Sequence[str]", destination: Selection, options: Options) -> None:
    """Upload files, directories or standard input, and with `moves` delete the files that were uploaded.

    The destination is a key, or a prefix; `check` has seen it and the sources before. A directory with no file to
    upload is an error only if nothing else is uploaded.
    """
    if STDIN in sources:
        _from_stdin(s3, destination, options)
    else:
        _Uploads(s3, sources, destination, options).run()


def _from_stdin(s3: S3, destination: Selection, options: Options) -> None:
    url = _url(destination)
    report = Report(UPLOAD, options)
    stdin = sys.stdin.buffer
    getattr(stdin, "raw", stdin).read(0)  # OSError if it is closed, or open for writing only
    if options.dry_run:
        is_stored = options.overwrite or not s3.info(url, return_missing=True).exists
    else:
        kind = options.headers.content_type or content_type_of(url)
        # From its current position: a shell may have read its first lines.
        value = S3PutObject(url, stdin, content_type=kind, extra_args=options.headers.extra_args)
        is_stored = bool(s3.put_many([value], overwrite=options.overwrite))
    with report:
        report.add([(STDIN, url)] if is_stored else [], int(not is_stored))
        report.print_json([{"url": url, "path": STDIN}] if is_stored else [])


class _Group:
    """Sources that one call uploads: a directory, or all single files."""

    def __init__(self, sources: "Sequence[str]", is_directory: bool, prefix: str) -> None:
        self.sources = sources
        self._prefix = prefix
        self._directory = sources[0] if is_directory else None
        # Of several files of one name, the first is uploaded.
        files = () if is_directory else reversed(sources)
        self._files = {os.path.basename(os.path.normpath(one)): one for one in files}

    def path(self, url: str) -> str:
        """The path of the file of an object, as the user would write it."""
        name = url[len(self._prefix) :]
        if self._directory is not None:
            return os.path.join(self._directory, *name.split("/"))
        return self._files[name]


class _Uploads:
    """The uploads of one command: each directory, then all single files."""

    def __init__(self, s3: S3, sources: "Sequence[str]", destination: Selection, options: Options) -> None:
        self._s3 = s3
        self._options = options
        self._report = Report(UPLOAD, options)
        directories = [one for one in sources if os.path.isdir(one)]
        files = [one for one in sources if not os.path.isdir(one)]
        url = _url(destination, check=False)
        is_prefix = len(sources) > 1 or bool(directories) or destination.is_directory
        self._key = None if is_prefix else _url(destination)  # the URL of the object, if that is not a prefix
        self._prefix = as_directory(url)
        self._groups = [_Group([one], True, self._prefix) for one in directories]
        if files:
            self._groups.append(_Group(files, False, self._prefix))

    def run(self) -> None:
        empty: list[str] = []  # sentences
        with self._report:
            if len(self._groups) > 1:
                self._refuse_equal_keys()
            for group in self._groups:
                if not self._upload(group):
                    empty.append(_no_file(group.sources[0], self._options))
            if self._report.is_empty:
                raise click.ClickException(" ".join(empty))
            for sentence in empty:
                message(sentence)
        self._report.raise_for_failures()

    def _refuse_equal_keys(self) -> None:
        """Raise an exception if files of two sources would be one object."""
        paths: dict[str, str] = {}  # by URL
        for group in self._groups:
            for url, path in self._planned(group).items():
                if os.path.abspath(paths.setdefault(url, path)) != os.path.abspath(path):
                    named = [shown(repr(one), LONGEST) for one in (paths[url], path)]
                    raise click.ClickException(f"{' and '.join(named)} would both become {shown(url, LONGEST)}.")

    def _planned(self, group: _Group) -> "dict[str, str]":
        """URLs and paths of the files to upload."""
        report = Report(UPLOAD, self._options)  # failures are reported by the upload
        found = report.call(lambda: self._call(group, overwrite=True, compare=False, dry_run=True))
        return {url: self._path(group, url) for _, url in found}

    def _upload(self, group: _Group) -> bool:
        """Upload one directory, or all single files; return False if there was nothing to upload."""
        options, report = self._options, self._report
        before: dict[str, Optional[FileState]] = {}
        if options.moves and not options.dry_run:
            before = {path: state_of(path) for path in self._planned(group).values()}
        known = len(report.left_out.reasons)
        # A move uploads all: it deletes the file, so its times are not sufficient.
        compare = not options.headers.are_given and not options.moves
        found = report.call(lambda: self._call(group, options.overwrite, compare, options.dry_run))
        done = [(self._path(group, url), url) for _, url in found]
        unchanged = [(self._path(group, url), url) for _, url in found.unchanged]
        if options.moves and not options.dry_run:
            removed = remove_files((path for path, _ in done), before, report)
            done = [(path, url) for path, url in done if path in removed]
        report.add(done, len(unchanged))
        report.print_json({"url": url, "path": path} for path, url in done)
        return bool(found or found.unchanged or len(report.left_out.reasons) > known)

    def _call(self, group: _Group, overwrite: bool, compare: bool, dry_run: bool) -> S3Transfers:
        options, headers = self._options, self._options.headers
        if self._key is None:
            return self._s3.upload(
                group.sources,
                self._prefix,
                options.include or None,
                options.exclude or None,
                overwrite,
                headers.extra_args,
                dry_run=dry_run,
                compare=compare,
                content_type=headers.content_type,
            )
        [path], url = group.sources, self._key
        if dry_run:
            path_source(url, path)  # raises for what is no file
            there = not overwrite and self._s3.info(url, return_missing=True).exists
            return S3Transfers([] if there else [(url, url)], [(url, url)] if there else [])
        kind = headers.content_type or content_type_of(path)
        file = S3PutObject(url, path=path, content_type=kind, extra_args=headers.extra_args)
        stored = self._s3.put_files([file], overwrite)
        return S3Transfers(stored, [] if stored else [(url, url)])

    def _path(self, group: _Group, url: str) -> str:
        return group.sources[0] if self._key else group.path(url)


def _no_file(directory: str, options: Options) -> str:
    """The message for a directory with no file to upload."""
    name = shown(directory, LONGEST)
    names = files_in(directory, PathPatterns(None, None))
    if not names:
        return f"There is no file in {name}."
    given = (("--include", options.include), ("--exclude", options.exclude))
    patterns = " ".join(f"{option} {shown(repr(one))}" for option, patterns in given for one in patterns)
    return (
        f"{patterns} selects none of the {counted(len(names), 'file')} in {name}. Patterns match paths below it, "
        f"such as {shown(names[0])}."
    )


def _url(destination: Selection, check: bool = True) -> str:
    """The URL of a destination; with `check`, that of an object."""
    url = url_of(destination.bucket, destination.key)
    return url_of(*split_object_url(url)) if check else url
