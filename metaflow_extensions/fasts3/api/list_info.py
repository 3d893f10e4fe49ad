"""The methods of `S3` that move no data: listings and headers."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Optional

from metaflow_extensions.fasts3.api.arguments import check_booleans, key_of, several
from metaflow_extensions.fasts3.api.client import Client
from metaflow_extensions.fasts3.api.errors_of_many import naming_all
from metaflow_extensions.fasts3.api.location import as_directory, split_object_url, split_url
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3objects import S3Objects, s3object_of_info
from metaflow_extensions.fasts3.plans.heads import Heads
from metaflow_extensions.fasts3.plans.listings import Listing
from metaflow_extensions.fasts3.plans.split_listing import Entry
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo


class ListMethods(Client):
    """list_paths, list_recursive, info, info_many."""

    def list_paths(self, keys: Optional[Iterable[str]] = None) -> S3Objects:
        """
        List the next level of paths in S3.

        If multiple keys are specified, listings are done in parallel. The returned S3Objects have `.exists == False`
        if the path refers to a prefix, not an existing S3 object.

        For instance, if the directory hierarchy is
        ```
        a/0.txt
        a/b/1.txt
        a/c/2.txt
        a/d/e/3.txt
        f/4.txt
        ```
        The `list_paths(['a', 'f'])` call returns
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
            List of paths. The root of this client if None.

        Returns
        -------
        S3Objects
            A list of S3Objects under the given paths, including prefixes (directories) that do not correspond to leaf
            objects: path by path in the order given, each in key order. Their `prefix` is the path asked for, as a URL
            with a trailing slash.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            There is no such bucket, S3 refused, a key does not go with the way this client was initialized, or S3
            could not be reached. A prefix under which there is nothing is no error.
        """
        prefixes = [as_directory(self._location.url(key_of(key))) for key in _prefixes(keys)]
        return self._listed(prefixes, prefixes, "/")

    def list_recursive(self, keys: Optional[Iterable[str]] = None) -> S3Objects:
        """
        List all objects recursively under the given prefixes.

        If multiple keys are specified, listings are done in parallel. All objects returned have `.exists == True` as
        this call always returns leaf objects.

        For instance, if the directory hierarchy is
        ```
        a/0.txt
        a/b/1.txt
        a/c/2.txt
        a/d/e/3.txt
        f/4.txt
        ```
        The `list_recursive(['a', 'f'])` call returns
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
            List of paths. The root of this client if None. A path is a directory: 'log' is all below 'log/', not
            'log_other/...' and not an object named 'log'.

        Returns
        -------
        S3Objects
            A list of S3Objects under the given paths: path by path in the order given, each in key order. Their
            `prefix` is the path asked for, as a URL.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            As for `list_paths`.
        """
        prefixes = [self._location.url(key_of(key)) for key in _prefixes(keys)]
        return self._listed(prefixes, [as_directory(prefix) for prefix in prefixes], "")

    def info(self, key: Optional[str] = None, return_missing: bool = False) -> S3Object:
        """
        Get metadata about a single object in S3.

        This call makes a single `HEAD` request to S3 which can be much faster than downloading all data with `get`.

        Parameters
        ----------
        key : str, optional, default None
            Object to query. It can be an S3 url or a path suffix.
        return_missing : bool, default False
            If set to True, do not raise an exception for a missing key but return it as an `S3Object` with
            `.exists == False`.

        Returns
        -------
        S3Object
            An S3Object corresponding to the object requested. The object will have `.downloaded == False`.

        Raises
        ------
        MetaflowS3NotFound
            There is no such object, unless `return_missing`; or no such bucket.
        MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            S3 refused, the key does not go with the way this client was initialized, or S3 could not be reached.
        """
        return self._heads([key], Place.HERE, return_missing)[0]

    def info_many(self, keys: Iterable[str], return_missing: bool = False) -> S3Objects:
        """
        Get metadata about many objects in S3 in parallel.

        This call makes a single `HEAD` request to S3 for each object, which can be much faster than downloading all
        data with `get`.

        Parameters
        ----------
        keys : Iterable[str]
            Objects to query. Each key can be an S3 url or a path suffix.
        return_missing : bool, default False
            If set to True, do not raise an exception for a missing key but return it as an `S3Object` with
            `.exists == False`.

        Returns
        -------
        S3Objects
            A list of S3Objects corresponding to the paths requested, in the same order. The objects will have
            `.downloaded == False`.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            As for `info`, for the first object that failed; MetaflowS3NotFound names all that are missing.
        """
        return self._heads(several(keys), Place.WORKERS, return_missing)

    def _listed(self, prefixes: list[str], directories: list[str], delimiter: str) -> S3Objects:
        listings = [Listing(*split_url(url), delimiter=delimiter) for url in directories]
        results = zip(prefixes, listings, self._list(listings))
        return S3Objects(
            chain.from_iterable(_found(prefix, listing.bucket, entries) for prefix, listing, entries in results)
        )

    def _heads(self, keys: list[Any], place: Place, return_missing: bool) -> S3Objects:
        check_booleans(return_missing=return_missing)
        urls = [self._location.url(key_of(key)) for key in keys]
        objects = {url: split_object_url(url) for url in urls}  # each once, however often it is asked for
        results = dict(zip(objects, self._infos(list(objects.values()), place, return_missing)))
        return S3Objects(s3object_of_info(self._location.root, url, results[url]) for url in urls)

    def _infos(self, objects: list[tuple[str, str]], place: Place, return_missing: bool) -> list[Optional[ObjectInfo]]:
        """What S3 says of objects, each as bucket and key; None for one that is missing."""
        if not objects:
            return []
        plan = Heads(objects, return_missing)
        with naming_all(self._executor, lambda: objects, self._location.root):
            self._executor.run(plan, place)
        self._executor.check_buckets(plan.unproven)
        return plan.results


def _prefixes(keys: Optional[Iterable[str]]) -> list[Any]:
    return [None] if keys is None else several(keys)


def _found(prefix: str, bucket: str, entries: list[Entry]) -> Iterator[S3Object]:
    """The entries as users see them. They are used up: of millions, there is only one or the other at a time."""
    entries.reverse()
    while entries:
        key, size = entries.pop()
        url = f"s3://{bucket}/{key}"
        yield S3Object.directory(prefix, url) if size is None else S3Object(prefix, url, size=size)
