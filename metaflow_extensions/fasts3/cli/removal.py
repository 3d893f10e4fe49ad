"""The second half of a move: deletes sources that were copied, if they have not changed since."""

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import (
    MOST_URL,
    MetaflowS3InvalidObject,
    MetaflowS3PreconditionFailed,
    exception_of_files,
    shown,
)
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.cli.transfers import Report
from metaflow_extensions.fasts3.wire.conditions import same_etag
from metaflow_extensions.fasts3.wire.local_files import Identity, identity_of


def remove_objects(s3: S3, objects: "Sequence[S3Object]", report: Report) -> "list[S3Object]":
    """Delete objects that were copied; note those that have been replaced, or could not be deleted.

    Parameters
    ----------
    s3 : S3
    objects : sequence of S3Object
        With the ETag of what was copied.
    report : Report

    Returns
    -------
    list of S3Object
        Those that were deleted, or no longer existed.
    """
    # Not every server compares ETags when it deletes, so the client compares them before.
    now = s3.info_many([one.url for one in objects], return_missing=True) if objects else []
    same = [one for one, info in zip(objects, now) if not info.exists or _is_same(one, info)]
    unchanged = set(map(id, same))
    for one in objects:
        if id(one) not in unchanged:
            why = "it was replaced in the meantime" if one.etag else "S3 sends no ETag that identifies it"
            problem = f"'{shown(one.url, MOST_URL)}' was copied, but not deleted: {why}."
            report.left_out.note(one.url, MetaflowS3PreconditionFailed(problem))
    if same:
        report.call(lambda: s3.delete_many(same))
    return [one for one in same if one.url not in report.left_out.reasons]


def _is_same(one: S3Object, now: S3Object) -> bool:
    return bool(one.etag and now.etag) and same_etag(str(one.etag), str(now.etag))


class FileState(NamedTuple):
    """The identity of a file, and perhaps of the link to it, as opposed to later files with its name."""

    link: Identity
    file: Identity


def state_of(path: str) -> Optional[FileState]:
    """The state of a file; None if there is none."""
    try:
        return FileState(identity_of(os.lstat(path)), identity_of(os.stat(path)))
    except OSError:
        return None


def _is_still(path: str, before: Optional[FileState]) -> bool:
    """Whether a file, and a link to it, are those of an earlier state."""
    try:
        return before is not None and before.link.is_of(os.lstat(path)) and before.file.is_of(os.stat(path))
    except OSError:
        return False


def remove_files(paths: "Iterable[str]", before: "dict[str, Optional[FileState]]", report: Report) -> "set[str]":
    """Delete files that were uploaded, unless they have changed since; note these. Return the deleted ones.

    Of a link, the link is deleted, and not the file that it leads to.
    """
    files = list(paths)
    # All links are compared before the first deletion, because they may lead to one of the files, or to each other.
    links = {path: _is_still(path, before.get(path)) for path in files if os.path.islink(path)}
    removed: set[str] = set()
    for path in sorted(files, key=lambda path: path not in links):
        is_still = links[path] if path in links else _is_still(path, before.get(path))
        error = _remove(path, is_still)
        if error:
            report.left_out.note(path, error)
        else:
            removed.add(path)
    return removed


def _remove(path: str, is_still: bool) -> Optional[MetaflowException]:
    """Delete a file that has not changed; return what prevented it."""
    name = shown(path, MOST_URL)
    if not is_still:
        return MetaflowS3InvalidObject(f"'{name}' was uploaded, but not deleted: it changed in the meantime.")
    try:
        os.unlink(path)
    except OSError as error:
        return exception_of_files(f"'{name}' was uploaded, but could not be deleted", error, "Check its permissions.")
    return None
