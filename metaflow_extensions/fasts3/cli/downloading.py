"""What ``metaflow fasts3 get`` does: list, and download what has been listed so far, at the same time."""

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import NamedTuple, Optional

from metaflow._vendor import click

from ..api import local_paths
from ..api.errors import MOST_URL, MetaflowS3AccessDenied, MetaflowS3NotFound, MetaflowS3URLException, shown
from ..api.executor import FEW_PIECES
from ..api.file_download import UNKNOWN, FileDownload, Wanted
from ..api.formatting import counted, duration
from ..api.s3 import S3
from ..pool import worker_pool
from ..pool.listings import modified_of
from ..pool.processors import processors
from ..pool.split_listing import Entry
from .client import client, found_ahead, is_directory
from .output import Remarks, json_line, print_lines, size_shown, there_shown
from .targets import Target, url_of

FEW = 4  # missing objects; of more, none is looked for as a directory
COPIED = 2**20  # bytes at a time, to stdout
HEAD_START = 0.25  # seconds for the listing, before anything is downloaded: ten pages take it less from a server nearby


class Request(NamedTuple):
    """What is to be downloaded."""

    targets: "list[Target]"
    many: "list[bool]"  # for each, whether it means all that is below it or fits
    destination: str
    overwrite: bool
    as_json: bool
    told: bool  # a terminal hears of it
    hint: str = ""  # what may be wrong where something is not there


class _File(NamedTuple):
    """What has become of one."""

    item: Wanted
    is_new: bool  # downloaded now


