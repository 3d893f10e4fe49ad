"""The methods of `S3` that upload."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Callable, NamedTuple, Optional, Union

from metaflow_extensions.fasts3.api.arguments import (
    PutValue,
    S3PutObject,
    check_booleans,
    condition_of,
    headers_of,
    iterated,
    key_of,
)
from metaflow_extensions.fasts3.api.client import Client
from metaflow_extensions.fasts3.api.errors import MetaflowS3InvalidObject
from metaflow_extensions.fasts3.api.location import split_object_url
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.unnamed_files import HOLDING, Spool
from metaflow_extensions.fasts3.api.upload_sources import path_source, value_source
from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.plans.changed_uploads import ChangedUploads
from metaflow_extensions.fasts3.plans.hashing import HashThreads
from metaflow_extensions.fasts3.plans.pieces import LEAST_PART
from metaflow_extensions.fasts3.plans.refusals import Refusals
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.plans.uploads import Uploads
from metaflow_extensions.fasts3.wire.conditions import ABSENT, MARK
from metaflow_extensions.fasts3.wire.local_files import Version


class _Asked(NamedTuple):
    """One object to store, as the user gave it."""

    key: Any
    source: Any  # the value or the path
    content_type: Optional[str] = None
    metadata: Optional[dict[str, Any]] = None
    encryption: Optional[str] = None
    if_match: Optional[str] = None


class PutMethods(Client):
    """put, put_many, put_files."""

    _encryption: Optional[str]

    def put(
        self,
        key: Union[str, S3PutObject],
        obj: PutValue,
        overwrite: bool = True,
        content_type: Optional[str] = None,
        metadata: Optional[dict[str, Any]] = None,
        if_match: Optional[str] = None,
    ) -> str:
        """
        Upload a single object to S3.

        Parameters
        ----------
        key : Union[str, S3PutObject]
            Object path. It can be an S3 url or a path suffix.
        obj : PutValue
            An object to store in S3. Strings are converted to UTF-8 encoding. A binary file is stored whole,
            wherever it stands, and left open. Of a bytearray or memoryview, the bytes as of now are stored.
        overwrite : bool, default True
            Overwrite the object if it exists. If set to False, the operation succeeds without uploading anything if
            the key already exists.
        content_type : str, optional, default None
            Optional MIME type for the object.
        metadata : Dict[str, str], optional, default None
            A JSON-encodable dictionary of additional headers to be stored as metadata with the object. S3 takes 2 KB.
        if_match : str, optional, default None
            The `etag` of an `S3Object` that `get` or `info` gave: the object is replaced only if it still has it.
            None is no condition, and so is the `etag` of a key that was missing: there it is `overwrite=False` that
            overwrites nobody's. See docs/conditional_writes.md.

        Returns
        -------
        str
            URL of the object stored, whether it was stored now or, with `overwrite=False`, before.

        Raises
        ------
        MetaflowS3InvalidObject
            `obj` is not a string, bytes-like or a binary file, or a file that was changed while it was uploaded; or
            `metadata` can't be written as JSON; or `if_match` is no ETag.
        MetaflowS3PreconditionFailed
            The object has been changed since (`if_match`).
        MetaflowS3NotFound
            There is no such bucket; or no object (any more) that `if_match` could be about.
        MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            S3 refused, the key does not go with the way this client was initialized, or S3 could not be reached.
            With `overwrite=False` also where neither HeadObject nor If-None-Match tells whether the object exists.
        """
        check_booleans(overwrite=overwrite)
        _check_own_value(key, obj)
        asked = _Asked(
            key_of(key),
            obj,
            content_type or getattr(key, "content_type", None),
            getattr(key, "metadata", None) if metadata is None else metadata,
            getattr(key, "encryption", None),
            getattr(key, "if_match", None) if if_match is None else if_match,
        )
        return self._upload([asked], partial(self._from_value, rewind=True), overwrite, Place.HERE)[0][1]

    def put_many(
        self,
        key_objs: Iterable[Union[tuple[str, PutValue], S3PutObject]],
        overwrite: bool = True,
    ) -> list[tuple[str, str]]:
        """
        Upload many objects to S3.

        Each object to be uploaded can be specified in two ways:

        1. As a `(key, obj)` tuple where `key` is a string specifying the path and `obj` is a string or a bytes-like
           object. A binary file is stored from where it stands, as Metaflow always did here, and left open.

        2. As a `S3PutObject` which contains additional metadata to be stored with the object, or the `if_match` of
           an object that it is to replace.

        Parameters
        ----------
        key_objs : Iterable[Union[Tuple[str, PutValue], S3PutObject]]
            List of key-object pairs to upload. Of a generator, values beyond 32 MB wait in a file below `tmproot`.
        overwrite : bool, default True
            Overwrite the object if it exists. If set to False, the operation succeeds without uploading anything if
            the key already exists.

        Returns
        -------
        List[Tuple[str, str]]
            List of `(key, url)` pairs corresponding to the objects uploaded, in the order given.

        Raises
        ------
        MetaflowS3InvalidObject, MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3URLException, \
