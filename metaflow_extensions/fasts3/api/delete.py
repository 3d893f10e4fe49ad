"""The methods of `S3` that delete."""

from collections.abc import Iterable, Sequence
from typing import Any, Optional, Union

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.arguments import check_booleans, checked_version, several
from metaflow_extensions.fasts3.api.client import Client
from metaflow_extensions.fasts3.api.errors import (
    NO_METHOD,
    MetaflowS3Exception,
    MetaflowS3NotFound,
    MetaflowS3URLException,
    shown,
)
from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.location import as_directory, as_text, split_object_url, split_url
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3transfers import S3Transfers
from metaflow_extensions.fasts3.plans.deletions import Deletions, ListedDeletions, ToDelete
from metaflow_extensions.fasts3.plans.heads import Heads
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.listings import Listing, outermost
from metaflow_extensions.fasts3.plans.plan import Plan, Requests
from metaflow_extensions.fasts3.plans.refusals import Refusal
from metaflow_extensions.fasts3.wire.conditions import strong
from metaflow_extensions.fasts3.wire.failures import Code, Failure

FEW_DELETIONS = 64  # keys that do not need workers; most of the work of a request for 1,000 keys is the server's
MISSING = Refusal("head", Failure(Code.NOT_FOUND, "there is no such object", status=404))


