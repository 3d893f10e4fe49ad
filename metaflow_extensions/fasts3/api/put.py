"""The methods of `S3` that upload."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Optional, Union

from metaflow_extensions.fasts3.api.arguments import PutValue, S3PutObject, check_booleans, iterated, key_of
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.put_arguments import PutArguments, check_own_value, put_arguments
from metaflow_extensions.fasts3.api.storing import StoreMethods
from metaflow_extensions.fasts3.api.unnamed_files import HOLDING, Spool


class PutMethods(StoreMethods):
    """put, put_many, put_files."""

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
            `read` returns bytes. A file is stored from its beginning, whatever its position, and stays open. If it
            can't seek, such as a pipe or an HTTP response, it is stored from where it is, in parts as they come. The
            contents of a bytearray or memoryview are copied before the upload.
        overwrite : bool, default True
            If False, an object that exists is not replaced; the call succeeds and uploads nothing.
        content_type : str, optional, default None
            MIME type of the object.
        metadata : Dict[str, str], optional, default None
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
            Objects to upload. If it is a generator, values beyond 32 MiB in total are buffered in a file in `tmproot`.
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
            keep = (lambda value: value) if isinstance(key_objs, HOLDING) else spool.keep
            given = [put_arguments(item, "value", keep) for item in iterated(key_objs)]
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
