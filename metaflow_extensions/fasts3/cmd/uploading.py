"""What ``metaflow fasts3 put`` does."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from io import BufferedIOBase
from typing import IO, NamedTuple, Optional, Union, cast

from ..face.directories import files_in, matches
from ..face.location import as_directory, split_object_url
from ..face.requested import S3PutObject
from ..face.s3 import S3
from .client import client
from .output import Remarks, count_shown, json_line, print_lines
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
    """Upload files and what is in directories."""
    began = time.monotonic()
    count = 0
    with client(progress=_progress(request)) as s3:
        for stored in _stored(s3, request):
            count += len(stored)
            if request.as_json:
                print_lines(json_line(url=url, path=path) for url, path in stored)
    Remarks(request.told).tell(f"Uploaded {count_shown(count, 'file')} in {time.monotonic() - began:.1f} s.")


def _progress(request: Request) -> Optional[bool]:
    return None if request.told else False


def _stored(s3: S3, request: Request) -> "Iterator[list[_Stored]]":
    files: list[_Stored] = []
    for source in request.sources:
        if os.path.isdir(source):
            yield _directory(s3, request, source)
        elif len(request.sources) > 1 or request.target.is_directory:
            files.append(_Stored(_url(request.target, os.path.basename(source)), source))
        else:
            files.append(_Stored(_url(request.target), source))
    if files:
        yield _put_files(s3, request, files)


def _directory(s3: S3, request: Request, source: str) -> "list[_Stored]":
    """Upload a directory; what is in S3 already is not uploaded again, unless it is to have another type."""
    prefix = as_directory(url_of(request.target.bucket, request.target.key))
    include, exclude = request.include or None, request.exclude or None
    if request.content_type is None:
        stored = s3.upload(source, prefix, include, exclude, request.overwrite)
        return [_Stored(url, os.path.join(source, url[len(prefix) :])) for _, url in stored]
    names = [name for name in files_in(source) if matches(name, include, exclude)]
    return _put_files(s3, request, [_Stored(_url(request.target, name), os.path.join(source, name)) for name in names])


def _put_files(s3: S3, request: Request, files: "list[_Stored]") -> "list[_Stored]":
    objects = [S3PutObject(url, path=path, content_type=request.content_type) for url, path in files]
    paths = dict(files)
    return [_Stored(url, paths[url]) for url, _ in s3.put_files(objects, overwrite=request.overwrite)]


def _url(target: Target, name: str = "") -> str:
    """The URL of a file that has a name below the target; of the target itself without one."""
    slash = "/" if name and not target.is_directory else ""
    return url_of(*split_object_url(url_of(target.bucket, f"{target.key}{slash}{name}")))