class DeleteMethods(Client):
    """delete, delete_many, delete_recursive."""

    def delete(self, key: Union[str, S3Object], missing_ok: bool = True, version_id: Optional[str] = None) -> None:
        """
        Delete a single object from S3, or one version of it.

        In a versioned bucket, S3 adds a delete marker and keeps the object's versions. With a `version_id`, it deletes
        that version permanently; deleting the latest delete marker restores the object.

        Parameters
        ----------
        key : Union[str, S3Object]
            Object to delete: an S3 URL, a key relative to the root, or an `S3Object` of any client. Unlike `get`, this
            method has no default: an empty key, a slash, or a bucket without a key raises, whatever the root of this
            client is. An `S3Object` that has an `etag` is deleted only if the object still has this ETag. Servers that
            do not compare ETags in deletions, unlike Amazon S3, delete the current object.
        missing_ok : bool, default True
            If False, a missing object raises. This needs one more request, because a DeleteObject response does not
            show whether the object existed.
        version_id : str, optional, default None
            The version to delete: the `version_id` of an `S3Object`. If None, the object is deleted; a versioned bucket
            keeps its current version as an earlier one.

        Raises
        ------
        MetaflowS3NotFound
            The bucket does not exist; or with `missing_ok=False`, the object or the version does not.
        MetaflowS3URLException
            The key is empty; or it is a full URL on a client with a root, or no full URL on a client without one.
        MetaflowS3PreconditionFailed
            The object no longer has the ETag of the `S3Object`.
        MetaflowS3AccessDenied
            The identity lacks the permission.
        MetaflowS3Exception
            The request failed for another reason.
        """
        if version_id is None:
            self._delete([key], missing_ok)
        else:
            self._delete_version(key, version_id, missing_ok)

    def delete_many(self, keys: Iterable[Union[str, S3Object]], missing_ok: bool = True) -> int:
        """
        Delete many objects from S3, up to 1,000 with each request.

        All keys are validated before the first request. If S3 fails to delete some objects, the others are deleted.

        Parameters
        ----------
        keys : Iterable[Union[str, S3Object]]
            Objects to delete, each an S3 URL, a key relative to the root, or an `S3Object`, as for `delete`.
        missing_ok : bool, default True
            If False, existing objects are deleted, and one exception names all missing objects. This needs one more
            request for each object.

        Returns
        -------
        int
            Number of objects deleted. Duplicate keys count once. With `missing_ok=True`, missing objects count too.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3PreconditionFailed, MetaflowS3AccessDenied, MetaflowS3Exception
            Some objects were not deleted. The class is that of all failures if they agree, otherwise
            MetaflowS3Exception. The message names each object; the attribute `failed` of the exception maps each URL to
            the reason.
        MetaflowS3URLException
            As for `delete`, before the first request.
        """
        return self._delete(several(keys), missing_ok)

    def delete_recursive(self, prefixes: Iterable[str]) -> int:
        """
        Delete all objects under the given prefixes.

        The client deletes each page of the listing while it lists the next, so there is no limit on their number.
        Objects that are stored during the call may remain.

        Parameters
        ----------
        prefixes : Iterable[str]
            Prefixes to delete, each an S3 URL or a path relative to the root. A prefix is a directory: 'log' matches
            all keys under 'log/', but neither 'log_other/...' nor an object named 'log'. An empty prefix, a slash, or
            a bucket without a prefix raises, whatever the root of this client is. To delete all data of a run, pass
            its full URL to this method of `S3()`, a client without a root.

        Returns
        -------
        int
            Number of objects deleted. Prefixes may overlap; each object counts once.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            As for `delete_many`. The call stops after 10,000 failed deletions. A prefix without objects does not raise.
        """
        named = [self._named(prefix) for prefix in several(prefixes)]
        listings = outermost(Listing(bucket, as_directory(key)) for bucket, key in named)
        if not listings:
            return 0
        plan = ListedDeletions(listings)
        self._carry_out(plan, Place.HERE, plan.failures)
        more = " The call stopped; more objects may remain." if plan.gave_up else ""
        self._raise_for(plan.failures, plan.deleted, more)
        return plan.deleted

    def _delete(self, keys: list[Any], missing_ok: bool) -> int:
        check_booleans(missing_ok=missing_ok)
        etags = {self._object(key): strong(getattr(key, "etag", None) or "") for key in keys}
        if not etags:
            return 0
        missing = {} if missing_ok else self._missing(list(etags))
        failures = {f"s3://{bucket}/{key}": MISSING for bucket, key in missing}
        plan = self._run_deletions([(*one, etag) for one, etag in etags.items() if one not in missing])
        self._raise_for({**failures, **plan.failures}, plan.deleted)
        return plan.deleted

    def _run_deletions(self, objects: Sequence[ToDelete]) -> Deletions:
        """Delete objects; the failures of single ones are in the plan."""
        plan = Deletions(objects)
        if objects:
            place = Place.HERE if plan.apart <= FEW_DELETIONS else Place.WORKERS
            self._carry_out(plan, place, plan.failures)
        return plan

    def _delete_others(self, objects: Sequence[ToDelete], result: S3Transfers, dry_run: bool) -> None:
        """Delete the objects of a mirror that have no source; objects that were replaced since their listing remain."""
        urls = [f"s3://{bucket}/{key}" for bucket, key, *_ in objects]
        if dry_run:
            result.deleted = urls
            return
        failures = self._run_deletions(objects).failures
        result.deleted = [url for url in urls if url not in failures]
        # If HEAD was denied after a failed condition, it was replaced, too, or an earlier attempt has deleted it.
        ours = {
            url: one for url, one in failures.items() if one.failure.code is not Code.STALE and one.operation != "head"
        }
        left_out = self._left_out(ours)
        left_out.raise_if_any(len(result.deleted), "deleted", result=result)

    def _delete_version(self, key: Any, version_id: str, missing_ok: bool) -> None:
        check_booleans(missing_ok=missing_ok)
        bucket, name = self._named(key)
        version = checked_version(key, version_id)
        try:
            if not missing_ok:
                self._find_version(bucket, name, version)
            self._executor.run(Requests([Job(0, "delete", bucket, name, {"version_id": version})]), Place.HERE)
        except MetaflowS3NotFound as error:
            if not missing_ok or error.s3_code == "NoSuchBucket":
                raise

    def _find_version(self, bucket: str, key: str, version: Optional[str]) -> None:
        """Raise MetaflowS3NotFound if a version does not exist."""
        try:
            self._executor.run(Heads([(bucket, key, version)]), Place.HERE, with_progress=False)
        except MetaflowS3Exception as error:
            if error.status != NO_METHOD:  # a delete marker exists, and has no HEAD
                raise

    def _missing(self, objects: list[tuple[str, str]]) -> dict[tuple[str, str], None]:
        """The missing ones of some objects; if only one object is given and it is missing, raise."""
        plan = Heads(objects, missing_ok=len(objects) > 1)
        place = Place.HERE if len(objects) <= FEW_DELETIONS else Place.WORKERS
        self._executor.run(plan, place)
        self._executor.check_buckets(plan.unverified_buckets)
        return {one: None for one, found in zip(objects, plan.results) if found is None}

    def _object(self, given: Any) -> tuple[str, str]:
        """Bucket and key of an object; raises MetaflowS3URLException for what is none."""
        if not isinstance(given, S3Object):
            return self._named(given)
        if given.is_latest is not None:
            raise MetaflowS3URLException(
                f"{shown(repr(given))} is a version. To delete it permanently, call delete(obj.url, "
                "version_id=obj.version_id) of S3() without a root; to delete the current object, pass its url."
            )
        if given.url.endswith("/") and not given.exists:
            raise MetaflowS3URLException(
                f"{shown(repr(given))} is a directory of a listing. To delete everything below it, pass its url to "
                "S3().delete_recursive."
            )
        return split_object_url(given.url)

    def _named(self, given: Any) -> tuple[str, str]:
        """Bucket and key of an object or a prefix that must not be empty.

        Raises MetaflowS3URLException for everything under the root of this client, and for a whole bucket.
        """
        # Unlike elsewhere, no objects with a key: the key of a listed object is relative to the prefix of the listing.
        if not isinstance(given, (str, bytes)):
            raise MetaflowS3URLException(
                f"A key or prefix to delete must be a string, not {shown(repr(given))}. Pass an S3Object to "
                "delete or delete_many."
            )
        text = as_text(given) if isinstance(given, bytes) else given
        if not text.strip("/"):
            raise MetaflowS3URLException(
                f"{text!r} is empty; deletions require a key or a prefix. To delete everything under the root of a "
                "client, pass its full URL to S3().delete_recursive."
            )
        url = self._location.url(text)
        bucket, key = split_url(url)
        if not key.strip("/"):
            raise MetaflowS3URLException(
                f"'{shown(url)}' is a whole bucket, which this method never empties. Give a key or a prefix in it."
            )
        return bucket, key

    def _carry_out(self, plan: Plan, place: Place, failures: dict[str, Refusal]) -> None:
        try:
            self._executor.run(plan, place)
        except MetaflowException as error:
            error.failed = self._left_out(failures).reasons  # known so far
            raise

    def _raise_for(self, failures: dict[str, Refusal], deleted: int, more: str = "") -> None:
        """If deletions failed, raise one exception that names all these objects."""
        self._left_out(failures).raise_if_any(deleted, "deleted", more=more, result=deleted)

    def _left_out(self, failures: dict[str, Refusal]) -> LeftOut:
        left_out = LeftOut(self._executor)
        left_out.note_refusals(failures)
        return left_out
