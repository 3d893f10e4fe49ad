"""The method of `S3` that copies everything under a prefix, and makes mirrors within S3."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Optional, Union

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.arguments import check_booleans, key_of
from metaflow_extensions.fasts3.api.copy import SAME, CopyMethods, CopyRequest
from metaflow_extensions.fasts3.api.delete import DeleteMethods
from metaflow_extensions.fasts3.api.errors import (
    MOST_URL,
    MetaflowS3AccessDenied,
    MetaflowS3InvalidObject,
    MetaflowS3NotFound,
    shown,
)
from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.location import as_directory, split_object_url, split_url
from metaflow_extensions.fasts3.api.mirrors import NOTHING_DELETED, StoredDestination, check_prefix, check_source
from metaflow_extensions.fasts3.api.other_names import is_nested, other_name
from metaflow_extensions.fasts3.api.path_patterns import PathPatterns, Patterns
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3transfers import S3Transfers
from metaflow_extensions.fasts3.plans.heads import TolerantHeads
from metaflow_extensions.fasts3.plans.listings import Listing
from metaflow_extensions.fasts3.wire.conditions import same_etag
from metaflow_extensions.fasts3.wire.copies import Source
from metaflow_extensions.fasts3.wire.transfers import PutHeaders

_MD5 = re.compile(r'"?[0-9a-f]{32}"?')  # the ETag of one request that is perhaps the MD5 of its bytes


class _Pair(NamedTuple):
    """A listed object, and the one that the target has in its place."""

    name: str  # after the prefix
    source: Any  # `DetailedObject`
    copy: Any


class RecursiveCopyMethods(CopyMethods, DeleteMethods):
    """copy_recursive."""

    def copy_recursive(
        self,
        prefix: Union[str, S3Object],
        target: Optional[str] = None,
        overwrite: bool = True,
        content_type: Optional[str] = None,
        metadata: Optional[dict[str, Any]] = None,
        encryption: Optional[str] = None,
        extra_args: Optional[dict[str, Any]] = None,
        include: Patterns = None,
        exclude: Patterns = None,
        delete: bool = False,
        allow_empty: bool = False,
        dry_run: bool = False,
        compare: bool = False,
    ) -> S3Transfers:
        """
        Copy all objects under a prefix within S3 in parallel.

        The prefix is listed before the first copy, and an object is copied before another one replaces it. So the
        target may be inside the prefix, or around it.

        Parameters
        ----------
        prefix : Union[str, S3Object]
            Prefix to copy: an S3 URL, also on a client with a root; a path relative to the root; or a directory of
            `list_paths`. A prefix is a directory: 'log' matches all keys under 'log/'.
        target : str, optional, default None
            Destination: '<prefix>/a/1.bin' becomes '<target>/a/1.bin'. The root of this client if None.
        overwrite : bool, default True
            If False, objects that exist are not replaced.
        content_type, metadata, encryption, extra_args
            Of all copies; see `copy`. With `compare`, objects that are not copied keep theirs.
        include, exclude : Union[str, Iterable[str]], optional, default None
            `fnmatch` patterns for the part of the key after the prefix, e.g. '*.csv' or 'a/*'; `*` also matches
            slashes. All objects if `include` is None, except those that match `exclude`.
        delete : bool, default False
            If True, make the target a mirror: after all copies have succeeded, delete the objects under it that match
            `include` and not `exclude` and have no source. Nothing is deleted if any object could not be copied. A
            whole bucket raises, and so does a target inside the prefix, or around it. See docs/mirrors.md.
        allow_empty : bool, default False
            If True, a prefix without objects does not raise, and `delete` also applies if there is nothing to copy.
        dry_run : bool, default False
            If True, copy and delete nothing, and return what the call would have done.
        compare : bool, default False
            If True, do not copy objects that the target seems to have, with the same size and ETag. If ETags can't be
            compared, because objects were stored in parts or are encrypted with KMS, the same size and a newer object
            in the target are enough; this object may be a copy of another source, or changed by another client.

        Returns
        -------
        S3Transfers
            A list of `(key, url)` of each copy, in key order. The attribute `unchanged` has those of the objects that
            the target had already, and `deleted` the URLs of deleted objects.

        Raises
        ------
        MetaflowS3NotFound
            No objects are under the prefix, and `allow_empty` is False.
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3InvalidObject, MetaflowS3URLException, \
MetaflowS3Exception
            As for `copy_many`. Objects whose keys would be too long under the target are skipped, and named. Likewise
            for objects that could not be deleted.
        """
        check_booleans(overwrite=overwrite, delete=delete, allow_empty=allow_empty, dry_run=dry_run, compare=compare)
        given = self._given("the copies", content_type, metadata, encryption, extra_args)
        patterns = PathPatterns(include, exclude)
        below, to = self._url_of_source(prefix), self._location.url(key_of(target))
        if as_directory(below) == as_directory(to) and (delete or given == PutHeaders()):
            raise MetaflowS3InvalidObject(SAME.format(shown(below, MOST_URL)))
        if delete:
            _check_mirror(as_directory(below), as_directory(to))
        compare = compare and as_directory(below) != as_directory(to)  # otherwise, headers change in place
        # The target is listed before the source, so that a mirror keeps objects that others store in the meantime.
        stored = self._stored_below(to, delete) if delete or not overwrite or compare else []
        listing = Listing(*split_url(as_directory(below)), details=True)
        entries = self._list([listing])[0]
        if entries and is_nested(below, to):
            first = f"s3://{listing.bucket}/{entries[0].key}"
            self._refuse_other_name(first, other_name(first, as_directory(below), as_directory(to)))
        left_out = LeftOut(self._executor)
        if not entries and not allow_empty:
            left_out.note(below, MetaflowS3NotFound(self._nothing_below(below)))
        found = {name: one for one in entries if patterns.select(name := one.key[len(listing.prefix) :])}
        left = self._unchanged(found, listing.bucket, to, stored, overwrite) if compare or not overwrite else set()
        result = S3Transfers()
        requests = list(self._requests_below(found, listing.bucket, to, left, left_out, result))
        self._copy_all(requests, overwrite, given, left_out, result, NOTHING_DELETED if delete else "", dry_run)
        if delete:
            # "" is the object that stands for the prefix itself, as S3's console creates it.
            check_source(f"'{shown(below, MOST_URL)}'", not any(found), allow_empty)
            mirror = StoredDestination(*split_url(as_directory(to)), patterns, stored)
            self._delete_others(mirror.others(found), result, dry_run)
        return result

    def _stored_below(self, to: str, delete: bool) -> Sequence[Any]:
        """The objects under the target; none if this identity may not list it, which raises for a mirror."""
        try:
            return self._list([Listing(*split_url(as_directory(to)), details=True)])[0]
        except (MetaflowS3AccessDenied, MetaflowS3NotFound):  # some servers create the bucket with its first object
            if delete:
                raise
            return []

    def _requests_below(
        self,
        found: "dict[str, Any]",
        bucket: str,
        to: str,
        left: "set[str]",
        left_out: LeftOut,
        result: S3Transfers,
    ) -> "Iterator[CopyRequest]":
        """The copies of objects, given by name; notes those that are left, and those with impossible keys."""
        root, to = self._location.root, as_directory(to)
        for name, one in found.items():
            url = to + name
            key = url[len(root) + 1 :] if root else url
            if name in left:
                result.unchanged.append((key, url))
                continue
            try:
                split_object_url(url)
            except MetaflowException as error:
                if name or one.size:  # an empty object that marks the prefix as a directory needs no copy in a bucket
                    left_out.note(f"s3://{bucket}/{one.key}", error)
            else:
                yield CopyRequest(key, url, Source(bucket, one.key), None, one.size or 0)

    def _unchanged(
        self, found: "dict[str, Any]", bucket: str, to: str, stored: Sequence[Any], overwrite: bool
    ) -> "set[str]":
        """The names of the objects that need no copy."""
        start = len(split_url(as_directory(to))[1])
        both = [(name, found[name], one) for one in stored if (name := one.key[start:]) in found]
        if not overwrite:
            return {name for name, _, _ in both}
        verdicts = [(_is_copy(source, copy), _Pair(name, source, copy)) for name, source, copy in both]
        left = {pair.name for verdict, pair in verdicts if verdict}
        unclear = [pair for verdict, pair in verdicts if verdict is None]
        return left | self._with_other_etags(unclear, bucket, split_url(to)[0])

    def _with_other_etags(self, pairs: "Sequence[_Pair]", bucket: str, target: str) -> "set[str]":
        """The names of objects of which an ETag is no MD5, because S3 encrypts the source or the copy with KMS."""
        if not pairs:
            return set()
        places = [((bucket, one.source.key), (target, one.copy.key)) for one in pairs]
        plan = TolerantHeads([place for both in places for place in both], missing_ok=True)
        self._executor.run(plan, Place.WORKERS)
        infos = zip(plan.results[::2], plan.results[1::2])
        return {
            one.name
            for one, both in zip(pairs, infos)
            if any(info and (info.encryption or "").startswith("aws:kms") for info in both)
        }


def _is_copy(source: Any, copy: Any) -> Optional[bool]:
    """Whether a listed object is a copy of another one; None if that depends on their encryption.

    A copy is younger than its source. Its ETag is the same, unless one of them was stored in parts, or its ETag is no
    MD5. Two MD5s that differ are of different contents.
    """
    if source.size != copy.size:
        return False
    if source.etag and (source.etag == copy.etag or same_etag(source.etag, copy.etag)):
        return True
    if source.modified is None or copy.modified is None or copy.modified <= source.modified:
        return False
    return None if _MD5.fullmatch(source.etag) and _MD5.fullmatch(copy.etag) else True


def _check_mirror(below: str, to: str) -> None:
    """Raise an exception for a mirror that is a whole bucket, or that is inside its source or around it."""
    check_prefix(*split_url(to))
    if below.startswith(to) or to.startswith(below):
        raise MetaflowS3InvalidObject(
            f"'{shown(below, MOST_URL)}' and '{shown(to, MOST_URL)}' overlap, so one can't be the mirror of the other."
        )
