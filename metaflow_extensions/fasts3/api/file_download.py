"""Downloads into the user's directory: each file appears atomically under its name, once it is complete."""

import os
import stat
from collections.abc import Sequence
from functools import partial
from typing import Callable, NamedTuple, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api import file_delivery, local_paths, partial_downloads
from metaflow_extensions.fasts3.api.errors import (
    MOST_URL,
    MetaflowS3InsufficientDiskSpace,
    MetaflowS3URLException,
    exception_of_files,
    shown,
)
from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.executor import Executor
from metaflow_extensions.fasts3.api.file_times import Comparison, compare_with_listing, is_as_delivered, status_of
from metaflow_extensions.fasts3.api.local_paths import INSTEAD, Target
from metaflow_extensions.fasts3.api.location import split_object_url
from metaflow_extensions.fasts3.api.partial_downloads import PartialDownloads
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.temporary_directory import TemporaryDirectory
from metaflow_extensions.fasts3.plans.download import Download, Downloaded
from metaflow_extensions.fasts3.plans.heads import TolerantHeads
from metaflow_extensions.fasts3.plans.refusals import Refusals
from metaflow_extensions.fasts3.plans.resumable_downloads import ResumableDownloads

PROBES = 4  # objects for which a HEAD request is sent although their time in the listing differs
ELSEWHERE = "Downloads need a directory that can be written. Give another one, or change its permissions."


class WantedFile(NamedTuple):
    """An object to download into a file."""

    url: str
    name: str  # the key after the prefix
    size: Optional[int]  # bytes; None: the object was not listed
    modified: Optional[float] = None  # Unix timestamp of the listing
    etag: Optional[str] = None  # of the listing
    version_id: Optional[str] = None  # None: the current version


class Placed(NamedTuple):
    """The file of an object."""

    path: str
    is_new: bool  # downloaded now; False: it was up to date
    size: int  # bytes; of an object that was not listed, and whose file was up to date, those of the file
    etag: Optional[str] = None  # of the object in the file, if known


