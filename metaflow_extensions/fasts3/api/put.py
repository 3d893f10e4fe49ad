"""The methods of `S3` that upload, and those with which others store values, streams and files."""

import uuid
from collections.abc import Iterable
from functools import partial
from typing import Any, Callable, Optional, Union

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
from metaflow_extensions.fasts3.api.location import split_object_url
from metaflow_extensions.fasts3.api.object_writer import ObjectWriter
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.plan_thread import RunPlan
from metaflow_extensions.fasts3.api.put_arguments import PutArguments, check_duplicates, check_own_value, put_arguments
from metaflow_extensions.fasts3.api.unnamed_files import HOLDING, Spool
from metaflow_extensions.fasts3.api.upload_sources import UNSIZED, kept_value, path_source, value_source
from metaflow_extensions.fasts3.plans.pieces import CARRIED, LEAST_PART, Piece
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.plans.uploads import Uploads
from metaflow_extensions.fasts3.wire.conditions import ABSENT, MARK
from metaflow_extensions.fasts3.wire.local_files import Version
from metaflow_extensions.fasts3.wire.transfers import PutHeaders

READ_AT_A_TIME = 2**20  # bytes of a stream


class PutMethods(Client):
    """put, put_many, put_files."""

    _encryption: Optional[str]
    _extra_headers: PutHeaders  # of the client's `extra_args`

    def put(
        self,
        key: Union[str, S3PutObject],
        obj: PutValue,
        overwrite: bool = True,
        content_type: Optional[str] = None,
        metadata: Optional[dict[str, Any]] = None,
        if_match: Optional[str] = None,
        extra_args: Optional[dict[str, Any]] = None,
    ) -> str:
        """
        Upload a single object to S3.

        Parameters
        ----------
        key : Union[str, S3PutObject]
            Key of the object: an S3 URL, or relative to the root.
        obj : PutValue
            Value to store: a string, which is encoded as UTF-8, a bytes-like object, or a binary file: any object whose
            `read` returns bytes. A file is stored from its beginning, whatever its position, and stays open. A file
            that can't seek, such as a pipe or an HTTP response, is stored from its current position; its parts are
            uploaded while it is read. The contents of a bytearray or memoryview are copied before the upload.
        overwrite : bool, default True
            If False, an object that exists is not replaced; the call succeeds and uploads nothing.
        content_type : str, optional, default None
            MIME type of the object.
        metadata : Dict[str, Any], optional, default None
            User metadata to store with the object, a JSON-encodable dictionary. S3 limits it to 2 KiB.
        if_match : str, optional, default None
            The `etag` of an `S3Object` returned by `get` or `info`. S3 replaces the object only if its ETag is still
            the same. None is no condition. The `etag` of a missing key is None as well: use `overwrite=False` to
            create an object without replacing another writer's. See docs/conditional_writes.md.
        extra_args : Dict[str, Any], optional, default None
            Headers of the object, by the names of boto3's `ExtraArgs`, e.g. `{"StorageClass": "STANDARD_IA",
            "CacheControl": "max-age=60", "Tagging": {"team": "data"}}`. They override those of the client. See
            docs/object_headers.md.

        Returns
        -------
        str
            URL of the object, also if `overwrite=False` found that it exists.

        Raises
        ------
        MetaflowS3InvalidObject
            `obj` is not a string, a bytes-like object or a binary file; the file changed during the upload; `metadata`
            is not JSON-encodable; `if_match` is not an ETag; or `extra_args` has an unknown name, a value of a wrong
            type, or contradicts another argument.
        MetaflowS3PreconditionFailed
            The object no longer has the ETag `if_match`.
        MetaflowS3NotFound
            The bucket does not exist; or `if_match` was given and the object does not exist.
        MetaflowS3AccessDenied
            The identity lacks the permission.
        MetaflowS3URLException
            The key is invalid: a full URL on a client with a root, or no full URL on a client without one.
        MetaflowS3Exception
            The request failed for another reason, or, with `overwrite=False`, neither HeadObject nor If-None-Match
            could determine whether the object exists.
        """
        check_booleans(overwrite=overwrite)
        check_own_value(key, obj)
        given = PutArguments(
            key_of(key),
            obj,
            content_type or getattr(key, "content_type", None),
            getattr(key, "metadata", None) if metadata is None else metadata,
            getattr(key, "encryption", None),
            getattr(key, "if_match", None) if if_match is None else if_match,
            getattr(key, "extra_args", None) if extra_args is None else extra_args,
        )
        return self._upload([given], partial(self._from_value, rewind=True), overwrite, Place.HERE)[0][1]

    def put_many(
        self, key_objs: Iterable[Union[tuple[str, PutValue], S3PutObject]], overwrite: bool = True
    ) -> list[tuple[str, str]]:
        """
        Upload many objects to S3 in parallel.

        Each object can be specified in two ways:

        1. As a tuple `(key, obj)`, where `obj` is a string, a bytes-like object or a binary file. A file is stored from
           its current position, as in Metaflow's own class, and stays open. Files that can't seek are stored after the
           others, one at a time.

        2. As an `S3PutObject`, which can also have a content type, metadata, encryption, `if_match` and
           `extra_args`.

        Parameters
        ----------
        key_objs : Iterable[Union[Tuple[str, PutValue], S3PutObject]]
            Objects to upload. If it is a generator, all values are read before the first upload, also files, which it
            may close; values beyond 32 MiB in total are buffered in a file in `tmproot`.
        overwrite : bool, default True
            If False, objects that exist are not replaced.

        Returns
        -------
        List[Tuple[str, str]]
            `(key, url)` of each uploaded object, in the order given. With `overwrite=False`, objects that existed are
            not included.

        Raises
        ------
        MetaflowS3InvalidObject, MetaflowS3NotFound, MetaflowS3AccessDenied, MetaflowS3URLException, \
MetaflowS3Exception
            As for `put`. Invalid arguments raise before the first upload. A failed precondition (`if_match`) raises
            during the uploads, when other objects may have been stored already.
        """
        check_booleans(overwrite=overwrite)
        with Spool(self._tempdir.path) as spool:
            keep = [] if isinstance(key_objs, HOLDING) else [partial(kept_value, spool)]
            given = [put_arguments(item, "value", *keep) for item in iterated(key_objs)]
            return self._stored(given, self._from_value, overwrite)

    def put_files(
        self, key_paths: Iterable[Union[tuple[str, str], S3PutObject]], overwrite: bool = True
    ) -> list[tuple[str, str]]:
        """
        Upload many local files to S3 in parallel.

        Each file can be specified in two ways:

        1. As a tuple `(key, path)`, where `path` is the path of a local file.

        2. As an `S3PutObject`, which can also have a content type, metadata, encryption, `if_match` and
           `extra_args`.

        Parameters
        ----------
        key_paths : Iterable[Union[Tuple[str, str], S3PutObject]]
            Files to upload.
        overwrite : bool, default True
            If False, objects that exist are not replaced.

        Returns
        -------
        List[Tuple[str, str]]
            `(key, url)` of each uploaded file, in the order given. With `overwrite=False`, objects that existed are
            not included.

        Raises
        ------
        MetaflowS3NotFound
            A local file or the bucket does not exist.
        MetaflowS3InvalidObject, MetaflowS3AccessDenied, MetaflowS3URLException, MetaflowS3Exception
            As for `put`. Invalid arguments raise before the first upload.
        """
        check_booleans(overwrite=overwrite)
        given = [put_arguments(item, "path") for item in iterated(key_paths)]
        return self._stored(given, self._from_path, overwrite)

    def _store_values(self, objects: Iterable[S3PutObject], overwrite: bool, place: Place) -> None:
        """Upload values, each as `put` does."""
        given = [put_arguments(item, "value") for item in objects]
        self._upload(given, partial(self._from_value, rewind=True), overwrite, place)

    def _stored(
        self,
        given: list[PutArguments],
        upload: Callable[[PutArguments], Upload],
        overwrite: bool,
    ) -> list[tuple[str, str]]:
        results = self._upload(given, upload, overwrite, Place.WORKERS) if given else []
        return [(key, url) for key, url, stored in results if stored]

    def _upload(
        self,
        given: list[PutArguments],
        upload: Callable[[PutArguments], Upload],
        overwrite: bool,
        place: Place,
    ) -> list[tuple[Any, str, bool]]:
        """Upload objects; return key, URL, and whether this call stored the object.

        Invalid values raise before invalid keys, as in Metaflow's own class.
        """
        conditions = [condition_of(item.key, item.if_match, overwrite) for item in given]
        bodies = [upload(item) for item in given]
        urls = [self._location.url_to_store(item.key) for item in given]
        check_duplicates(given, urls)
        numbers = range(len(urls))
        # One upload for each key: of concurrent uploads of a key, any one could end last. The last value given is
        # stored; without overwriting the first one is, since the others would find the object.
        chosen = {urls[number]: number for number in (numbers if overwrite else reversed(numbers))}
        number = uuid.uuid4().hex
        uploads = [to_store(body, url, condition, number) for body, url, condition in zip(bodies, urls, conditions)]
        step = self._executor.part_size
        sized = {url: uploads[number] for url, number in chosen.items() if uploads[number].size != UNSIZED}
        work = Uploads(list(sized.values()), step)
        if sized:
            self._executor.run(work, place)
        stored = dict(zip(sized, work.stored))
        streams = {url: uploads[number] for url, number in chosen.items() if url not in sized}
        stored.update((url, self._store_stream(upload)) for url, upload in streams.items())
        return [
            (item.key, url, stored[url] and (overwrite or chosen[url] == number))
            for number, (item, url) in enumerate(zip(given, urls))
        ]

    def _writer(self, upload: Upload, run: RunPlan, mode: str = "wb") -> ObjectWriter:
        """A file that stores an object; `run` carries out its plans."""
        step = min(self._executor.part_size, CARRIED)
        writer = ObjectWriter(run, upload, step, mode)
        self._files.add(writer)
        return writer

    def _store_stream(self, upload: Upload) -> bool:
        """Store what a stream brings; return False if the object exists and must not be overwritten."""
        writer = self._writer(upload._replace(size=0, read=None), self._run_beside)
        try:
            while upload.read and (data := upload.read(Piece(0, READ_AT_A_TIME))):
                writer.write(data)
        except BaseException:
            writer.abort()
            raise
        return writer.finish()

    def _from_value(self, item: PutArguments, rewind: bool = False) -> Upload:
        """The upload of a value, before its bucket and key are set."""
        size, data, read = value_source(item.key, item.source, rewind)
        return Upload("", "", size, self._headers(item), data=data, read=read)

    def _from_path(self, item: PutArguments) -> Upload:
        return self._from_file(item, *path_source(item.key, item.source))

    def _from_file(self, item: PutArguments, path: str, version: Version) -> Upload:
        """The upload of a file, before its bucket and key are set."""
        size = version.size
        in_parts = version if size > LEAST_PART else None  # smaller files are never split into parts
        return Upload("", "", size, self._headers(item), path=path, version=in_parts)

    def _headers(self, item: PutArguments) -> Any:
        headers = headers_of(
            item.key,
            item.content_type,
            item.metadata,
            item.encryption,
            self._encryption,
            item.extra_args,
            self._extra_headers,
        )
        if headers.content_type or not item.suggested_type:
            return headers
        return headers._replace(content_type=item.suggested_type)


def to_store(upload: Upload, url: str, condition: Optional[str], number: str) -> Upload:
    """An upload with its bucket, key and condition. A mark in the metadata identifies this upload's own attempts."""
    bucket, key = split_object_url(url)
    upload = Upload(bucket, key, *upload[2:])  # faster than _replace
    if condition is None:
        return upload
    # Without the quotes: some servers do not preserve them in metadata.
    mark = number if condition == ABSENT else " ".join((number, condition.strip('"')))
    headers = upload.headers._replace(metadata={**(upload.headers.metadata or {}), MARK: mark})
    return upload._replace(condition=condition, headers=headers)