def to_stdout(target: Target) -> None:
    """Write one object to stdout."""
    with client() as s3:
        try:
            found = s3.get(url_of(target.bucket, target.key), return_info=False)
        except MetaflowS3NotFound as error:
            raise _no_object(s3, target, error) from error
        with open(str(found.path), "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, COPIED)
        sys.stdout.buffer.flush()


def _no_object(s3: S3, target: Target, error: MetaflowS3NotFound) -> MetaflowS3NotFound:
    """What a terminal is told of one object that is missing: what to write where it is a directory comes first."""
    if error.s3_code == "NoSuchBucket":
        return error
    return MetaflowS3NotFound(_add_a_slash(s3, target) or f"There is no object {shown(target.url, MOST_URL)}.")


def _add_a_slash(s3: S3, target: Target) -> str:
    """A hint where what was named is a directory; nothing where it is not."""
    if not is_directory(s3, target.bucket, target.key):
        return ""
    url = shown(target.url, MOST_URL)
    return f"There is no object {url}, but a directory of that name. To download what is in it, add a slash: {url}/"


def to_files(request: Request) -> None:
    """Download into files."""
    directory, name = _where(request)
    if any(request.many) or len(request.targets) > FEW_PIECES:
        worker_pool.shared.start(processors())  # while boto3 is imported
    there = os.path.isdir(directory)
    with client(progress=None if request.told else False) as s3:
        try:
            _Downloads(s3, request, directory, name).run()
        finally:
            if not there and os.path.isdir(directory) and not os.listdir(directory):
                os.rmdir(directory)


def _where(request: Request) -> "tuple[str, Optional[str]]":
    """The directory of the files, and the name in it, where there is one file and its name was given."""
    destination = request.destination
    several = any(request.many) or len(request.targets) > 1
    if several or destination.endswith("/") or os.path.isdir(destination):
        if os.path.lexists(destination) and not os.path.isdir(destination):
            raise click.UsageError(f"{destination!r} is not a directory, and several objects do not go into one file.")
        return destination, None
    folder, name = os.path.split(destination)
    return folder or ".", name


class _Downloads:
    """One command's downloads."""

    def __init__(self, s3: S3, request: Request, directory: str, name: Optional[str]) -> None:
        self._s3 = s3
        self._request = request
        self._directory = directory
        self._name = name
        self._download = FileDownload(os.path.abspath(directory), s3._executor)
        # Local files and objects, by hash: two objects of one name come of several URLs, or where case does not count.
        self._taken: dict[int, int] = {}
        self._named: dict[str, Target] = {}  # URLs of objects, not of prefixes

    def run(self) -> None:
        """Download what can be; raise one exception for the rest."""
        began = time.monotonic()
        count = size = there = 0
        for batch in self._batches():
            files = self._delivered(batch)
            new = [item.size for item, is_new in files if is_new]
            count, size, there = count + len(new), size + sum(new), there + len(files) - len(new)
            if self._request.as_json:
                print_lines(
                    json_line(url=url, path=os.path.join(self._directory, name), size=bytes_)
                    for (url, name, bytes_, _), _ in files
                )
        told = counted(count, "object")
        if count:
            told += f", {size_shown(size, human=True)}, in {duration(time.monotonic() - began)}"
        Remarks(self._request.told).tell(f"Downloaded {told}{there_shown(there)}.")
        self._raise_for_left_out(count + there)

    def _raise_for_left_out(self, done: int) -> None:
        left_out = self._download.left_out
        try:
            left_out.raise_if_any(done, "downloaded")
        except MetaflowS3NotFound as error:
            named = [target for url, target in self._named.items() if url in left_out.reasons]
            if not named:
                raise
            if len(left_out.reasons) == 1:
                told = [str(_no_object(self._s3, named[0], error)), self._request.hint]
                raise MetaflowS3NotFound(" ".join(filter(None, told))) from error
            told = [str(error), *filter(None, (_add_a_slash(self._s3, one) for one in named[:FEW])), self._request.hint]
            raise MetaflowS3NotFound("\n".join(filter(None, told))) from error

    def _delivered(self, batch: "list[Wanted]") -> "list[_File]":
        """Download what is not there already; what are files now, with their sizes."""
        batch = self._without_missing(batch)
        found = self._download.fetch(batch, self._request.overwrite)
        files = [(item, file) for item, file in zip(batch, found) if file is not None]
        return [
            _File(item._replace(size=os.path.getsize(path)) if item.size == UNKNOWN else item, is_new)
            for item, (path, is_new) in files
        ]

    def _without_missing(self, batch: "list[Wanted]") -> "list[Wanted]":
        """Leave out objects that were named, are not there, and have a local directory in their place.

        A directory of S3 whose slash was forgotten is no object, and that is to be told before anybody looks at what is
        in the way here.
        """
        named = [one.url for one in batch if one.size == UNKNOWN and self._is_directory(one.name)]
        missing: set[str] = set()
        if named:
            with suppress(MetaflowS3AccessDenied):  # who may not ask is told what is in the way
                missing = {one.url for one in self._s3.info_many(named, return_missing=True) if not one.exists}
        for url in missing:
            self._download.left_out.note(url, MetaflowS3NotFound(f"There is no object {url} (NoSuchKey)."))
        return [one for one in batch if one.url not in missing]

    def _is_directory(self, name: str) -> bool:
        return os.path.isdir(os.path.join(self._directory, name))

    def _batches(self) -> "Iterator[list[Wanted]]":
        named = [target for target, many in zip(self._request.targets, self._request.many) if not many]
        self._named.update((target.url, target) for target in named)
        batch = [one for target in named for one in self._items(target, [Entry(target.key, UNKNOWN)], target.folder)]
        if batch:
            yield batch
        for target, many in zip(self._request.targets, self._request.many):
            if many:
                yield from self._listed(target)

    def _listed(self, target: Target) -> "Iterator[list[Wanted]]":
        found = False
        with found_ahead(self._s3, target, self._download.wants_times(self._request.overwrite)) as pages:
            for page in pages:
                # As much as has been listed: the more there are at a time, the seldomer workers wait for the last.
                together = [page, *pages.ready(0.0 if found else HEAD_START)]
                found = True
                batch = list(self._items(target, chain.from_iterable(together), target.stem))
                if batch:
                    yield batch
        if not found:
            self._download.left_out.note(target.url, MetaflowS3NotFound(target.nothing()))

    def _items(self, target: Target, objects: "Iterable[Entry]", base: str) -> "Iterator[Wanted]":
        """Objects and their files, named by what follows `base`."""
        for one in objects:
            url = url_of(target.bucket, one.key)
            name = self._name or one.key[len(base) :]
            if self._is_new(url, name):
                yield Wanted(url, name, one.size or 0, modified_of(one))

    def _is_new(self, url: str, name: str) -> bool:
        """Whether an object has not been taken before, nor another one for its file."""
        ignores_case = self._download.ignores_case()
        if len(self._request.targets) == 1 and not ignores_case:
            return True  # and a million keys need not be remembered
        place, one = hash(local_paths.folded(name) if ignores_case else name), hash(url)
        if place not in self._taken:
            self._taken[place] = one
            return True
        if self._taken[place] != one:
            told = f"'{shown(url)}' is left out: another object has become '{shown(name)}'."
            self._download.left_out.note(url, MetaflowS3URLException(told))
        return False
