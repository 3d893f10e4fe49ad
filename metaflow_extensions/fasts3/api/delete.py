"""The methods of `S3` that delete."""

from collections.abc import Iterable
from typing import Any

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.arguments import check_booleans, several
from metaflow_extensions.fasts3.api.client import Client
from metaflow_extensions.fasts3.api.errors import MetaflowS3URLException, reason_of, shown
from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.location import as_directory, as_text, split_url
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.plans.deletions import Deletions, ListedDeletions
from metaflow_extensions.fasts3.plans.heads import Heads
from metaflow_extensions.fasts3.plans.listings import Listing, outermost
from metaflow_extensions.fasts3.plans.plan import Plan
from metaflow_extensions.fasts3.plans.refusals import Refusal
from metaflow_extensions.fasts3.wire.failures import Code, Failure

FEW_DELETIONS = 64  # not worth a worker's start; a request for a thousand keys is the server's work, hardly ours
MISSING = Refusal("head", Failure(Code.NOT_FOUND, "there is no such object", status=404))


class DeleteMethods(Client):
    """delete, delete_many, delete_recursive."""

    def delete(self, key: str, missing_ok: bool = True) -> None:
        """
        Delete a single object from S3.

        Where the bucket keeps versions, S3 hides the object behind a delete marker, and keeps its bytes.

        Parameters
        ----------
        key : str
            Object to delete. It can be an S3 url or a path suffix. Unlike for `get`, there is no default: an empty
            key, a slash, or a bucket without a key is refused, whatever the root of this client is.
        missing_ok : bool, default True
            If set to False, an object that is not there is an error. S3 itself does not say whether it was there, so
            that takes one more request.

        Raises
        ------
        MetaflowS3NotFound
            There is no such bucket; with `missing_ok=False` also where there is no such object.
        MetaflowS3URLException
            The key names no object, or does not go with the way this client was initialized.
        MetaflowS3AccessDenied, MetaflowS3Exception
            S3 refused, or could not be reached.
        """
        self._delete([key], missing_ok)

    def delete_many(self, keys: Iterable[str], missing_ok: bool = True) -> int:
        """
        Delete many objects from S3, up to 1,000 with one request.

        All keys are looked at before the first object is deleted. Where S3 does not delete some of them, the others
        are deleted all the same.

        Parameters
        ----------
        keys : Iterable[str]
            Objects to delete. Each key can be an S3 url or a path suffix; see `delete` for those that are refused.
        missing_ok : bool, default True
            If set to False, the objects that are there are deleted, and those that are not are an error that names
            them all. That takes one more request for each object.

        Returns
        -------
        int
            How many objects were deleted. A key that is given twice counts once; with `missing_ok=True` one that was
            not there counts as well.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3Exception
            Objects were not deleted: the class that fits all of them, else MetaflowS3Exception. The message names
            each, and the attribute `failed` of the exception has the reasons: a dict of URL to text.
        MetaflowS3URLException
            As for `delete`, before anything is deleted.
        """
        return self._delete(several(keys), missing_ok)

    def delete_recursive(self, prefixes: Iterable[str]) -> int:
        """
        Delete all objects under the given prefixes.

        They are deleted page by page while S3 lists them, so there may be any number of them. Objects that are stored
        meanwhile may stay.

        Parameters
        ----------
        prefixes : Iterable[str]
            Prefixes under which everything is deleted. Each can be an S3 url or a path suffix. A prefix is a directory:
            'log' is all below 'log/', not 'log_other/...' and not an object named 'log'. An empty prefix, a slash, or
            a bucket without a prefix is refused, whatever the root of this client is. To delete all data of a run,
            give its full URL to `S3()`, a client without a root.

        Returns
        -------
        int
            How many objects were deleted. Prefixes may overlap; no object counts twice.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            As for `delete_many`. After 10,000 objects that could not be deleted it gives up. A prefix under which there
            is nothing is no error.
        """
        named = [self._named(prefix) for prefix in several(prefixes)]
        listings = outermost(Listing(bucket, as_directory(key)) for bucket, key in named)
        if not listings:
            return 0
        plan = ListedDeletions(listings)
        self._carry_out(plan, Place.HERE, plan.failures)
        self._raise_for(plan.failures, plan.deleted, " It gave up; there may be more." if plan.gave_up else "")
        return plan.deleted

    def _delete(self, keys: list[Any], missing_ok: bool) -> int:
        check_booleans(missing_ok=missing_ok)
        objects = dict.fromkeys(map(self._named, keys))
        if not objects:
            return 0
        missing = {} if missing_ok else self._missing(list(objects))
        wanted = [one for one in objects if one not in missing]
        plan = Deletions(wanted)
        if wanted:
            place = Place.HERE if plan.apart <= FEW_DELETIONS else Place.WORKERS
            self._carry_out(plan, place, plan.failures)
        failures = {f"s3://{bucket}/{key}": MISSING for bucket, key in missing}
        self._raise_for({**failures, **plan.failures}, plan.deleted)
        return plan.deleted

    def _missing(self, objects: list[tuple[str, str]]) -> dict[tuple[str, str], None]:
        """Those of some objects that are not there; an error at once where it is the only one."""
        plan = Heads(objects, missing_ok=len(objects) > 1)
        place = Place.HERE if len(objects) <= FEW_DELETIONS else Place.WORKERS
        self._carry_out(plan, place, {})
        self._executor.check_buckets(plan.unproven)
        return {one: None for one, found in zip(objects, plan.results) if found is None}

    def _named(self, given: Any) -> tuple[str, str]:
        """Bucket and key of what has to be named: an object, or a prefix.

        Raises
        ------
        MetaflowS3URLException
            It would mean everything below the root of this client, or a whole bucket.
        """
        # Not what has a key, as elsewhere: that of a listed object is relative to the prefix that was listed.
        if not isinstance(given, (str, bytes)):
            raise MetaflowS3URLException(
                f"What is to be deleted is named by a string, not by {shown(repr(given))}. Give a key or a prefix; of "
                "an S3Object, give its url to S3() without a root."
            )
        text = as_text(given) if isinstance(given, bytes) else given
        if not text.strip("/"):
            raise MetaflowS3URLException(
                f"{text!r} names nothing, and nothing is ever deleted because a name is empty. Give a key or a prefix; "
                "to delete all below the root of a client, give its full URL to S3().delete_recursive."
            )
        url = self._location.url(text)
        bucket, key = split_url(url)
        if not key.strip("/"):
            raise MetaflowS3URLException(
                f"'{shown(url)}' names a whole bucket, and none is ever emptied here. Give a key or a prefix in it."
            )
        return bucket, key

    def _carry_out(self, plan: Plan, place: Place, failures: dict[str, Refusal]) -> None:
        try:
            self._executor.run(plan, place)
        except MetaflowException as error:
            error.failed = self._reasons(failures)  # nothing else could be done, but these are known
            raise

    def _reasons(self, failures: dict[str, Refusal]) -> dict[str, str]:
        return {url: reason_of(self._executor.concealed(failure)) for url, (_, failure) in failures.items()}

    def _raise_for(self, failures: dict[str, Refusal], deleted: int, more: str = "") -> None:
        """Raise one exception that names all objects that were not deleted, if there are any."""
        left_out = LeftOut(self._executor)
        left_out.note_refusals(failures)
        left_out.raise_if_any(deleted, "deleted", more=more)
