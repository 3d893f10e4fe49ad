"""The methods of `S3` that return iterators and download objects during the loop."""

import contextlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Optional, Union

from metaflow_extensions.fasts3.api.arguments import (
    S3GetObject,
    check_booleans,
    iterated,
    key_of,
    range_of,
    several,
    version_of,
)
from metaflow_extensions.fasts3.api.client import Client
from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception
from metaflow_extensions.fasts3.api.location import as_directory, split_object_url, split_url
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.prefetch import Prefetch, Requested
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3objects import s3object_of
from metaflow_extensions.fasts3.api.temporary_directory import make_empty
from metaflow_extensions.fasts3.api.unnamed_files import HOLDING
from metaflow_extensions.fasts3.plans.download import Download
from metaflow_extensions.fasts3.plans.listings import Listing
from metaflow_extensions.fasts3.plans.plan import Plan
from metaflow_extensions.fasts3.wire.blocking import Interruption

LOOK_AHEAD = 256 * 2**20  # bytes
LOOK_AHEAD_OBJECTS = 2000


class IterateMethods(Client):
    """iter_many, iter_recursive."""

    def iter_many(
        self,
        keys: Iterable[Union[str, S3GetObject]],
        return_missing: bool = False,
        return_info: bool = True,
        ordered: bool = True,
        in_memory: bool = False,
        keep: bool = False,
        look_ahead: int = LOOK_AHEAD,
        look_ahead_objects: int = LOOK_AHEAD_OBJECTS,
    ) -> Iterator[S3Object]:
        """
        Iterate over many objects from S3, which are downloaded in parallel during the loop.

        While the loop processes an object, the client downloads the following ones, up to `look_ahead` bytes. It
        removes the file of an object at the next iteration, so the data may exceed the disk and memory. Leaving the
        loop stops the downloads immediately.

        Parameters
        ----------
        keys : Iterable[Union[str, S3GetObject]]
            Objects to download, as for `get_many`. A generator is consumed during the loop and may be infinite.
        return_missing : bool, default False
            If True, yield a missing key as an `S3Object` with `.exists == False` instead of raising.
        return_info : bool, default True
            If True, the results include content type, user metadata and ETag. This needs no additional requests.
        ordered : bool, default True
            If True, yield the objects in the order of the keys. If False, yield each as soon as it is complete, so
            that a slow one does not delay the others.
        in_memory : bool, default False
            If True, keep the bytes in memory instead of files. The first access to `path` writes a file.
        keep : bool, default False
            If True, files remain until the client is closed.
        look_ahead : int, default 256 MiB
            Maximum bytes of the objects that are downloaded or being downloaded, the current one included. The next
            object is downloaded even if it alone exceeds this limit. The client learns the size of an object from the
            first bytes of its response, so it may exceed the limit briefly when sizes suddenly grow.
        look_ahead_objects : int, default 2000
            Maximum number of objects ahead of the loop.

        Yields
        ------
        S3Object
            As returned by `get_many`. A key that occurs twice is downloaded twice.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3InvalidRange, MetaflowS3InsufficientDiskSpace, \
MetaflowS3URLException, MetaflowS3Exception
            As for `get`, as soon as an object has failed.

        Examples
        --------
        ```
        with S3(s3root='s3://my-bucket/images') as s3:
            for image in s3.iter_many(names, in_memory=True, ordered=False):
                train(decode(image.blob))
        ```
        """
        check_booleans(
            return_missing=return_missing, return_info=return_info, ordered=ordered, in_memory=in_memory, keep=keep
        )
        root = self._location.root

        def requested(key: Any) -> Requested:
            byte_range = range_of(key)
            url = self._location.url(key_of(key))
            version = version_of(key)
            return Requested(root, url, Download(*split_object_url(url), *byte_range, version_id=version))

        requests: Iterable[Requested] = map(requested, iterated(keys))
        if isinstance(keys, HOLDING):
            requests = list(requests)  # invalid ones raise before the first download
        bounds = _checked("look_ahead", look_ahead), _checked("look_ahead_objects", look_ahead_objects)
        return self._prefetch(iter(requests), return_missing, return_info, ordered, in_memory, keep, *bounds)

    def iter_recursive(
        self,
        prefixes: Iterable[str],
        return_info: bool = False,
        ordered: bool = True,
        in_memory: bool = False,
        keep: bool = False,
        look_ahead: int = LOOK_AHEAD,
        look_ahead_objects: int = LOOK_AHEAD_OBJECTS,
    ) -> Iterator[S3Object]:
        """
        Iterate over all objects under the given prefixes, which are downloaded in parallel during the loop.

        The client lists the prefixes page by page during the loop. Otherwise it works like `iter_many`.

        Parameters
        ----------
        prefixes : Iterable[str]
            Prefixes to download, as for `get_recursive`. A prefix is a directory: 'log' matches all keys under 'log/'.
        return_info : bool, default False
            If True, the results include content type, user metadata and ETag.
        ordered : bool, default True
            If True, yield the objects prefix by prefix, each in key order. If False, yield each as soon as it is
            complete.
        in_memory, keep, look_ahead, look_ahead_objects
            As for `iter_many`.

        Yields
        ------
        S3Object
            As returned by `get_recursive`.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3InsufficientDiskSpace, MetaflowS3URLException, \
MetaflowS3Exception
            As for `get_recursive`, as soon as a prefix or an object has failed.

        Warns
        -----
        UserWarning
            No key is under a prefix, but other keys begin with the same text.
        """
        check_booleans(return_info=return_info, ordered=ordered, in_memory=in_memory, keep=keep)
        urls = self._urls(several(prefixes))
        listings = [Listing(*split_url(as_directory(url))) for url in urls]
        requests = chain.from_iterable(self._below(url, listing, return_info) for url, listing in zip(urls, listings))
        bounds = _checked("look_ahead", look_ahead), _checked("look_ahead_objects", look_ahead_objects)
        return self._prefetch(requests, False, return_info, ordered, in_memory, keep, *bounds)

    def _below(self, url: str, listing: Listing, return_info: bool) -> Iterator[Optional[Requested]]:
        """Requests for the objects under a prefix; None after each page, because the next one takes a request."""
        root = self._location.root if return_info else url
        empty = True
        for entries in self._pages(listing):
            for key, _ in entries:
                empty = False
                yield Requested(root, f"s3://{listing.bucket}/{key}", Download(listing.bucket, key))
            yield None
        if empty:
            self._warn_of_similar_keys(url)

    def _prefetch(
        self,
        requests: Iterator[Optional[Requested]],
        return_missing: bool,
        return_info: bool,
        ordered: bool,
        in_memory: bool,
        keep: bool,
        look_ahead: int,
        look_ahead_objects: int,
    ) -> Iterator[S3Object]:
        def run(plan: Plan, interruption: Optional[Interruption]) -> None:
            self._executor.run(plan, Place.WORKERS, interruption)

        spare = self._tempdir.file
        name = None if in_memory else self._tempdir.namer()
        step = self._executor.part_size
        prefetch = Prefetch(run, requests, name, spare, ordered, look_ahead, look_ahead_objects, return_missing, step)
        self._prefetches.add(prefetch)
        with contextlib.closing(prefetch):
            for requested, result in prefetch:
                if result is None:
                    self._executor.check_buckets(prefetch.unverified_buckets)
                elif result.path is not None and result.response.length == 0:
                    make_empty(result.path)
                entry = s3object_of(requested.root, requested.url, result, return_info, spare)
                yield entry
                if not keep and prefetch.is_ours:
                    entry.remove_file()
                del entry, result  # otherwise it would stay, perhaps in memory, until the next one is complete


def _checked(name: str, given: Optional[int]) -> int:
    """Raise MetaflowS3Exception unless a limit is a positive integer."""
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        unit = "bytes" if name == "look_ahead" else "objects"
        raise MetaflowS3Exception(f"{name} is {given!r}; it must be a positive integer, in {unit}.")
    return given
