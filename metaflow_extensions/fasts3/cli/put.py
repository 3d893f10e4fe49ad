"""``metaflow fasts3 put``: uploads files, directories or stdin."""

import os
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple, Optional

from metaflow._vendor import click

from metaflow_extensions.fasts3.api.arguments import S3PutObject
from metaflow_extensions.fasts3.api.content_types import content_type_of
from metaflow_extensions.fasts3.api.directories import LocalFile
from metaflow_extensions.fasts3.api.directory_walk import files_in
from metaflow_extensions.fasts3.api.errors import shown
from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.formatting import counted, duration
from metaflow_extensions.fasts3.api.location import SCHEME, as_directory, split_object_url
from metaflow_extensions.fasts3.api.path_patterns import PathPatterns
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.cli.exit_status import with_exit_status
from metaflow_extensions.fasts3.cli.options import with_json, with_location, with_progress
from metaflow_extensions.fasts3.cli.output import LONGEST, format_unchanged, json_line, message, print_lines, summary
from metaflow_extensions.fasts3.cli.selection import Selection, location_from, refuse_empty, select, url_of


class Options(NamedTuple):
    """How files are uploaded."""

    include: "tuple[str, ...]"
    exclude: "tuple[str, ...]"
    content_type: Optional[str]
    overwrite: bool


class _Batch(NamedTuple):
    """The result for the files of one directory, or for all single files."""

    stored: "list[tuple[str, str]]"  # URL, and path as the user would write it
    unchanged: int  # files whose objects existed already


@click.command("put", short_help="Upload files, directories or stdin.")
@click.argument("sources", metavar="SOURCE...", nargs=-1)
@click.argument("url", metavar="URL", required=False)
@with_location
@click.option(
    "--include", multiple=True, metavar="PATTERN", help="In directories, upload only files that match PATTERN."
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="In directories, skip files that match PATTERN.")
@click.option(
    "--content-type", metavar="TYPE", help="Store this MIME type with the objects, not the one of each file name."
)
@click.option("--no-overwrite", is_flag=True, help="Do not replace existing objects.")
@with_json
@with_progress
@with_exit_status
def put(
    sources: "tuple[str, ...]",
    url: Optional[str],
    run: Optional[str],
    root: Optional[str],
    include: "tuple[str, ...]",
    exclude: "tuple[str, ...]",
    content_type: Optional[str],
    no_overwrite: bool,
    as_json: bool,
    no_progress: bool,
) -> None:
    """Upload files, directories with everything in them, or stdin (a SOURCE of -).

    A URL that ends in a slash, and any URL for a directory or several sources, is a prefix: the keys are the prefix
    and the names of the files, or their paths below the directory. Otherwise the URL is the key. Wildcards have no
    effect in it. --include and --exclude are patterns for the paths below a directory; * also matches /. Files of a
    directory that are in S3 with the same content are not uploaded again. Links to directories are not followed. With
    --run or --root, / is the location itself. If there is no file to upload, or if a file can't be uploaded, the exit
    status is 1.

    \b
    Examples:
        metaflow fasts3 put table.parquet s3://bucket/data/
        metaflow fasts3 put results s3://bucket/results/ --exclude '*.tmp'
        pg_dump db | metaflow fasts3 put - s3://bucket/db.sql
        metaflow fasts3 put model.bin --run MyFlow/123 models/best.bin
    """
    if url is None:
        raise click.UsageError("Give a SOURCE to upload, and a URL.")
    refuse_empty([*sources, url])
    if not sources:
        # click assigns a single argument to the last parameter.
        raise click.UsageError("URL is missing, the last argument: s3://bucket/key, or a key below --run or --root.")
    for source in sources:
        if source.startswith(SCHEME):
            raise click.UsageError(
                f"{source!r} is in S3; this command uploads local files. To download: metaflow fasts3 get {source} DEST"
            )
    destination = select(url, location_from(run, root), raw=True)
    if "-" in sources and len(sources) > 1:
        raise click.UsageError("Stdin (-) must be the only source. Upload other sources with a separate command.")
    if "-" in sources and destination.is_directory:
        raise click.UsageError(f"Stdin has no file name. Add a key to {destination.url}.")
    options = Options(include, exclude, content_type, not no_overwrite)
    with S3(progress=False if no_progress else None) as s3:
        if "-" in sources:
            _put_stdin(s3, _url(destination), options, as_json)
        else:
            _put_files(s3, sources, destination, options, as_json, quiet=no_progress)


