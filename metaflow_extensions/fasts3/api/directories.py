"""The methods of `S3` that download and upload whole directories."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Optional, Union

from metaflow_extensions.fasts3.api.arguments import check_booleans, check_whole, key_of, several, version_of
from metaflow_extensions.fasts3.api.changed_files import ChangedFileMethods, UploadOptions
from metaflow_extensions.fasts3.api.delete import DeleteMethods
from metaflow_extensions.fasts3.api.directory_walk import files_to_upload
from metaflow_extensions.fasts3.api.errors import (
    MOST_URL,
    MetaflowS3InvalidObject,
    MetaflowS3NotFound,
    MetaflowS3URLException,
    shown,
)
from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.file_download import FileDownload, WantedFile
from metaflow_extensions.fasts3.api.local_paths import hint_of_home, refuse_home, refuse_url
from metaflow_extensions.fasts3.api.location import as_directory, split_object_url, split_url
from metaflow_extensions.fasts3.api.mirrors import (
    NOTHING_DELETED,
    LocalDestination,
    StoredDestination,
    check_prefix,
    check_source,
)
from metaflow_extensions.fasts3.api.path_patterns import PathPatterns, Patterns
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3objects import s3object_in_file
from metaflow_extensions.fasts3.api.s3transfers import S3Downloads, S3Transfers
from metaflow_extensions.fasts3.plans.listings import Listing

LocalPath = Union[str, "os.PathLike[str]"]
Source = Union[str, S3Object, tuple[Union[str, S3Object], str]]


class _Found(NamedTuple):
    """An object of a download."""

    prefix: Optional[str]  # of the result
    wanted: WantedFile


class DirectoryMethods(ChangedFileMethods, DeleteMethods):
    """download, upload."""

    def download(
        self,
        prefixes: Union[Source, Iterable[Source]],
        directory: LocalPath,
        overwrite: bool = True,
        include: Patterns = None,
        exclude: Patterns = None,
        delete: bool = False,
        allow_empty: bool = False,
        dry_run: bool = False,
        compare: bool = True,
    ) -> S3Downloads:
        """
        Download all objects under the given prefixes into a local directory.

        The path of each file is the part of its key after the prefix. Its modification time is that of the object. Each
        file appears atomically, once it is complete. Files with the same size and time as their object are not
        downloaded again. Closing the client does not remove the files.

        Parameters
        ----------
        prefixes : Union[str, S3Object, Tuple, Iterable[Union[str, S3Object, Tuple]]]
            Prefixes to download, as for `get_recursive`. A prefix is a directory: 'models' matches all keys under
            'models/', and 'models/a/1.bin' becomes '<directory>/a/1.bin'. An `S3Object` is this object alone, and its
            path is its `key`; a directory of `list_paths` is a prefix. In a list, a tuple `(key, path)` is one object,
            given as for `copy`, and its path below the directory. An `S3Object` or `S3GetObject` with a `version_id` is
            that version.
        directory : Union[str, os.PathLike]
            Destination of the files. The call creates it if necessary. Without `delete`, it does not change other files
            in it.
        overwrite : bool, default True
            If True, replace files that differ from their object. If False, leave existing files unchanged.
        include, exclude : Union[str, Iterable[str]], optional, default None
            `fnmatch` patterns for the paths below the directory, e.g. '*.csv' or 'a/*'; `*` also matches slashes. All
            objects if `include` is None, except those that match `exclude`.
        delete : bool, default False
            If True, make the directory a mirror: after all downloads have succeeded, delete the files below it that
            match `include` and not `exclude` and have no object under the prefixes. Nothing is deleted if any object
            could not be downloaded. Files that were added or changed during the call remain. See docs/mirrors.md.
        allow_empty : bool, default False
            If True, a prefix without objects does not raise, and `delete` also applies if there is nothing to download.
        dry_run : bool, default False
            If True, write and delete nothing, and return what the call would have done. The paths of the objects may
            not exist.
        compare : bool, default True
            If False, download all objects, also those whose files are up to date.

        Returns
        -------
        S3Downloads
            A list of all objects, whether downloaded now or earlier, prefix by prefix in key order. Their `path` is the
            file in the directory. An empty object whose key ends with a slash becomes a directory and is not included.
            The attribute `unchanged` has the objects that were not downloaded again, and `deleted` the paths of deleted
            files.

        Raises
        ------
        MetaflowS3NotFound
            A prefix has no objects, and `allow_empty` is False.
        MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            Some objects were skipped and all others were downloaded: S3 denied access to them, or their keys are not
            valid paths in the directory ('../x', 'a//b', two keys for one file, a name that is too long). The class is
            that of all failures if they agree, otherwise MetaflowS3Exception. The message names each object; the
            attribute `failed` of the exception maps each URL to the reason, and `result` is what the call would have
            returned. Likewise for files that could not be deleted, by path.
        MetaflowS3InsufficientDiskSpace, MetaflowS3Exception
            As for `get_recursive`, for failures that end the whole call. Files that were complete remain.
        """
        check_booleans(overwrite=overwrite, delete=delete, allow_empty=allow_empty, dry_run=dry_run, compare=compare)
        patterns = PathPatterns(include, exclude)
        directory = os.fsdecode(directory)
        refuse_home(directory)
        refuse_url(directory)
        is_one = isinstance(prefixes, (str, bytes, S3Object)) or prefixes is None
        requested = self._requested_downloads([prefixes] if is_one else several(prefixes))
        path = os.path.abspath(directory)
        mirror = LocalDestination(path, patterns) if delete else None
        download = FileDownload(path, self._executor, dry_run)
        below = self._objects_of(requested, download, overwrite and compare, allow_empty)
        found = [one for one in below if patterns.selects_all or patterns.select(one.wanted.name)]
        if len(requested) > 1:  # an object may be given as such and below a prefix
            found = list({(one.wanted.url, one.wanted.name, one.wanted.version_id): one for one in found}.values())
        # Without objects, the directory is not created either.
        files = download.fetch([one.wanted for one in found], overwrite, compare) if found else []
        result = S3Downloads()
        for (prefix, wanted), file in zip(found, files):
            if file is not None:
                there = s3object_in_file(prefix, wanted.url, file.path, file.size, file.etag, wanted.version_id)
                result.append(there)
                if not file.is_new:
                    result.unchanged.append(there)
        more = NOTHING_DELETED if delete else ""
        download.left_out.raise_if_any(len(result), "downloaded", more=more, result=result)
        if mirror:
            source = ", ".join(one if isinstance(one, str) else one.wanted.url for one in requested)
            # An object that stands for a directory is no file: the prefix may be empty except for its own.
            check_source(f"'{shown(source, MOST_URL)}'", not result, allow_empty)
            kept = [os.path.join(path, one.wanted.name) for one in found]
            folds = bool(kept) and download.ignores_case()
            result.deleted = mirror.delete_others(kept, folds, download.left_out, dry_run)
            download.left_out.raise_if_any(len(result.deleted), "deleted", "files", result=result)
        return result

    def upload(
        self,
        directory: Union[LocalPath, Iterable[LocalPath]],
        prefix: Optional[str] = None,
        include: Patterns = None,
        exclude: Patterns = None,
        overwrite: bool = True,
        extra_args: Optional[dict[str, Any]] = None,
        delete: bool = False,
        allow_empty: bool = False,
        dry_run: bool = False,
        compare: bool = True,
        content_type: Optional[str] = None,
    ) -> S3Transfers:
        """
        Upload the files of a local directory, including its subdirectories.

        Files that are stored already are not uploaded again: the call compares size and time, or the ETag. It follows
        symbolic links to files, but not to directories. It does not store empty directories. Python's `mimetypes`
        guesses the content type of each object from the name of its file.

        Parameters
        ----------
        directory : Union[str, os.PathLike, Iterable[Union[str, os.PathLike]]]
            Local directory. In a list of several directories and files, a file becomes '<prefix>/<its name>'.
        prefix : str, optional, default None
            Destination: '<directory>/a/1.bin' becomes '<prefix>/a/1.bin'. The root of this client if None.
        include, exclude : Union[str, Iterable[str]], optional, default None
            `fnmatch` patterns for the path relative to the directory, e.g. '*.csv' or 'a/*'; `*` also matches slashes.
            All files if `include` is None, except those that match `exclude`. They do not apply to single files in a
            list.
        overwrite : bool, default True
            If True, replace objects that differ from their files. If False, leave existing objects unchanged.
        extra_args : Dict[str, Any], optional, default None
            Headers of the uploaded objects, as for `put`. Objects of unchanged files keep their headers.
        delete : bool, default False
            If True, make the prefix a mirror of one directory: after all uploads have succeeded, delete the objects
            under it that match `include` and not `exclude` and have no file in the directory. Nothing is deleted if any
            file could not be uploaded. A whole bucket raises. See docs/mirrors.md.
        allow_empty : bool, default False
            If True, `delete` also applies if there is no file to upload. If False, that raises.
        dry_run : bool, default False
            If True, store and delete nothing, and return what the call would have done.
        compare : bool, default True
            If False, upload all files, also those that are stored already, for example to change their headers.
        content_type : str, optional, default None
            MIME type of the uploaded objects. If None, it is guessed from the name of each file.

        Returns
        -------
        S3Transfers
            A list of `(key, url)` of each file that this call uploaded, in the order of their paths. The attribute
            `unchanged` has those of the files that were stored already, and `deleted` the URLs of deleted objects.

        Raises
        ------
        MetaflowS3NotFound
            The directory or the bucket does not exist.
        MetaflowS3NotFound, MetaflowS3InvalidObject, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            Some files were skipped and all others were uploaded: broken links, pipes, sockets, devices, files and
            directories that are not readable, names that are not UTF-8, two files for one key, and failed requests. The
            class is that of all failures if they agree, otherwise MetaflowS3Exception. The message names each file; the
            attribute `failed` of the exception maps each path to the reason, and `result` is what the call would have
            returned. Likewise for objects that could not be deleted, by URL.
        MetaflowS3URLException
            `delete` was given for a whole bucket.
        """
        check_booleans(overwrite=overwrite, delete=delete, allow_empty=allow_empty, dry_run=dry_run, compare=compare)
        left_out = LeftOut(self._executor)
        patterns = PathPatterns(include, exclude)
        sources = self._checked_sources(directory, delete)
        self._location.url(prefix)
        below = as_directory(prefix or "") if prefix or self._location.root is None else ""
        mirror = self._mirror(below, patterns) if delete else None
        files = files_to_upload(sources, below, patterns, left_out)
        listed = mirror.entries if mirror else None
        options = UploadOptions(overwrite, compare, dry_run, content_type, extra_args)
        result = self._store(files, below, options, left_out, listed)
        count = len(files) - left_out.count_of(file.path for file in files)
        left_out.raise_if_any(count, "uploaded", "files", NOTHING_DELETED if delete else "", result)
        if mirror:
            check_source(f"'{shown(str(directory), MOST_URL)}'", not files, allow_empty)
            names = (file.key[len(below) :] for file in files)
            self._delete_others(mirror.others(names, os.path.abspath(sources[0])), result, dry_run)
        return result

    def _mirror(self, below: str, patterns: PathPatterns) -> StoredDestination:
        """The objects under the prefix of an upload, which will be a mirror."""
        bucket, key = split_object_url(self._location.url_to_store(f"{below}x"))
        check_prefix(bucket, key[:-1])
        return StoredDestination(bucket, key[:-1], patterns, self._list([Listing(bucket, key[:-1], details=True)])[0])

    def _checked_sources(self, directory: Any, delete: bool) -> list[str]:
        """The directories and files of an upload; a single one is a directory."""
        if not isinstance(directory, (str, bytes, os.PathLike)):
            sources = [os.fsdecode(one) for one in several(directory)]
            if delete and not (len(sources) == 1 and os.path.isdir(sources[0])):
                raise MetaflowS3InvalidObject("delete=True mirrors one directory. Give its path.")
            return sources
        if not os.path.isdir(directory):
            named = shown(str(directory), MOST_URL)
            raise MetaflowS3NotFound(
                f"'{named}' is not a local directory. For single files, use put_files, or pass a list of paths."
                f"{hint_of_home(directory)}"
            )
        return [os.fsdecode(directory)]

    def _requested_downloads(self, given: Iterable[Any]) -> list[Union[_Found, str]]:
        """Objects, and the URLs of prefixes, each of these once: an object listed twice would collide with itself."""
        requested: list[Union[_Found, str]] = []
        known: set[Any] = set()
        for item in given:
            one = self._single(item)
            if one is None:
                url = item.url if isinstance(item, S3Object) else self._location.url(key_of(item))
            identity = as_directory(url) if one is None else (*one.wanted[:2], one.wanted.version_id)
            if identity not in known:
                known.add(identity)
                requested.append(url if one is None else one)
        return requested

    def _single(self, item: Any) -> Optional[_Found]:
        """One object to download; None for a prefix."""
        name: Optional[str] = None
        if isinstance(item, tuple) and not hasattr(item, "key"):
            if len(item) != len(("key", "path")) or not isinstance(item[1], str):
                raise MetaflowS3URLException(f"{item!r:.200} is not a pair. Give (key, path below the directory).")
            item, name = item
            if not isinstance(item, S3Object):
                url = self._location.url(key_of(item))
                split_object_url(url)
                check_whole(item, url)
                return _Found(self._location.root, WantedFile(url, name, None, version_id=version_of(item)))
        if not isinstance(item, S3Object) or (name is None and item.url.endswith("/") and not item.exists):
            return None
        if name is None:
            name = item.key if item.prefix else item.url.rpartition("/")[2]
        check_whole(item, item.url)
        wanted = WantedFile(item.url, name, item.size, item.last_modified, item.etag, item.version_id)
        return _Found(item.prefix, wanted)

    def _objects_of(
        self, requested: Sequence[Union[_Found, str]], download: FileDownload, compare: bool, allow_empty: bool
    ) -> Iterator[_Found]:
        """The objects of a download, in the order of the request."""
        times = download.wants_times(compare)
        urls = [one for one in requested if isinstance(one, str)]
        listings = [Listing(*split_url(as_directory(url)), details=times) for url in urls]
        found = dict(zip(urls, zip(listings, self._list(listings))))
        for one in requested:
            if not isinstance(one, str):
                yield one
                continue
            listing, entries = found[one]
            if not entries and not allow_empty:
                download.left_out.note(one, MetaflowS3NotFound(self._nothing_below(one)))
            start, parent = len(listing.prefix), f"s3://{listing.bucket}/"
            for entry in entries:
                key, modified, etag = entry.key, getattr(entry, "modified", None), getattr(entry, "etag", None)
                yield _Found(one, WantedFile(parent + key, key[start:], entry.size or 0, modified, etag))
