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

from ..face.directories import files_in, matches
from ..face.errors import shown
from ..face.location import as_directory, split_object_url
from ..face.requested import S3PutObject
from ..face.s3 import S3
from .client import client
from .output import LONGEST, Remarks, count_shown, json_line, print_lines, remark, there_shown
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
        for source, (stored, left) in _stored(s3, request):
            count, there = count + len(stored), there + left
            if not stored and not left:
                nothing.append(_nothing(source, request))
            if request.as_json:
                print_lines(json_line(url=url, path=path) for url, path in stored)
    if not count and not there:
        raise click.ClickException(" ".join(nothing))
    for sentence in nothing:
        remark(sentence)
    took = f" in {time.monotonic() - began:.1f} s" if count else ""
    Remarks(request.told).tell(f"Uploaded {count_shown(count, 'file')}{took}{there_shown(there)}.")


def _progress(request: Request) -> Optional[bool]:
    return None if request.told else False


def _nothing(directory: str, request: Request) -> str:
    """What to say of a directory that nothing is uploaded of: where was looked, and for what."""
    name = shown(directory, LONGEST)
    names = list(files_in(directory))
    if not names:
        return f"There is no file in {name}."
    options = (("--include", request.include), ("--exclude", request.exclude))
    given = " ".join(f"{option} {shown(repr(one))}" for option, patterns in options for one in patterns)
    return (
        f"Of the {count_shown(len(names), 'file')} in {name} none is left by {given}. Patterns are compared with paths "
        f"below it, such as {shown(names[0])}."
    )


def _stored(s3: S3, request: Request) -> "Iterator[tuple[str, _Batch]]":
    """What became of each directory, with its name, and of all single files, with none."""
    files: list[_Stored] = []
    for source in request.sources:
        if os.path.isdir(source):
            yield source, _directory(s3, request, source)
        elif len(request.sources) > 1 or request.target.is_directory:
            files.append(_Stored(_url(request.target, os.path.basename(source)), source))
        else:
            files.append(_Stored(_url(request.target), source))
    if files:
        yield "", _put_files(s3, request, files)


def _directory(s3: S3, request: Request, source: str) -> _Batch:
    """Upload a directory; what is in S3 already is not uploaded again, unless it is to have another type."""
    prefix = as_directory(url_of(request.target.bucket, request.target.key))
    include, exclude = request.include or None, request.exclude or None
    if request.content_type is None:
        stored, meant = s3._uploaded(source, prefix, include, exclude, request.overwrite)
        found = [_Stored(url, os.path.join(source, url[len(prefix) :])) for _, url in stored]
        return _Batch(found, meant - len(found))
    names = [name for name in files_in(source) if matches(name, include, exclude)]
    return _put_files(s3, request, [_Stored(_url(request.target, name), os.path.join(source, name)) for name in names])


def _put_files(s3: S3, request: Request, files: "list[_Stored]") -> _Batch:
    objects = [S3PutObject(url, path=path, content_type=request.content_type) for url, path in files]
    paths = dict(files)
    stored = [_Stored(url, paths[url]) for url, _ in s3.put_files(objects, overwrite=request.overwrite)]
    return _Batch(stored, len(files) - len(stored))


def _url(target: Target, name: str = "") -> str:
    """The URL of a file that has a name below the target; of the target itself without one."""
    slash = "/" if name and not target.is_directory else ""
    return url_of(*split_object_url(url_of(target.bucket, f"{target.key}{slash}{name}")))
