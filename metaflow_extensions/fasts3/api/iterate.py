"""The methods of `S3` that return iterators: objects are downloaded as the loop goes on."""

import contextlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Optional, Union

from metaflow_extensions.fasts3.api.arguments import S3GetObject, check_booleans, iterated, key_of, range_of, several
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
        Get many objects from S3 in parallel, one after the other for a loop.

        While the loop works with one object, those that follow are downloaded: as many as `look_ahead` allows. The file
        of an object is removed as the loop moves on, so a loop may go over more data than disk or memory hold. Leaving
        the loop stops the downloads at once.

        Parameters
        ----------
        keys : Iterable[Union[str, S3GetObject]]
            Objects to download, as for `get_many`. A generator is asked for keys as the loop goes on; it need not end.
        return_missing : bool, default False
            If set to True, do not raise an exception for a missing key but return it as an `S3Object` with
            `.exists == False`.
        return_info : bool, default True
            If set to True, fetch the content-type and user metadata associated with the object at no extra cost.
        ordered : bool, default True
            In the order of the keys. If set to False, each as soon as it is there: a slow one does not delay others.
        in_memory : bool, default False
            If set to True, no files are made: `blob` and `text` are in memory, and `path` makes a file when it is
            asked for.
        keep : bool, default False
            If set to True, files stay until the client is closed.
        look_ahead : int, default 256 MiB
            Bytes that may be there, or on their way, ahead of the loop and with what it works with. The next object
            goes beyond it where it is larger. Sizes are not known before the first bytes come: where they suddenly
            grow, it may be exceeded for a moment.
        look_ahead_objects : int, default 2000
            Objects that may be ahead of the loop.

        Yields
        ------
        S3Object
            As `get_many` returns it. A key that is asked for twice is downloaded twice.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3InvalidRange, MetaflowS3InsufficientDiskSpace, \
MetaflowS3URLException, MetaflowS3Exception
            As for `get`, as soon as the first object has failed.

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
            return Requested(root, url, Download(*split_object_url(url), *byte_range))

        requests: Iterable[Requested] = map(requested, iterated(keys))
        if isinstance(keys, HOLDING):
            requests = list(requests)  # what is wrong with one of them is said before anything is downloaded
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
        Get many objects from S3 recursively in parallel, one after the other for a loop.

        The prefixes are listed as the loop goes on, page by page. See `iter_many` for what a loop may rely on.

        Parameters
        ----------
        prefixes : Iterable[str]
            Prefixes to download recursively, as for `get_recursive`. A prefix is a directory: 'log' is all below
            'log/'.
        return_info : bool, default False
            If set to True, fetch the content-type and user metadata associated with the object.
        ordered : bool, default True
            Prefix by prefix, each in the order of its listing. If set to False, each as soon as it is there.
        in_memory, keep, look_ahead, look_ahead_objects
            As for `iter_many`.

        Yields
        ------
        S3Object
            As `get_recursive` returns it.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3InsufficientDiskSpace, MetaflowS3URLException, \
MetaflowS3Exception
            As for `get_recursive`, as soon as the first prefix or object has failed.

        Warns
        -----
        UserWarning
            Nothing is below a prefix, although keys begin with its text.
        """
        check_booleans(return_info=return_info, ordered=ordered, in_memory=in_memory, keep=keep)
        urls = [self._location.url(key_of(key)) for key in several(prefixes)]
        listings = [Listing(*split_url(as_directory(url))) for url in urls]
        requests = chain.from_iterable(self._below(url, listing, return_info) for url, listing in zip(urls, listings))
        bounds = _checked("look_ahead", look_ahead), _checked("look_ahead_objects", look_ahead_objects)
        return self._prefetch(requests, False, return_info, ordered, in_memory, keep, *bounds)

    def _below(self, url: str, listing: Listing, return_info: bool) -> Iterator[Optional[Requested]]:
        """What is below a prefix; None after each page, as the next one is a request to S3."""
        root = self._location.root if return_info else url
        empty = True
        for entries in self._pages(listing):
            for key, _ in entries:
                empty = False
                yield Requested(root, f"s3://{listing.bucket}/{key}", Download(listing.bucket, key))
            yield None
        bucket, text = split_url(url)
        if empty and text and not text.endswith("/"):
            self._warn_of_neighbours(url, bucket, text)

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
        def run(plan: Plan, interruption: Interruption) -> None:
            self._executor.run(plan, Place.WORKERS, interruption)

        spare = self._tempdir.file
        name = None if in_memory else self._tempdir.namer()
        step = self._executor.settings().part_size
        prefetch = Prefetch(run, requests, name, spare, ordered, look_ahead, look_ahead_objects, return_missing, step)
        self._prefetches.add(prefetch)
        with contextlib.closing(prefetch):
            for requested, result in prefetch:
                if result is None:
                    self._executor.check_buckets(prefetch.unproven)
                elif result.path is not None and result.reply.length == 0:
                    make_empty(result.path)
                entry = s3object_of(requested.root, requested.url, result, return_info, spare)
                yield entry
                if not keep and prefetch.is_ours:
                    entry.remove_file()
                del entry, result  # or it would be held, in memory perhaps, until the next one is there


def _checked(name: str, given: Optional[int]) -> int:
    """Raise MetaflowS3Exception unless a bound is a whole number above zero."""
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        unit = "bytes" if name == "look_ahead" else "objects"
        raise MetaflowS3Exception(f"{name} is {given!r}. Give it as a number of {unit}, an int above zero.")
    return given
