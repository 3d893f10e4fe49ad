"""What ``metaflow fasts3 get`` does: list, download, and give files their names, all at the same time."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple, Optional

from metaflow._vendor import click

from ..face.engine import FEW_PIECES, _processors
from ..face.location import split_object_url
from ..face.s3 import S3
from ..pool import worker_pool
from .client import client, found_ahead
from .endings import sentence_of
from .local_files import Placing, local_path, made_directory
from .output import Remarks, count_shown, json_line, print_lines, remark, size_shown
from .targets import Target, url_of

COPIED = 2**20  # bytes at a time, to stdout


class Request(NamedTuple):
    """What is to be downloaded."""

    targets: "list[Target]"
    many: "list[bool]"  # for each, whether it means all that is below it or fits
    destination: str
    overwrite: bool
    as_json: bool
    told: bool  # a terminal hears of it


class _Item(NamedTuple):
    """One object."""

    url: str
    path: str  # the local file


def to_stdout(target: Target) -> None:
    """Write one object to stdout."""
    url = url_of(*split_object_url(url_of(target.bucket, target.key)))
    with client() as s3:
        found = s3.get(url, return_info=False)
        with open(str(found.path), "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, COPIED)
        sys.stdout.buffer.flush()


def to_files(request: Request) -> int:
    """Download into files; how many could not be."""
    directory, name = _where(request)
    if any(request.many) or len(request.targets) > FEW_PIECES:
        worker_pool.shared.start(_processors())  # while boto3 is imported
    # Below the destination, for a file gets its name only within a file system.
    with made_directory(directory), client(directory, None if request.told else False) as s3:
        return _Downloads(s3, request, directory, name).run()


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
        self._placing = Placing(request.overwrite)
        # Local files and objects, by hash: two objects of one name can only come of several URLs.
        self._taken: Optional[dict[int, int]] = {} if len(request.targets) > 1 else None
        self._failed = 0

    def run(self) -> int:
        began = time.monotonic()
        count = size = 0
        for batch in self._batches():
            # What was listed and is gone by now is missing, and not the end of all.
            found = self._s3.get_many([item.url for item in batch], return_missing=True, return_info=False)
            lines = []
            for item, one in zip(batch, found):
                if one.size is None:
                    self._fail(f"There is no object {item.url}. (A directory's URL ends in a slash.)")
                elif self._place(str(one.path), item):
                    count, size = count + 1, size + one.size
                    if self._request.as_json:
                        lines.append(json_line(url=item.url, path=item.path, size=one.size))
            print_lines(lines)
        told = f"Downloaded {count_shown(count, 'object')}, {size_shown(size, human=True)}"
        Remarks(self._request.told).tell(f"{told}, in {time.monotonic() - began:.1f} s.")
        return self._failed

    def _place(self, source: str, item: _Item) -> bool:
        try:
            self._placing.place(source, item.path)
        except OSError as error:
            self._fail(f"{item.url} can't be stored as {item.path}: {sentence_of(error)}")
            return False
        return True

    def _fail(self, sentence: str) -> None:
        self._failed += 1
        remark(sentence)

    def _batches(self) -> "Iterator[list[_Item]]":
        exact = [target for target, many in zip(self._request.targets, self._request.many) if not many]
        items = [self._item(target, target.key, 1, target.folder) for target in exact]
        batch = [item for item in items if item]
        if batch:
            yield batch
        for target, many in zip(self._request.targets, self._request.many):
            if many:
                yield from self._listed(target)

    def _listed(self, target: Target) -> "Iterator[list[_Item]]":
        found = False
        with found_ahead(self._s3, target) as pages:
            for page in pages:
                found = True
                # As much as has been listed: the more there are at a time, the seldomer workers wait for the last.
                entries = [entry for entries in [page, *pages.ready()] for entry in entries]
                items = (self._item(target, entry.key, entry.size, target.stem) for entry in entries)
                batch = [item for item in items if item]
                if batch:
                    yield batch
        if not found:
            raise click.ClickException(target.nothing())

    def _item(self, target: Target, key: str, size: Optional[int], base: str) -> Optional[_Item]:
        """An object and its file, named by what follows `base`; None for one that is not to be downloaded."""
        bucket, key = split_object_url(url_of(target.bucket, key))
        url = url_of(bucket, key)
        if self._name is not None:
            path: Optional[str] = os.path.join(self._directory, self._name)
        elif key.endswith("/") and not size:
            return None  # what some programs store for an empty directory
        else:
            path = local_path(self._directory, key[len(base) :])
        if path is None:
            self._fail(f"{url} is left out: no file below {self._directory} can have its name.")
            return None
        if self._taken is not None and self._taken.setdefault(hash(path), hash(url)) != hash(url):
            self._fail(f"{url} is left out: another object has become {path}.")
            return None
        return _Item(url, path) if self._placing.wants(path) else None
