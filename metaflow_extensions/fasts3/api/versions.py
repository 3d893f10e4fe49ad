"""The method of `S3` that lists versions."""

from collections.abc import Iterable
from typing import Optional

from metaflow_extensions.fasts3.api.arguments import key_of, several
from metaflow_extensions.fasts3.api.client import FEW_LISTINGS, Client
from metaflow_extensions.fasts3.api.location import as_directory, split_url
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.s3objects import S3Objects, s3object_of_version
from metaflow_extensions.fasts3.plans.versions import VersionListings, VersionsOf


class VersionMethods(Client):
    """list_versions."""

    def list_versions(self, keys: Optional[Iterable[str]] = None) -> S3Objects:
        """
        List the versions of objects, with their delete markers.

        In a versioned bucket, S3 keeps overwritten and deleted objects as earlier versions; a delete marker is the
        version that hides a deleted object. In a bucket without versioning, the `version_id` is 'null'.

        Parameters
        ----------
        keys : Iterable[str], optional, default None
            Objects, each an S3 URL or a key relative to the root. A key that ends with a slash is a prefix: all
            objects under it, also deleted ones. The root of this client, as a prefix, if None.

        Returns
        -------
        S3Objects
            All versions: key by key in the order given, under a prefix in key order, the latest version of each object
            first. They have `version_id`, `is_latest`, `is_delete_marker`, `etag`, `last_modified` and `size`; a delete
            marker has no size, and `.exists == False`. Their `prefix` is the root of the client.

        Raises
        ------
        MetaflowS3NotFound
            The bucket does not exist. An object without versions does not raise.
        MetaflowS3AccessDenied
            The identity lacks the permission s3:ListBucketVersions.
        MetaflowS3URLException
            A key is invalid: a full URL on a client with a root, or no full URL on a client without one.
        MetaflowS3Exception
            The request failed for another reason; for instance, the server has no versions.
        """
        wanted = [self._versions_of(key) for key in ([None] if keys is None else several(keys))]
        if not wanted:
            return S3Objects()
        plan = VersionListings(wanted)
        self._executor.run(plan, Place.LISTING if len(wanted) <= FEW_LISTINGS else Place.WORKERS)
        root = self._location.root
        return S3Objects(
            s3object_of_version(root, f"s3://{one.bucket}/{found.key}", found)
            for one, versions in zip(wanted, plan.results)
            for found in versions
        )

    def _versions_of(self, key: Optional[str]) -> VersionsOf:
        text = key_of(key)
        url = self._location.url(text)
        if not (text or "").strip("/") or (text or "").endswith("/"):
            url = as_directory(url)
        return VersionsOf(*split_url(url))
