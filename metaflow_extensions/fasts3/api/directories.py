"""The methods of `S3` that download and upload whole directories."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Optional, Union

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.arguments import check_booleans, key_of, several
from metaflow_extensions.fasts3.api.delete import DeleteMethods
from metaflow_extensions.fasts3.api.directory_walk import files_in
from metaflow_extensions.fasts3.api.errors import MOST_URL, MetaflowS3NotFound, shown
from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.file_download import FileDownload, Wanted
from metaflow_extensions.fasts3.api.local_paths import hint_of_home, refuse_home
from metaflow_extensions.fasts3.api.location import as_directory, split_object_url, split_url
from metaflow_extensions.fasts3.api.mirrors import (
    LocalDestination,
    StoredDestination,
    check_prefix,
    check_source,
)
from metaflow_extensions.fasts3.api.path_patterns import PathPatterns, Patterns
from metaflow_extensions.fasts3.api.put import PutMethods
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3objects import S3Objects
from metaflow_extensions.fasts3.api.upload_sources import path_source
from metaflow_extensions.fasts3.plans.listings import Listing, modified_of
from metaflow_extensions.fasts3.plans.refusals import Refusals
from metaflow_extensions.fasts3.wire.local_files import Version


class LocalFile(NamedTuple):
    """A file to upload."""

    path: str  # relative to the working directory if the user's is
    key: str


class _Found(NamedTuple):
    """An object under one of the prefixes of a download."""

    prefix: str  # as requested, a URL
    wanted: Wanted


class DirectoryMethods(PutMethods, DeleteMethods):
    """download, upload."""

    def download(
        self,
        prefixes: Union[str, Iterable[str]],
        directory: Union[str, "os.PathLike[str]"],
        overwrite: bool = True,
        include: Patterns = None,
        exclude: Patterns = None,
        delete: bool = False,
        allow_empty: bool = False,
    ) -> S3Objects:
        """
        Download all objects under the given prefixes into a local directory.

        The path of each file is the part of its key after the prefix. Its modification time is that of the object. Each
        file appears atomically, once it is complete. Files with the same size and time as their object are not
        downloaded again. Closing the client does not remove the files.

        Parameters
        ----------
        prefixes : Union[str, Iterable[str]]
            Prefixes to download, as for `get_recursive`. A prefix is a directory: 'models' matches all keys under
            'models/', and 'models/a/1.bin' becomes '<directory>/a/1.bin'.
        directory : Union[str, os.PathLike]
            Destination of the files. The call creates it if necessary. Without `delete`, it does not change other files
            in it.
        overwrite : bool, default True
            If True, replace files that differ from their object. If False, leave existing files unchanged.
        include, exclude : Union[str, Iterable[str]], optional, default None
            `fnmatch` patterns for the part of the key after the prefix, e.g. '*.csv' or 'a/*'; `*` also matches
            slashes. All objects if `include` is None, except those that match `exclude`.
        delete : bool, default False
            If True, make the directory a mirror: after all downloads have succeeded, delete the files below it that
            match `include` and not `exclude` and have no object under the prefixes. Nothing is deleted if any object
            could not be downloaded. Files that were added or changed during the call remain. See docs/mirrors.md.
        allow_empty : bool, default False
            If True, a prefix without objects does not raise, and `delete` also applies if there is nothing to download.

        Returns
        -------
        List[S3Object]
            All objects, whether downloaded now or earlier, prefix by prefix in key order. Their `path` is the file in
            the directory. An empty object whose key ends with a slash becomes a directory and is not included.

        Raises
        ------
        MetaflowS3NotFound
            A prefix has no objects, and `allow_empty` is False.
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            Some objects were skipped and all others were downloaded: S3 denied access to them, or their keys are not
            valid paths in the directory ('../x', 'a//b', two keys for one file, a name that is too long). The class is
            that of all failures if they agree, otherwise MetaflowS3Exception. The message names each object; the
            attribute `failed` of the exception maps each URL to the reason. Likewise for files that could not be
            deleted, by path.
        MetaflowS3InsufficientDiskSpace, MetaflowS3Exception
            As for `get_recursive`, for failures that end the whole call. Files that were complete remain.
        """
        check_booleans(overwrite=overwrite, delete=delete, allow_empty=allow_empty)
        patterns = PathPatterns(include, exclude)
        refuse_home(directory)
        keys = [prefixes] if isinstance(prefixes, (str, bytes)) or prefixes is None else several(prefixes)
        once: dict[str, str] = {}  # an object listed twice would collide with itself
        for key in keys:
            url = self._location.url(key_of(key))
            once.setdefault(as_directory(url), url)
        path = os.path.abspath(os.fspath(directory))
        mirror = LocalDestination(path, patterns) if delete else None
        download = FileDownload(path, self._executor)
        below = self._objects_below(list(once.values()), download, overwrite, allow_empty)
        found = [one for one in below if patterns.select(one.wanted.name)]
        # Without objects, the directory is not created either.
        files = download.fetch([one.wanted for one in found], overwrite) if found else []
        there = S3Objects(
            S3Object(one.prefix, one.wanted.url, file.path, one.wanted.size)
            for one, file in zip(found, files)
            if file is not None
        )
        download.left_out.raise_if_any(len(there), "downloaded", more=" Nothing was deleted." if delete else "")
        if mirror:
            check_source(f"'{shown(', '.join(once.values()), MOST_URL)}'", not found, allow_empty)
            kept = [os.path.join(path, one.wanted.name) for one in found]
            deleted = mirror.delete_others(kept, bool(kept) and download.ignores_case(), download.left_out)
            download.left_out.raise_if_any(deleted, "deleted", "files")
        return there

    def upload(
        self,
        directory: Union[str, "os.PathLike[str]"],
        prefix: Optional[str] = None,
        include: Patterns = None,
        exclude: Patterns = None,
        overwrite: bool = True,
        extra_args: Optional[dict[str, Any]] = None,
        delete: bool = False,
        allow_empty: bool = False,
    ) -> list[tuple[str, str]]:
        """
        Upload the files of a local directory, including its subdirectories.

        Files that are stored already are not uploaded again: the call compares size and time, or the ETag. It follows
        symbolic links to files, but not those to directories. It does not store empty directories. Each object gets the
        content type that Python's `mimetypes` has for the name of its file.

        Parameters
        ----------
        directory : Union[str, os.PathLike]
            Local directory.
        prefix : str, optional, default None
            Destination: '<directory>/a/1.bin' becomes '<prefix>/a/1.bin'. The root of this client if None.
        include, exclude : Union[str, Iterable[str]], optional, default None
            `fnmatch` patterns for the path relative to the directory, e.g. '*.csv' or 'a/*'; `*` also matches slashes.
            All files if `include` is None, except those that match `exclude`.
        overwrite : bool, default True
            If True, replace objects that differ from their files. If False, leave existing objects unchanged.
        extra_args : Dict[str, Any], optional, default None
            Headers of the uploaded objects, as for `put`. Objects of unchanged files keep their headers.
        delete : bool, default False
            If True, make the prefix a mirror: after all uploads have succeeded, delete the objects under it that match
            `include` and not `exclude` and have no file in the directory. Nothing is deleted if any file could not be
            uploaded. A whole bucket raises. See docs/mirrors.md.
        allow_empty : bool, default False
            If True, `delete` also applies if there is no file to upload. If False, that raises.

        Returns
        -------
        List[Tuple[str, str]]
            `(key, url)` of each file that this call uploaded, in the order of their paths.

        Raises
        ------
        MetaflowS3NotFound
            The directory or the bucket does not exist.
        MetaflowS3NotFound, MetaflowS3InvalidObject, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            Some files were skipped and all others were uploaded: broken links, pipes, sockets, devices, files and
            directories that are not readable, names that are not UTF-8, and failed requests. The class is that of all
            failures if they agree, otherwise MetaflowS3Exception. The message names each file; the attribute `failed`
            of the exception maps each path to the reason. Likewise for objects that could not be deleted, by URL.
        MetaflowS3URLException
            `delete` was given for a whole bucket.
        """
        check_booleans(overwrite=overwrite, delete=delete, allow_empty=allow_empty)
        left_out = LeftOut(self._executor)
        patterns = PathPatterns(include, exclude)
        below = self._prefix_of_keys(directory, prefix)
        mirror = self._mirror(below, patterns) if delete else None
        files = self._files_of(directory, prefix, patterns, left_out)
        listed = mirror.entries if mirror else None
        stored = self._store(files, overwrite, left_out, extra_args=extra_args, listed=listed)
        count = len(files) - left_out.count_of(file.path for file in files)
        left_out.raise_if_any(count, "uploaded", "files", " Nothing was deleted." if delete else "")
        if mirror:
            check_source(f"'{shown(str(directory), MOST_URL)}'", not files, allow_empty)
            names = (file.key[len(below) :] for file in files)
            self._delete_objects(mirror.others(os.path.abspath(os.fspath(directory)), names), {})
        return stored

    def _mirror(self, below: str, patterns: PathPatterns) -> StoredDestination:
        """What is stored under the prefix of an upload."""
        bucket, key = split_object_url(self._location.url_to_store(f"{below}x"))
        check_prefix(bucket, key[:-1])
        return StoredDestination(bucket, key[:-1], patterns, self._list([Listing(bucket, key[:-1], details=True)])[0])

    def _files_of(
        self,
        directory: Union[str, "os.PathLike[str]"],
        prefix: Optional[str],
        patterns: PathPatterns,
        left_out: LeftOut,
    ) -> list[LocalFile]:
        """The files of a directory that match the patterns."""
        below = self._prefix_of_keys(directory, prefix)
        root = os.path.abspath(os.fspath(directory))

        def path(name: str) -> str:
            return os.path.join(os.fspath(directory), *name.split("/"))

        names = files_in(root, patterns, lambda name, error: left_out.note(path(name), error))
        return [LocalFile(path(name), below + name) for name in names]

    def _prefix_of_keys(self, directory: Union[str, "os.PathLike[str]"], prefix: Optional[str]) -> str:
        """What precedes the paths in the keys of an upload; raises for an invalid directory or prefix."""
        if not os.path.isdir(directory):
            named = shown(str(directory), MOST_URL)
            raise MetaflowS3NotFound(
                f"'{named}' is not a local directory. Use put_files for single files.{hint_of_home(directory)}"
            )
        self._location.url(prefix)
        return as_directory(prefix or "") if prefix or self._location.root is None else ""

    def _store(
        self,
        files: Sequence[LocalFile],
        overwrite: bool,
        left_out: LeftOut,
        content_type: Optional[str] = None,
        compare: bool = True,
        extra_args: Optional[dict[str, Any]] = None,
        listed: Optional[Sequence[Any]] = None,
    ) -> list[tuple[str, str]]:
        """Upload files, except for those that are stored already or skipped; return what `upload` returns."""
        given: list[tuple[LocalFile, str, str, Version]] = []  # with URL and absolute path
        for file in files:
            try:
                url = self._location.url_to_store(file.key)
                split_object_url(url)
                given.append((file, url, *path_source(file.key, file.path)))
            except MetaflowException as error:
                left_out.note(file.path, error)
        refusals = Refusals()
        sources = [(file.key, path, version) for file, _, path, version in given]
        stored = self._store_files(sources, content_type, overwrite, refusals, compare, extra_args, listed)
        left_out.note_refusals(refusals.by_url, {url: file.path for file, url, _, _ in given})
        return stored

    def _objects_below(
        self, urls: list[str], download: FileDownload, overwrite: bool, allow_empty: bool
    ) -> Iterator[_Found]:
        times = download.wants_times(overwrite)
        listings = [Listing(*split_url(as_directory(url)), details=times) for url in urls]
        for url, listing, entries in zip(urls, listings, self._list(listings)):
            if not entries and not allow_empty:
                download.left_out.note(url, MetaflowS3NotFound(self._nothing_below(url)))
            for one in entries:
                name = one.key[len(listing.prefix) :]
                yield _Found(url, Wanted(f"s3://{listing.bucket}/{one.key}", name, one.size or 0, modified_of(one)))
