"""What ``metaflow fasts3 put`` does."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from io import BufferedIOBase
from typing import IO, NamedTuple, Optional, Union, cast

from metaflow._vendor import click

from ..api.directories import LocalFile
from ..api.directory_walk import files_in
from ..api.errors import shown
from ..api.formatting import counted, duration
from ..api.left_out import LeftOut
from ..api.location import as_directory, split_object_url
from ..api.s3 import S3
from .client import client
from .output import LONGEST, Remarks, json_line, print_lines, remark, there_shown
from .targets import Target, url_of

IN_MEMORY = 8 * 2**20  # bytes of stdin; what is longer waits in a file without a name


class Request(NamedTuple):
    """What is to be uploaded."""

    sources: "tuple[str, ...]"
    target: Target
    include: "tuple[str, ...]"
    exclude: "tuple[str, ...]"
    content_type: Optional[str]
    overwrite: bool
    as_json: bool
    told: bool  # a terminal hears of it


class _Stored(NamedTuple):
    """One object that was stored now."""

    url: str
    path: str  # of the file, as the user would write it


class _Batch(NamedTuple):
    """What became of some files."""

    stored: "list[_Stored]"
    there: int  # files whose objects were there already


def from_stdin(request: Request) -> None:
    """Upload what stdin gives, to its end."""
    url = _url(request.target)
    body = sys.stdin.buffer.read(IN_MEMORY)
    with tempfile.TemporaryFile() as file, client(progress=_progress(request)) as s3:
        value: Union[bytes, BufferedIOBase] = body
        if len(body) == IN_MEMORY:
            file.write(body)
            shutil.copyfileobj(cast(IO[bytes], sys.stdin.buffer), file, IN_MEMORY)
            file.flush()
            value = cast(BufferedIOBase, file)
        s3.put(url, value, overwrite=request.overwrite, content_type=request.content_type)
    if request.as_json:
        print_lines([json_line(url=url)])


def from_files(request: Request) -> None:
    """Upload files and what is in directories. A directory with nothing to upload is named; only such are an error."""
    began = time.monotonic()
    count = there = 0
    nothing: list[str] = []  # sentences
    with client(progress=_progress(request)) as s3:
        left_out = LeftOut(s3._executor)
        known = 0  # of what is left out
        for source, (stored, left) in _stored(s3, request, left_out):
            count, there = count + len(stored), there + left
            if not stored and not left and len(left_out.reasons) == known:
                nothing.append(_nothing(source, request))
            known = len(left_out.reasons)
            if request.as_json:
                print_lines(json_line(url=url, path=path) for url, path in stored)
    if not count and not there and not left_out.reasons:
        raise click.ClickException(" ".join(nothing))
    for sentence in nothing:
        remark(sentence)
    took = f" in {duration(time.monotonic() - began)}" if count else ""
    Remarks(request.told).tell(f"Uploaded {counted(count, 'file')}{took}{there_shown(there)}.")
    left_out.raise_if_any(count + there, "uploaded", "files")


def _progress(request: Request) -> Optional[bool]:
    return None if request.told else False


def _nothing(directory: str, request: Request) -> str:
    """What to say of a directory that nothing is uploaded of: where was looked, and for what."""
    name = shown(directory, LONGEST)
    names = files_in(directory, None, None, lambda *_: None)
    if not names:
        return f"There is no file in {name}."
    options = (("--include", request.include), ("--exclude", request.exclude))
    given = " ".join(f"{option} {shown(repr(one))}" for option, patterns in options for one in patterns)
    return (
        f"Of the {counted(len(names), 'file')} in {name} none is left by {given}. Patterns are compared with paths "
        f"below it, such as {shown(names[0])}."
    )


def _stored(s3: S3, request: Request, left_out: LeftOut) -> "Iterator[tuple[str, _Batch]]":
    """What became of each directory, with its name, and of all single files, with none."""
    files: list[LocalFile] = []
    for source in request.sources:
        if os.path.isdir(source):
            prefix = as_directory(url_of(request.target.bucket, request.target.key))
            found = s3._files_of(source, prefix, request.include or None, request.exclude or None, left_out)
            # What is in S3 already is not uploaded again, unless it is to have another type.
            yield source, _batch(s3, request, found, left_out, compare=request.content_type is None)
        else:
            several = len(request.sources) > 1 or request.target.is_directory
            url = _url(request.target, os.path.basename(source) if several else "")
            files.append(LocalFile(source, url))
    if files:
        yield "", _batch(s3, request, files, left_out, compare=False)


def _batch(s3: S3, request: Request, files: "list[LocalFile]", left_out: LeftOut, compare: bool) -> _Batch:
    stored = s3._store(files, request.overwrite, left_out, request.content_type, compare)
    paths = {file.key: file.path for file in files}
    there = len(files) - len(stored) - left_out.count_of(paths.values())
    return _Batch([_Stored(url, paths[key]) for key, url in stored], there)


def _url(target: Target, name: str = "") -> str:
    """The URL of a file that has a name below the target; of the target itself without one."""
    slash = "/" if name and not target.is_directory else ""
    return url_of(*split_object_url(url_of(target.bucket, f"{target.key}{slash}{name}")))