class FileDownload:
    """Files for one directory, an absolute path; it is created if necessary.

    `left_out` has the skipped objects, with the reasons. A dry run writes nothing; `fetch` returns the files that there
    would be.
    """

    def __init__(self, directory: str, executor: Executor, dry_run: bool = False) -> None:
        self._directory = directory
        self._executor = executor
        self._dry_run = dry_run
        self.left_out = LeftOut(executor)
        self._ignores_case: Optional[bool] = None  # not known yet

    def ignores_case(self) -> bool:
        """Whether the file system ignores case; creates the directory if necessary, except for a dry run."""
        if self._ignores_case is None and self._dry_run:
            self._ignores_case = local_paths.seems_to_ignore_case(self._directory)
        elif self._ignores_case is None:
            self._ignores_case = ignores_case_in(self._directory)
        return self._ignores_case

    def wants_times(self, overwrite: bool) -> bool:
        """Whether `fetch` will compare the times of objects and files: not if there are no files."""
        try:
            with os.scandir(self._directory) as found:
                return overwrite and any(True for _ in found)
        except OSError:
            return False

    def fetch(self, objects: Sequence[WantedFile], overwrite: bool, compare: bool = True) -> list[Optional[Placed]]:
        """Download objects, except for skipped ones and those whose files are up to date.

        Returns the file of each object; None for skipped objects and those that represent a directory. `overwrite`
        replaces existing files that differ; without `compare`, also those that are up to date. A failure that affects
        all objects raises: S3 can't be reached, the disk is full.
        """
        ignores_case = self.ignores_case()
        there: list[Optional[Placed]] = [None] * len(objects)
        if overwrite and compare and not ignores_case:
            there = self._up_to_date(objects)
        rest = [one for one, file in zip(objects, there) if file is None]
        if not rest:
            return there
        if self._dry_run:
            fetched = iter(self._fetch(rest, overwrite, compare, ignores_case, None))
        else:
            # Inside the directory, because a file can be moved atomically only within one file system.
            temporary = TemporaryDirectory(self._directory, remedy=ELSEWHERE)
            try:
                fetched = iter(self._fetch(rest, overwrite, compare, ignores_case, temporary))
            finally:
                temporary.remove()
        return [next(fetched) if file is None else file for file in there]

    def _up_to_date(self, objects: Sequence[WantedFile]) -> list[Optional[Placed]]:
        """The files that are up to date by the listing, which most usually are; None for all that need a closer look.

        No file has another object for it: names are distinct, and no links lead to the directories.
        """
        found: list[Optional[Placed]] = [None] * len(objects)
        names = {one.name for one in objects}
        folders = {name.rpartition("/")[0] for name in names}
        real = os.path.join(os.path.realpath(self._directory), "")
        if len(names) < len(objects) or any(map(partial(_is_odd, real), folders)):
            return found
        given = os.path.join(self._directory, "")
        for number, (_, name, size, modified, etag, _) in enumerate(objects):
            path = given + name
            status = status_of(path) if modified is not None and local_paths.is_plain(name) else None
            if not status or status.st_size != size or not stat.S_ISREG(status.st_mode):
                continue
            if compare_with_listing(status.st_mtime_ns, modified, etag) is Comparison.SAME:
                found[number] = Placed(path, False, size, etag)
        return found

    def _fetch(
        self,
        objects: Sequence[WantedFile],
        overwrite: bool,
        compare: bool,
        ignores_case: bool,
        temporary: Optional[TemporaryDirectory],
    ) -> list[Optional[Placed]]:
        names = [(url, name) for url, name, size, *_ in objects if self._may_be_here(url, name, size)]
        targets = local_paths.targets(self._directory, names, ignores_case, self.left_out.note)
        targets = local_paths.make_parents(
            self._directory, targets, ignores_case, self.left_out.note, create=not self._dry_run
        )
        targets = [target for target in targets if not target.path.endswith("/")]
        places = [local_paths.target_of(self._directory, one.url, one.name) for one in objects]
        wanted: dict[Target, WantedFile] = {}
        is_first = [wanted.setdefault(place, one) is one for place, one in zip(places, objects)]
        missing = self._missing(targets, wanted, overwrite) if compare or not overwrite else targets
        files = {one: self._placed(one, wanted[one], False) for one in set(targets).difference(missing)}
        if temporary is None:
            files.update((one, self._placed(one, wanted[one], True)) for one in missing)
        elif missing:
            files.update(self._download([(one, wanted[one]) for one in missing], overwrite, temporary))
        # `targets` has refused other versions of the same object for the same file.
        return [files.get(place) if first else None for place, first in zip(places, is_first)]

    def _placed(self, target: Target, wanted: WantedFile, is_new: bool) -> Placed:
        """A file that was not downloaded."""
        size = wanted.size
        if size is None:
            status = status_of(target.path)
            size = status.st_size if status else 0
        return Placed(target.path, is_new, size, wanted.etag)

    def _may_be_here(self, url: str, name: str, size: Optional[int]) -> bool:
        """Whether an object can be a file or a directory below this one."""
        if name and not name.endswith("/"):
            return True
        if size != 0:
            reason = "its key ends with a slash like that of a directory"
            if size is not None:
                reason += f", but it has {size} bytes"
            self.left_out.note(
                url, MetaflowS3URLException(f"'{shown(url, MOST_URL)}' can't be a local file: {reason}. {INSTEAD}")
            )
        return bool(name) and size == 0

    def _missing(self, targets: list[Target], wanted: dict[Target, WantedFile], overwrite: bool) -> list[Target]:
        """The files to download."""
        there = [status_of(target.path) for target in targets]
        if not overwrite:
            return [target for target, status in zip(targets, there) if status is None]
        current: set[str] = set()  # paths
        unclear: list[Target] = []
        later: list[Target] = []  # by the listing, the object or the file has changed
        for one, status in zip(targets, there):
            if not status or wanted[one].size not in (None, status.st_size) or not stat.S_ISREG(status.st_mode):
                continue
            verdict = compare_with_listing(status.st_mtime_ns, wanted[one].modified, wanted[one].etag)
            if verdict is Comparison.SAME:
                current.add(one.path)
            elif verdict is Comparison.UNCLEAR:
                unclear.append(one)
            else:
                later.append(one)
        current |= self._current(unclear + later[:PROBES], wanted)
        if any(one.path in current for one in later[:PROBES]):  # the times of the listing differ from the headers
            current |= self._current(later[PROBES:], wanted)
        return [target for target in targets if target.path not in current]

    def _current(self, targets: list[Target], wanted: dict[Target, WantedFile]) -> set[str]:
        """The paths of files that are up to date, by the headers of their objects."""
        if not targets:
            return set()
        objects = [(*split_object_url(target.url), wanted[target].version_id) for target in targets]
        heads = TolerantHeads(objects, missing_ok=True)
        self._executor.run(heads, Place.WORKERS)
        return {
            target.path for target, info in zip(targets, heads.results) if info and is_as_delivered(target.path, info)
        }

    def _download(
        self, objects: Sequence[tuple[Target, WantedFile]], overwrite: bool, temporary: TemporaryDirectory
    ) -> dict[Target, Placed]:
        """Download objects into their files; return those that succeeded."""
        name = temporary.namer()
        wanted = [Download(*split_object_url(one.url), size=one.size, version_id=one.version_id) for _, one in objects]
        mode = file_delivery.mode_of_new_files(name("mode"))
        delivered: dict[Target, Placed] = {}

        def deliver(number: int, result: Downloaded) -> bool:
            target = objects[number][0]
            try:
                is_new = file_delivery.deliver(result, target, self._directory, mode, overwrite)
            except MetaflowS3InsufficientDiskSpace:
                raise
            except MetaflowException as error:
                self.left_out.note(target.url, error)
                return False
            response = result.response
            delivered[target] = Placed(target.path, is_new, response.length, response.info.etag or None)
            return True

        refusals = Refusals()
        step = self._executor.part_size
        large = [partial_downloads.Resumable(target.url, target.path, one.size) for target, one in objects]
        with PartialDownloads(self._directory, large, step + step // 2 + 1) as partials:
            paths = [name(one.key) for one in wanted]
            plan = _Delivered(deliver, partials, wanted, paths, step, refusals)
            self._executor.run(plan, Place.WORKERS)
        self.left_out.note_refusals(refusals.by_url)
        return delivered


class _Delivered(ResumableDownloads):
    """`Plan` for downloads that delivers each one as soon as it is complete."""

    def __init__(
        self,
        deliver: Callable[[int, Downloaded], bool],
        partials: PartialDownloads,
        wanted: Sequence[Download],
        paths: Sequence[str],
        step: int,
        refusals: Refusals,
    ) -> None:
        super().__init__(wanted, paths, partials.claim, step, refusals)
        self._deliver = deliver
        self._partials = partials

    def _finish(self, index: int, result: Optional[Downloaded]) -> None:
        super()._finish(index, result)
        if result is None or self._deliver(index, result):
            self._partials.done(index)


def ignores_case_in(directory: str) -> bool:
    """Whether the file system of a directory ignores case; creates the directory if necessary."""
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        problem = f"Could not create the directory '{shown(directory)}'"
        raise exception_of_files(problem, error, "Give a directory, or a path where one can be created.") from error
    probe = TemporaryDirectory(directory, remedy=ELSEWHERE)
    try:
        return local_paths.ignores_case(probe.path())
    finally:
        probe.remove()


def _is_odd(root: str, folder: str) -> bool:
    """Whether a directory below another one is reached through a link, or can't be one."""
    try:
        return folder != "" and os.path.realpath(root + folder) != root + folder
    except ValueError:  # a NUL
        return True
