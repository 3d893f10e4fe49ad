"""The methods of `S3` for buckets. boto3 sends these rare requests, also if the wire transfers everything else."""

from collections.abc import Iterator
from contextlib import contextmanager

from metaflow_extensions.fasts3.api.client import Client
from metaflow_extensions.fasts3.api.errors import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3NotFound,
    MetaflowS3URLException,
    shown,
)
from metaflow_extensions.fasts3.api.location import BUCKET, SCHEME
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.plan import Requests
from metaflow_extensions.fasts3.wire.failures import TransferError
from metaflow_extensions.fasts3.workers.interruptible import interruptible


class BucketMethods(Client):
    """list_buckets, create_bucket."""

    def list_buckets(self) -> list[str]:
        """
        List the buckets of the account.

        Returns
        -------
        list of str
            Their names.

        Raises
        ------
        MetaflowS3AccessDenied
            The identity lacks the permission s3:ListAllMyBuckets.
        MetaflowS3Exception
            The request failed for another reason.
        """
        client = self._executor.client()
        with self._raising("ListBuckets", SCHEME):
            # Not in the main thread, where botocore handles Ctrl-C as a network error.
            return interruptible(lambda _: client.list_buckets())

    def create_bucket(self, bucket: str) -> None:
        """
        Create a bucket, in the region of this client.

        Parameters
        ----------
        bucket : str
            Its name, without s3://.

        Raises
        ------
        MetaflowS3Exception
            The bucket exists, or the request failed for another reason.
        MetaflowS3AccessDenied
            The identity lacks the permission s3:CreateBucket.
        MetaflowS3URLException
            The name is invalid.
        """
        if not isinstance(bucket, str) or not BUCKET.match(bucket):
            raise MetaflowS3URLException(
                f"{shown(repr(bucket))} is not a valid bucket name: 3 to 63 lower-case letters, digits, dots and "
                "hyphens. Give the name without s3://."
            )
        url = f"{SCHEME}{bucket}"
        if self._has_bucket(bucket):  # S3 creates a bucket of this account again in one region, and refuses in others
            raise MetaflowS3Exception(f"The bucket {url} exists already, and these credentials can access it.")
        client = self._executor.client()
        with self._raising("CreateBucket", url):
            interruptible(lambda _: client.create_bucket(bucket))

    def _has_bucket(self, bucket: str) -> bool:
        try:
            self._executor.run(Requests([Job(0, "head_bucket", bucket)]), Place.HERE)
        except (MetaflowS3NotFound, MetaflowS3AccessDenied):
            return False  # or another account's, which CreateBucket says
        return True

    @contextmanager
    def _raising(self, operation: str, url: str) -> Iterator[None]:
        """Raise failures as the exceptions of the API."""
        try:
            yield
        except TransferError as error:
            raise self._executor.exception_of(operation, url, error.failure) from None
