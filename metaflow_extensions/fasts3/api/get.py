"""The methods of `S3` that download."""

import logging
from collections.abc import Iterable
from typing import Any, Callable, Optional, Union

from metaflow_extensions.fasts3.api.arguments import S3GetObject, check_booleans, key_of, range_of, several, version_of
from metaflow_extensions.fasts3.api.client import Client
from metaflow_extensions.fasts3.api.errors import MetaflowS3URLException
from metaflow_extensions.fasts3.api.errors_of_many import naming_all
from metaflow_extensions.fasts3.api.location import NO_RUN, as_directory, split_object_url, split_url
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3objects import S3Objects, s3object_of
from metaflow_extensions.fasts3.api.temporary_directory import make_empty
from metaflow_extensions.fasts3.api.unnamed_files import MemoryFiles
from metaflow_extensions.fasts3.plans.download import Download, Downloaded
from metaflow_extensions.fasts3.plans.downloads import Downloads, compared
from metaflow_extensions.fasts3.plans.listed_downloads import ListedDownloads
from metaflow_extensions.fasts3.plans.listings import Listing
from metaflow_extensions.fasts3.wire.log import log


class GetMethods(Client):
    """get, get_many, get_recursive, get_all."""

    def get(
        self,
        key: Optional[Union[str, S3GetObject]] = None,
        return_missing: bool = False,
        return_info: bool = True,
        in_memory: bool = False,
    ) -> S3Object:
        """
        Get a single object from S3.

        Parameters
        ----------
        key : Union[str, S3GetObject], optional, default None
            Object to download: an S3 URL, a key relative to the root, or an `S3GetObject`, which defines a range or a
            version. The client's root itself if None.
        return_missing : bool, default False
            If True, return a missing key as an `S3Object` with `.exists == False` instead of raising.
        return_info : bool, default True
            If True, the result includes content type, user metadata and ETag. This needs no additional request.
        in_memory : bool, default False
            If True, keep the bytes in memory instead of a file. The first access to `path` writes a file.

        Returns
        -------
        S3Object
            The requested object.

        Raises
        ------
        MetaflowS3NotFound
            The object (unless `return_missing=True`) or the bucket does not exist.
        MetaflowS3AccessDenied
            The identity lacks the permission.
        MetaflowS3InvalidRange
            The range is outside the object.
        MetaflowS3InsufficientDiskSpace
            The disk is full.
        MetaflowS3URLException
            The key is invalid: a full URL on a client with a root, or no full URL on a client without one.
        MetaflowS3Exception
            The request failed for another reason.
        """
        return self._download([key], Place.HERE_FIRST, return_missing, return_info, in_memory)[0]

    def get_many(
        self,
        keys: Iterable[Union[str, S3GetObject]],
        return_missing: bool = False,
        return_info: bool = True,
        in_memory: bool = False,
    ) -> S3Objects:
        """
        Get many objects from S3 in parallel.

        Parameters
        ----------
        keys : Iterable[Union[str, S3GetObject]]
            Objects to download, each an S3 URL, a key relative to the root, or an `S3GetObject`, which defines a range
            or a version.
        return_missing : bool, default False
            If True, return a missing key as an `S3Object` with `.exists == False` instead of raising.
        return_info : bool, default True
            If True, the results include content type, user metadata and ETag. This needs no additional requests.
        in_memory : bool, default False
            If True, keep the bytes of all objects in memory instead of files. The first access to `path` writes a
            file. `iter_many` keeps only part of the objects in memory at a time.

        Returns
        -------
        S3Objects
            The requested objects, in the same order. A key that occurs several times is downloaded once.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3InvalidRange, MetaflowS3InsufficientDiskSpace, \
MetaflowS3URLException, MetaflowS3Exception
            As for `get`, for the first object that fails. MetaflowS3NotFound names all missing objects.
        """
        return S3Objects(self._download(several(keys), Place.WORKERS, return_missing, return_info, in_memory))

    def get_recursive(self, keys: Iterable[str], return_info: bool = False, in_memory: bool = False) -> S3Objects:
        """
        Get all objects under the given prefixes in parallel.

        Parameters
        ----------
        keys : Iterable[str]
            Prefixes to download, each an S3 URL or a path relative to the root. A prefix is a directory: 'log' matches
            all keys under 'log/', but neither 'log_other/...' nor an object named 'log'.
        return_info : bool, default False
            If True, the results include content type, user metadata and ETag.
        in_memory : bool, default False
            As for `get_many`.

        Returns
        -------
        S3Objects
            The objects under the given prefixes: prefix by prefix in the order given, each in key order. Their
            `prefix` is the requested prefix, as a URL; with `return_info=True` it is the root of the client.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3InsufficientDiskSpace, MetaflowS3URLException, \
MetaflowS3Exception
            As for `get`, for the first prefix or object that fails.

        Warns
        -----
        UserWarning
            No key is under a prefix, but other keys begin with the same text.
        """
        check_booleans(return_info=return_info, in_memory=in_memory)
        prefixes = self._urls(several(keys))
        listings = [Listing(*split_url(as_directory(url))) for url in prefixes]
        root, name = self._location.root, self._tempdir.file
        objects: list[S3Object] = []
        for prefix, found in zip(prefixes, self._fetch_listed(listings, in_memory)):
            if not found:
                self._warn_of_similar_keys(prefix)
            objects.extend(
                s3object_of(root if return_info else prefix, f"s3://{one.bucket}/{one.key}", result, return_info, name)
                for one, result in found
            )
        return S3Objects(objects)

    def get_all(self, return_info: bool = False, in_memory: bool = False) -> S3Objects:
        """
        Get all objects under the root of this client in parallel.

        The client must have a root, from `run` or `s3root`.

        Parameters
        ----------
        return_info : bool, default False
            If True, the results include content type, user metadata and ETag.
        in_memory : bool, default False
            As for `get_many`.

        Returns
        -------
        S3Objects
            The objects under the root, in key order; see `get_recursive`.

        Raises
        ------
        MetaflowS3URLException
            This client has no root.
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3InsufficientDiskSpace, MetaflowS3Exception
            As for `get`.
        """
        if self._location.root is None:
            raise MetaflowS3URLException(
                f"Can't get_all() when S3 is initialized without a prefix. Use S3(run=...) or S3(s3root=...). {NO_RUN}"
            )
        return self.get_recursive([None], return_info, in_memory)  # type: ignore[list-item]  # None is the root itself

    def _download(
        self, keys: list[Any], place: Place, return_missing: bool, return_info: bool, in_memory: bool
    ) -> list[S3Object]:
        check_booleans(return_missing=return_missing, return_info=return_info, in_memory=in_memory)
        ranges = [range_of(key) for key in keys]
        urls = [self._location.url(key_of(key)) for key in keys]
        versions = map(version_of, keys)
        requests = [
            Download(*split_object_url(url), *one, version_id=version)
            for url, one, version in zip(urls, ranges, versions)
        ]
        results = self._fetch(requests, place, return_missing, in_memory)
        root, name = self._location.root, self._tempdir.file
        return [s3object_of(root, url, result, return_info, name) for url, result in zip(urls, results)]

    def _fetch(
        self, requests: list[Download], place: Place, missing_ok: bool, in_memory: bool
    ) -> list[Optional[Downloaded]]:
        """Download each distinct request once."""
        if not requests:
            return []
        wanted = list(dict.fromkeys(requests))
        name = self._namer(in_memory)
        with MemoryFiles(self._tempdir.file) as files:
            plan = Downloads(wanted, [name(one.key) for one in wanted], missing_ok, self._executor.part_size, files)
            objects = ((one.bucket, one.key, one.version_id) for one in wanted)
            with naming_all(self._executor, lambda: objects, self._location.root):
                self._executor.run(plan, place)
        self._executor.check_buckets(plan.unverified_buckets)
        _conclude(plan.results)
        if len(wanted) == len(requests):
            return plan.results
        results = dict(zip(wanted, plan.results))
        return [results[request] for request in requests]

    def _fetch_listed(self, listings: list[Listing], in_memory: bool) -> Iterable[list[tuple[Download, Downloaded]]]:
        """Download the objects under prefixes, each object once, and return them by prefix."""
        if not listings:
            return []
        with MemoryFiles(self._tempdir.file) as files:
            plan = ListedDownloads(listings, self._namer(in_memory), self._executor.part_size, files)
            with naming_all(self._executor, lambda: plan.objects, self._location.root):
                self._executor.run(plan, Place.WORKERS)
        _conclude(plan.results)
        return plan.below(listings)

    def _namer(self, in_memory: bool) -> Callable[[str], Optional[str]]:
        return (lambda _: None) if in_memory else self._tempdir.namer()


def _conclude(results: Iterable[Optional[Downloaded]]) -> None:
    """Create the files of empty ranges, which need no download."""
    for result in results:
        if result is not None and result.path is not None and result.response.length == 0:
            make_empty(result.path)
    if log.isEnabledFor(logging.DEBUG):
        log.debug("downloaded; compared with the checksums of S3: %s", compared(results))
