"""Uploads of local files that are not stored already."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.content_types import content_type_of
from metaflow_extensions.fasts3.api.directory_walk import LocalFile
from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.location import LONGEST_KEY, SCHEME, split_object_url
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.put import PutMethods, to_store
from metaflow_extensions.fasts3.api.put_arguments import PutArguments
from metaflow_extensions.fasts3.api.s3transfers import S3Transfers
from metaflow_extensions.fasts3.api.upload_sources import path_source
from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.plans.changed_uploads import Candidate, ChangedUploads
from metaflow_extensions.fasts3.plans.hashing import HashThreads
from metaflow_extensions.fasts3.plans.refusals import Refusals
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.local_files import Version

SHORT = LONGEST_KEY // 4  # characters of a URL whose key can't be too long; a character has up to four bytes


class UploadOptions(NamedTuple):
    """The arguments of `upload` that decide which files are sent, and how."""

    overwrite: bool
    compare: bool
    dry_run: bool
    content_type: Optional[str]  # None: that which the name of each file suggests
    extra_args: Optional[dict[str, Any]]

    def arguments(self, key: str, suggested_type: Optional[str] = None) -> PutArguments:
        """The arguments for one of the files."""
        return PutArguments(key, None, self.content_type, extra_args=self.extra_args, suggested_type=suggested_type)


class _Found(NamedTuple):
    """A file that can be uploaded."""

    file: LocalFile
    url: str  # of its object
    path: str  # absolute
    version: Version


class ChangedFileMethods(PutMethods):
    """Holds a method for `upload`."""

    def _store(
        self,
        files: Sequence[LocalFile],
        below: str,
        options: UploadOptions,
        left_out: LeftOut,
        listed: Optional[Sequence[Any]],
    ) -> S3Transfers:
        """Upload files, except for those that are stored already or skipped; return what `upload` returns.

        `listed` has the objects under the prefix `below`, if they are known.
        """
        start = self._location.url_to_store(f"{below}x")[:-1]
        bucket, _ = split_object_url(f"{start}x")  # raises for an invalid prefix, which all files have
        found = list(_possible(files, below, start, left_out))
        result, refusals = S3Transfers(), Refusals()
        if not found:
            return result
        self._headers(options.arguments(found[0].file.key))  # raises for invalid ones, which all files have
        if options.dry_run and options.overwrite and not options.compare:
            stored = [True] * len(found)
        else:
            stored = self._store_changed(bucket, found, options, refusals, listed)
        if refusals.by_url:
            left_out.note_refusals(refusals.by_url, {one.url: one.file.path for one in found})
        for one, is_new in zip(found, stored):
            if is_new:
                result.append((one.file.key, one.url))
            elif one.url not in refusals.by_url:
                result.unchanged.append((one.file.key, one.url))
        return result

    def _store_changed(
        self,
        bucket: str,
        found: Sequence[_Found],
        options: UploadOptions,
        refusals: Refusals,
        listed: Optional[Sequence[Any]],
    ) -> list[bool]:
        """Upload files; return whether each was uploaded, or for a dry run would be."""
        number, condition = uuid.uuid4().hex, None if options.overwrite else ABSENT

        def upload(index: int) -> Upload:
            file, url, path, version = found[index]
            item = options.arguments(file.key, content_type_of(path))
            return to_store(self._from_file(item, path, version), url, condition, number)

        start = len(f"{SCHEME}{bucket}/")
        candidates = [Candidate(bucket, one.url[start:], one.version.size, one.path, condition) for one in found]
        with HashThreads(processors()) as hashing:
            plan = ChangedUploads(
                candidates,
                self._executor.part_size,
                make=upload,
                hashing=hashing,
                refusals=refusals,
                compare=options.compare or not options.overwrite,
                listed=listed,
                dry_run=options.dry_run,
            )
            self._executor.run(plan, Place.WORKERS)
        return plan.stored


def _possible(files: Sequence[LocalFile], below: str, start: str, left_out: LeftOut) -> Iterator[_Found]:
    """The files that can be objects; `start` is the URL of the prefix. Notes the others."""
    for file in files:
        url = start + file.key[len(below) :]
        try:
            if len(url) > SHORT or file.version is None:
                split_object_url(url)
            path, version = file.absolute, file.version
            if version is None:
                path, version = path_source(file.key, file.path)
        except MetaflowException as error:
            left_out.note(file.path, error)
        else:
            yield _Found(file, url, path, version)
