"""The methods of `S3` that transfer no data: listings and object information."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Optional, Union, cast

from metaflow_extensions.fasts3.api.arguments import S3GetObject, check_booleans, several, version_of
from metaflow_extensions.fasts3.api.client import Client
from metaflow_extensions.fasts3.api.errors_of_many import naming_all
from metaflow_extensions.fasts3.api.location import as_directory, split_object_url, split_url
from metaflow_extensions.fasts3.api.path_patterns import PathPatterns, Patterns
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3objects import (
    S3Objects,
    s3object_of_directory,
    s3object_of_info,
    s3object_of_listed,
)
from metaflow_extensions.fasts3.plans.heads import Heads, Wanted
from metaflow_extensions.fasts3.plans.listings import Listing
from metaflow_extensions.fasts3.plans.split_listing import Entry
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo


class ListMethods(Client):
    """list_paths, list_recursive, iter_list, info, info_many."""

    def list_paths(self, keys: Optional[Iterable[str]] = None) -> S3Objects:
        """
        List the objects and prefixes directly under the given paths.

        Several paths are listed in parallel. A result with `.exists == False` is a prefix, not an object.

        For instance, if the bucket contains
        ```
        a/0.txt
        a/b/1.txt
        a/c/2.txt
        a/d/e/3.txt
        f/4.txt
        ```
        `list_paths(['a', 'f'])` returns
        ```
        a/0.txt (exists == True)
        a/b/ (exists == False)
        a/c/ (exists == False)
        a/d/ (exists == False)
        f/4.txt (exists == True)
        ```

        Parameters
        ----------
        keys : Iterable[str], optional, default None
            Paths to list, each an S3 URL or relative to the root. The root of this client if None.

        Returns
        -------
        S3Objects
            Objects and prefixes (directories) directly under the paths: path by path in the order given, each in key
            order. Their `prefix` is the requested path, as a URL with a trailing slash.

        Raises
        ------
        MetaflowS3NotFound
            The bucket does not exist. A path without objects does not raise.
        MetaflowS3AccessDenied
            The identity lacks the permission.
        MetaflowS3URLException
            A path is invalid: a full URL on a client with a root, or no full URL on a client without one.
        MetaflowS3Exception
            The request failed for another reason.
        """
        prefixes = [as_directory(url) for url in self._urls(keys)]
        return self._listed(prefixes, prefixes, "/")

    def list_recursive(self, keys: Optional[Iterable[str]] = None) -> S3Objects:
        """
        List all objects under the given prefixes.

        Several prefixes are listed in parallel. All results have `.exists == True`.

        For instance, if the bucket contains
        ```
        a/0.txt
        a/b/1.txt
        a/c/2.txt
        a/d/e/3.txt
        f/4.txt
        ```
        `list_recursive(['a', 'f'])` returns
        ```
        a/0.txt (exists == True)
        a/b/1.txt (exists == True)
        a/c/2.txt (exists == True)
        a/d/e/3.txt (exists == True)
        f/4.txt (exists == True)
        ```

        Parameters
        ----------
        keys : Iterable[str], optional, default None
            Prefixes to list, each an S3 URL or a path relative to the root. The root of this client if None. A prefix
            is a directory: 'log' matches all keys under 'log/', but neither 'log_other/...' nor an object named 'log'.

        Returns
        -------
        S3Objects
            The objects under the prefixes: prefix by prefix in the order given, each in key order. Their `prefix` is
            the requested prefix, as a URL.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            As for `list_paths`.
        """
        prefixes = self._urls(keys)
        return self._listed(prefixes, [as_directory(prefix) for prefix in prefixes], "")

    def iter_list(
        self,
        keys: Optional[Iterable[str]] = None,
        recursive: bool = True,
        include: Patterns = None,
        exclude: Patterns = None,
    ) -> Iterator[S3Object]:
        """
        Iterate over the objects under the given prefixes while they are listed.

        The loop begins with the first page of the listing, and takes the same memory for any number of objects. The
        objects have their `last_modified`, `etag` and `storage_class`, which those of `list_recursive` do not have.

        Parameters
        ----------
        keys : Iterable[str], optional, default None
            Prefixes to list, each an S3 URL or a path relative to the root. The root of this client if None. A prefix
            is a directory: 'log' matches all keys under 'log/'.
        recursive : bool, default True
            If False, list only objects and prefixes directly under the given prefixes, as `list_paths` does; prefixes
            have `.exists == False`.
        include : Union[str, Iterable[str]], optional, default None
            Patterns of the paths to list, relative to the prefix, e.g. '2024-*.csv'; `*` also matches slashes. All if
            None. The server lists only keys that begin with the text before the first wildcard.
        exclude : Union[str, Iterable[str]], optional, default None
            Patterns of the paths to skip.

        Yields
        ------
        S3Object
            The objects under the prefixes: prefix by prefix in the order given, each in the order of the server, which
            is key order in S3. Their `prefix` is the requested prefix, as a URL.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            As for `list_paths`; failures of requests during the loop.

        Examples
        --------
        ```
        with S3(s3root='s3://my-bucket/logs') as s3:
            old = [obj.url for obj in s3.iter_list(include='2023-*') if obj.size > 10**9]
        ```
        """
        check_booleans(recursive=recursive)
        patterns = PathPatterns(include, exclude)
        return chain.from_iterable(self._listed_below(url, recursive, patterns) for url in self._urls(keys))

    def info(self, key: Optional[Union[str, S3GetObject]] = None, return_missing: bool = False) -> S3Object:
        """
        Get the size and metadata of a single object with one HeadObject request, without its data.

        Parameters
        ----------
        key : Union[str, S3GetObject], optional, default None
            Object to query: an S3 URL, a key relative to the root, or an `S3GetObject` with a `version_id`. The root of
            the client if None.
        return_missing : bool, default False
            If True, return a missing key as an `S3Object` with `.exists == False` instead of raising.

        Returns
        -------
        S3Object
            The requested object, with `.downloaded == False`.

        Raises
        ------
        MetaflowS3NotFound
            The object (unless `return_missing=True`) or the bucket does not exist.
        MetaflowS3AccessDenied
            The identity lacks the permission.
        MetaflowS3URLException
            The key is invalid: a full URL on a client with a root, or no full URL on a client without one.
        MetaflowS3Exception
            The request failed for another reason.
        """
        return self._heads([key], Place.HERE, return_missing)[0]

    def info_many(self, keys: Iterable[Union[str, S3GetObject]], return_missing: bool = False) -> S3Objects:
        """
        Get the size and metadata of many objects in parallel, with one HeadObject request for each object.

        Parameters
        ----------
        keys : Iterable[Union[str, S3GetObject]]
            Objects to query, as for `info`.
        return_missing : bool, default False
            If True, return a missing key as an `S3Object` with `.exists == False` instead of raising.

        Returns
        -------
        S3Objects
            The requested objects, in the same order, with `.downloaded == False`.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            As for `info`, for the first object that fails. MetaflowS3NotFound names all missing objects.
        """
        return self._heads(several(keys), Place.WORKERS, return_missing)

    def _listed(self, prefixes: list[str], directories: list[str], delimiter: str) -> S3Objects:
        listings = [Listing(*split_url(url), delimiter=delimiter) for url in directories]
        results = zip(prefixes, listings, self._list(listings))
        return S3Objects(
            chain.from_iterable(_found(prefix, listing.bucket, entries) for prefix, listing, entries in results)
        )

    def _listed_below(self, url: str, recursive: bool, patterns: PathPatterns) -> Iterator[S3Object]:
        """List one prefix page by page."""
        bucket, prefix = split_url(as_directory(url))
        # The rest of a path below a directory is not part of a listing of one level.
        beginning = patterns.beginning if recursive else patterns.beginning.partition("/")[0]
        listing = Listing(bucket, prefix + beginning, "" if recursive else "/", details=True)
        start, parent = len(prefix), f"s3://{bucket}/"
        for entries in self._pages(listing):
            for one in cast("list[Any]", entries):  # the objects are `DetailedObject`s
                if one.size is None:
                    if patterns.may_select_below(one.key[start:]):
                        yield s3object_of_directory(url, parent + one.key)
                elif patterns.selects_all or patterns.select(one.key[start:]):
                    yield s3object_of_listed(url, parent + one.key, one)

    def _heads(self, keys: list[Any], place: Place, return_missing: bool) -> S3Objects:
        check_booleans(return_missing=return_missing)
        urls = self._urls(keys)
        wanted = [(*split_object_url(url), version_of(key)) for url, key in zip(urls, keys)]
        objects = list(dict.fromkeys(wanted))
        results = dict(zip(objects, self._infos(objects, place, return_missing)))
        return S3Objects(s3object_of_info(self._location.root, url, results[one]) for url, one in zip(urls, wanted))

    def _infos(self, objects: Sequence[Wanted], place: Place, return_missing: bool) -> list[Optional[ObjectInfo]]:
        """Information on objects, each given as bucket, key and perhaps version id; None for a missing one."""
        if not objects:
            return []
        plan = Heads(objects, return_missing)
        with naming_all(self._executor, lambda: objects, self._location.root):
            self._executor.run(plan, place)
        self._executor.check_buckets(plan.unverified_buckets)
        return plan.results


def _found(prefix: str, bucket: str, entries: list[Entry]) -> Iterator[S3Object]:
    """Convert entries to S3Objects. Each entry is removed, so that millions of them are never held in both forms."""
    entries.reverse()
    while entries:
        key, size = entries.pop()
        url = f"s3://{bucket}/{key}"
        yield s3object_of_directory(prefix, url) if size is None else S3Object(prefix, url, size=size)