def _put_stdin(s3: S3, url: str, options: Options, as_json: bool) -> None:
    kind = options.content_type or content_type_of(url)
    # From where it is: a shell may have read its first lines.
    s3.put_many([S3PutObject(url, sys.stdin.buffer, content_type=kind)], overwrite=options.overwrite)
    if as_json:
        print_lines([json_line(url=url)])


def _put_files(
    s3: S3, sources: "tuple[str, ...]", destination: Selection, options: Options, as_json: bool, quiet: bool
) -> None:
    """Upload files and directories. A directory with no file to upload is an error only if nothing else is uploaded."""
    began = time.monotonic()
    count = unchanged = 0
    empty: list[str] = []  # sentences
    left_out = LeftOut(s3._executor)
    known = 0  # number of files left out so far
    for source, batch in _batches(s3, sources, destination, options, left_out):
        count, unchanged = count + len(batch.stored), unchanged + batch.unchanged
        if not batch.stored and not batch.unchanged and len(left_out.reasons) == known:
            empty.append(_no_file(source, options))
        known = len(left_out.reasons)
        if as_json:
            print_lines(json_line(url=url, path=path) for url, path in batch.stored)
    if not count and not unchanged and not left_out.reasons:
        raise click.ClickException(" ".join(empty))
    for sentence in empty:
        message(sentence)
    if not quiet:
        seconds = f" in {duration(time.monotonic() - began)}" if count else ""
        summary(f"Uploaded {counted(count, 'file')}{seconds}{format_unchanged(unchanged)}.")
    left_out.raise_if_any(count + unchanged, "uploaded", "files")


def _no_file(directory: str, options: Options) -> str:
    """The message for a directory with no file to upload."""
    name = shown(directory, LONGEST)
    names = files_in(directory, PathPatterns(None, None), lambda *_: None)
    if not names:
        return f"There is no file in {name}."
    given = (("--include", options.include), ("--exclude", options.exclude))
    patterns = " ".join(f"{option} {shown(repr(one))}" for option, patterns in given for one in patterns)
    return (
        f"{patterns} selects none of the {counted(len(names), 'file')} in {name}. Patterns are compared with paths "
        f"below it, such as {shown(names[0])}."
    )


def _batches(
    s3: S3, sources: "tuple[str, ...]", destination: Selection, options: Options, left_out: LeftOut
) -> "Iterator[tuple[str, _Batch]]":
    """Upload each directory, with its name, then all single files, with "".

    It does not use `upload` and `put_files`: they lack a content type or the comparison of contents, and do not return
    the number of unchanged files.
    """
    files: list[LocalFile] = []
    for source in sources:
        if os.path.isdir(source):
            prefix = as_directory(url_of(destination.bucket, destination.key))
            patterns = PathPatterns(options.include or None, options.exclude or None)
            found = s3._files_of(source, prefix, patterns, left_out)
            # An object with the same content is not uploaded again, unless it may have another type.
            yield source, _store(s3, found, options, left_out, compare=options.content_type is None)
        else:
            several = len(sources) > 1 or destination.is_directory
            url = _url(destination, os.path.basename(source) if several else "")
            files.append(LocalFile(source, url))
    if files:
        yield "", _store(s3, files, options, left_out, compare=False)


def _store(s3: S3, files: "list[LocalFile]", options: Options, left_out: LeftOut, compare: bool) -> _Batch:
    stored = s3._store(files, options.overwrite, left_out, options.content_type, compare)
    paths = {file.key: file.path for file in files}
    unchanged = len(files) - len(stored) - left_out.count_of(paths.values())
    return _Batch([(url, paths[key]) for key, url in stored], unchanged)


def _url(destination: Selection, name: str = "") -> str:
    """The URL of a file below the destination; of the destination itself without a name."""
    slash = "/" if name and not destination.is_directory else ""
    return url_of(*split_object_url(url_of(destination.bucket, f"{destination.key}{slash}{name}")))
