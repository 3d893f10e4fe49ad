"""Uploads of local files that are not stored already."""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from metaflow_extensions.fasts3.api.content_types import content_type_of
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.put import PutMethods
from metaflow_extensions.fasts3.api.put_arguments import PutArguments
from metaflow_extensions.fasts3.api.storing import to_store
from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.plans.changed_uploads import Candidate, ChangedUploads
from metaflow_extensions.fasts3.plans.hashing import HashThreads
from metaflow_extensions.fasts3.plans.refusals import Refusals
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.local_files import Version


class FileToStore(NamedTuple):
    """A local file, and the object that it becomes."""

    key: str  # as the user would give it
    url: str
    bucket: str
    name: str  # the key in the bucket
    path: str  # absolute
    version: Version


class ChangedFileMethods(PutMethods):
    """Holds a method for `upload`."""

    def _store_files(
        self,
        files: Sequence[FileToStore],
        content_type: Optional[str],
        overwrite: bool,
        refusals: Refusals,
        compare: bool,
        extra_args: Optional[dict[str, Any]] = None,
        listed: Optional[Sequence[Any]] = None,
        dry_run: bool = False,
    ) -> list[bool]:
        """Upload files; return whether each was uploaded, or with `dry_run` would be. Record failures of single files.

        Without another content type, each has the one that its name suggests. With `compare`, or without `overwrite`,
        files that are stored already are not sent. `listed` has the objects under their common prefix, if they are
        known.
        """
        if not files:
            return []
        # Raises for invalid arguments, which all files have.
        self._headers(PutArguments(files[0].key, None, content_type, extra_args=extra_args))
        if dry_run and overwrite and not compare:
            return [True] * len(files)
        number, condition = uuid.uuid4().hex, None if overwrite else ABSENT

        def upload(index: int) -> Upload:
            key, url, _, _, path, version = files[index]
            kind = content_type_of(path)
            item = PutArguments(key, None, content_type, extra_args=extra_args, suggested_type=kind)
            return to_store(self._from_file(item, path, version), url, condition, number)

        candidates = [Candidate(one.bucket, one.name, one.version.size, one.path, condition) for one in files]
        with HashThreads(processors()) as hashing:
            plan = ChangedUploads(
                candidates,
                self._executor.settings().part_size,
                make=upload,
                hashing=hashing,
                refusals=refusals,
                compare=compare or not overwrite,
                listed=listed,
                dry_run=dry_run,
            )
            self._executor.run(plan, Place.WORKERS)
        return plan.stored
