"""What ``metaflow fasts3 put`` does: find files, and upload them some thousands at a time."""

import fnmatch
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from io import BufferedIOBase
from itertools import islice
from typing import IO, NamedTuple, NoReturn, Optional, TypeVar, Union, cast

from ..face.location import split_object_url
from ..face.requested import S3PutObject
from .client import client
from .output import Remarks, count_shown, json_line, print_lines, remark
from .targets import Target, url_of

T = TypeVar("T")

AT_A_TIME = 10_000  # files; all of a call are held in memory
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


def from_stdin(request: Request) -> None:
    """Upload what stdin gives, to its end."""
    url = _url(request.target, "")
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
    given = count = 0
    with client(progress=_progress(request)) as s3:
        for files in _some_at_a_time(_files(request), AT_A_TIME):
            given += len(files)
            paths = {one.key: one.path for one in files}
            stored = s3.put_files(files, overwrite=request.overwrite)
            count += len(stored)
            if request.as_json:
                print_lines(json_line(url=url, path=paths[key]) for key, url in stored)
    left = f" {count_shown(given - count, 'object')} existed, and stayed as they are." if given > count else ""
    told = f"Uploaded {count_shown(count, 'file')} in {time.monotonic() - began:.1f} s.{left}"
    Remarks(request.told).tell(told)


def _progress(request: Request) -> Optional[bool]:
    return None if request.told else False


def _files(request: Request) -> "Iterator[S3PutObject]":
    for source in request.sources:
        if os.path.isdir(source):
            files: Iterable[tuple[str, str]] = below(source, request.include, request.exclude)
        elif len(request.sources) > 1 or request.target.is_directory:
            files = [(os.path.basename(source), source)]
        else:
            files = [("", source)]
        for name, path in files:
            yield S3PutObject(_url(request.target, name), path=path, content_type=request.content_type)


def _url(target: Target, name: str) -> str:
    """The URL of a file that has a name below the target; of the target itself without one."""
    slash = "/" if name and not target.is_directory else ""
    return url_of(*split_object_url(url_of(target.bucket, f"{target.key}{slash}{name}")))


def below(directory: str, include: "Iterable[str]" = (), exclude: "Iterable[str]" = ()) -> "Iterator[tuple[str, str]]":
    """The files below a directory, at any depth: the path from there, with slashes, and the path itself.

    Parameters
    ----------
    directory : str
    include, exclude : iterable of str
        Patterns: those that fit one of the first, all without any, and none of the second.

    Raises
    ------
    OSError
        A directory can't be read.
    """
    wanted, unwanted = _any_of(include), _any_of(exclude)
    for folder, folders, names in os.walk(directory, onerror=_raise):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            key = os.path.relpath(path, directory).replace(os.sep, "/")
            if (wanted and not wanted.match(key)) or (unwanted and unwanted.match(key)):
                continue
            if stat.S_ISREG(os.stat(path).st_mode):
                yield key, path
            else:
                remark(f"{path} is not a regular file, and left out.")


def _raise(error: OSError) -> NoReturn:
    raise error


def _any_of(patterns: "Iterable[str]") -> Optional["re.Pattern[str]"]:
    together = "|".join(f"(?:{fnmatch.translate(pattern)})" for pattern in patterns)
    return re.compile(together) if together else None


def _some_at_a_time(items: "Iterator[T]", count: int) -> "Iterator[list[T]]":
    while True:
        some = list(islice(items, count))
        if not some:
            return
        yield some