MetaflowS3Exception
            As for `put`. What is wrong with any of the pairs is found before anything is uploaded. An object that has
            been changed since (`if_match`) is found when its turn comes: others may have been stored then.
        """
        check_booleans(overwrite=overwrite)
        with Spool(self._tempdir.path) as spool:
            keep = (lambda value: value) if isinstance(key_objs, HOLDING) else spool.keep
            asked = [_asked(item, "value", keep) for item in iterated(key_objs)]
            return self._stored(asked, self._from_value, overwrite)

    def put_files(
        self,
        key_paths: Iterable[Union[tuple[str, str], S3PutObject]],
        overwrite: bool = True,
    ) -> list[tuple[str, str]]:
        """
        Upload many local files to S3.

        Each file to be uploaded can be specified in two ways:

        1. As a `(key, path)` tuple where `key` is a string specifying the S3 path and `path` is the path to a local
           file.

        2. As a `S3PutObject` which contains additional metadata to be stored with the file.

        Parameters
        ----------
        key_paths : Iterable[Union[Tuple[str, str], S3PutObject]]
            List of files to upload.
        overwrite : bool, default True
            Overwrite the object if it exists. If set to False, the operation succeeds without uploading anything if
            the key already exists.

        Returns
        -------
        List[Tuple[str, str]]
            List of `(key, url)` pairs corresponding to the files uploaded, in the order given.

        Raises
        ------
        MetaflowS3NotFound
            There is no such local file, or no such bucket.
        MetaflowS3InvalidObject, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            As for `put`. What is wrong with any of the pairs is found before anything is uploaded.
        """
        check_booleans(overwrite=overwrite)
        asked = [_asked(item, "path") for item in iterated(key_paths)]
        return self._stored(asked, self._from_path, overwrite)

    def _store_files(
        self,
        files: Iterable[tuple[str, str, Version]],
        content_type: Optional[str],
        overwrite: bool,
        refusals: Refusals,
        compare: bool,
    ) -> list[tuple[str, str]]:
        """Upload files, given by key, absolute path and version, with marks; single failures are noted.

        With `compare`, or where nothing is overwritten, what is stored already is not sent.
        """
        asked = [_Asked(key, (path, version), content_type) for key, path, version in files]
        with HashThreads(processors()) as hashing:
            plan = partial(ChangedUploads, hashing=hashing, refusals=refusals, compare=compare or not overwrite)
            return self._stored(asked, lambda item: self._from_file(item, *item.source), overwrite, plan)

    def _store_values(self, objects: Iterable[S3PutObject], overwrite: bool, place: Place) -> None:
        """Upload values, each as `put` does it."""
        asked = [_asked(item, "value") for item in objects]
        self._upload(asked, partial(self._from_value, rewind=True), overwrite, place)

    def _stored(
        self,
        asked: list[_Asked],
        upload: Callable[[_Asked], Upload],
        overwrite: bool,
        plan: Callable[[Sequence[Upload], int], Uploads] = Uploads,
    ) -> list[tuple[str, str]]:
        results = self._upload(asked, upload, overwrite, Place.WORKERS, plan) if asked else []
        return [(key, url) for key, url, stored in results if stored]

    def _upload(
        self,
        asked: list[_Asked],
        upload: Callable[[_Asked], Upload],
        overwrite: bool,
        place: Place,
        plan: Callable[[Sequence[Upload], int], Uploads] = Uploads,
    ) -> list[tuple[Any, str, bool]]:
        """Store what is asked for, by a plan; key, URL, and whether it was stored now.

        What is wrong with values is raised before what is wrong with keys, as by Metaflow's own class.
        """
        conditions = [condition_of(item.key, item.if_match, overwrite) for item in asked]
        bodies = [upload(item) for item in asked]
        urls = [self._location.url_to_store(item.key) for item in asked]
        _check_duplicates(asked, urls)
        numbers = range(len(urls))
        # One upload a key: side by side, which of several came last would be a matter of chance. The last given is what
        # stays; without overwriting it is the first, which the others would find there.
        chosen = {urls[number]: number for number in (numbers if overwrite else reversed(numbers))}
        number = uuid.uuid4().hex
        uploads = [_complete(body, url, condition, number) for body, url, condition in zip(bodies, urls, conditions)]
        step = self._executor.settings().part_size
        work = plan([uploads[number] for number in chosen.values()], step)
        self._executor.run(work, place)
        stored = dict(zip(chosen, work.stored))
        return [
            (item.key, url, stored[url] and (overwrite or chosen[url] == number))
            for number, (item, url) in enumerate(zip(asked, urls))
        ]

    def _from_value(self, item: _Asked, rewind: bool = False) -> Upload:
        """The upload of a value, without its place."""
        size, data, read = value_source(item.key, item.source, rewind)
        return Upload("", "", size, self._headers(item), data=data, read=read)

    def _from_path(self, item: _Asked) -> Upload:
        return self._from_file(item, *path_source(item.key, item.source))

    def _from_file(self, item: _Asked, path: str, version: Version) -> Upload:
        """The upload of a file, without its place."""
        size = version.size
        in_parts = version if size > LEAST_PART else None  # none that is smaller is cut
        return Upload("", "", size, self._headers(item), path=path, version=in_parts)

    def _headers(self, item: _Asked) -> Any:
        return headers_of(item.key, item.content_type, item.metadata, item.encryption, self._encryption)


def _asked(item: Any, source: str, keep: Callable[[Any], Any] = lambda value: value) -> _Asked:
    """A pair, an S3PutObject, or anything with its attributes; `keep` gives what to hold in place of a value."""
    if hasattr(item, "key") and hasattr(item, source):
        if getattr(item, "path", None) is not None and getattr(item, "value", None) is not None:
            raise MetaflowS3InvalidObject(
                f"The S3PutObject for {key_of(item)!r} has a value and a path, and only one of them can be stored."
            )
        return _Asked(
            key_of(item),
            keep(getattr(item, source)),
            getattr(item, "content_type", None),
            getattr(item, "metadata", None),
            getattr(item, "encryption", None),
            getattr(item, "if_match", None),
        )
    try:
        if isinstance(item, (str, bytes)) or len(item) != len(("key", source)):
            raise TypeError  # two letters are no pair: brackets are missing around one
        key, given = item[0], item[1]
    except (TypeError, LookupError):
        raise MetaflowS3InvalidObject(
            f"{item!r:.200} is not a pair. Give (key, {'path' if source == 'path' else 'value'}) or an S3PutObject, "
            "which also takes a content type and metadata; of a dict, give its items()."
        ) from None
    return _Asked(key_of(key), keep(given))


def _check_duplicates(asked: list[_Asked], urls: list[str]) -> None:
    """Raise MetaflowS3InvalidObject for a key that has an if_match and is given twice: only one could keep to it."""
    conditional = {url: item.key for item, url in zip(asked, urls) if item.if_match is not None}
    counts = Counter(urls) if conditional else {}
    for url, key in conditional.items():
        if counts[url] > 1:
            raise MetaflowS3InvalidObject(
                f"{key!r} has an if_match and is given {counts[url]} times: once it is stored, its etag is another "
                "one. Give it once."
            )


def _check_own_value(key: Any, obj: Any) -> None:
    """Raise MetaflowS3InvalidObject for an S3PutObject that asks for something else to be stored than `obj`."""
    for given in (getattr(key, "value", None), getattr(key, "path", None)):
        if given is not None and given is not obj:
            raise MetaflowS3InvalidObject(
                f"The S3PutObject for {key_of(key)!r} has a value or path of its own, and put was given another one. "
                "Leave it out, or use put_many or put_files."
            )


def _complete(upload: Upload, url: str, condition: Optional[str], number: str) -> Upload:
    """An upload with its place and condition. A condition brings a mark along, by which its own tries are known."""
    bucket, key = split_object_url(url)
    upload = upload._replace(bucket=bucket, key=key)
    if condition is None:
        return upload
    # Without the quotes, which not every server keeps in metadata as they are.
    mark = number if condition == ABSENT else " ".join((number, condition.strip('"')))
    headers = upload.headers._replace(metadata={**(upload.headers.metadata or {}), MARK: mark})
    return upload._replace(condition=condition, headers=headers)
