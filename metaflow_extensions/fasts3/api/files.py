"""The method of `S3` that opens objects as files."""

import contextlib
import io
import uuid
from typing import Any, Literal, Optional, Union, cast, overload

from metaflow_extensions.fasts3.api.arguments import (
    S3GetObject,
    condition_of,
    headers_of,
    key_of,
    range_of,
    version_of,
)
from metaflow_extensions.fasts3.api.errors import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3NotFound,
    MetaflowS3ObjectAccessDenied,
    MetaflowS3ObjectNotFound,
)
from metaflow_extensions.fasts3.api.errors_of_many import naming_all
from metaflow_extensions.fasts3.api.location import split_object_url
from metaflow_extensions.fasts3.api.object_reader import ObjectReader
from metaflow_extensions.fasts3.api.object_writer import TextWriter, exists
from metaflow_extensions.fasts3.api.put import PutMethods, to_store
from metaflow_extensions.fasts3.plans.file_reads import FirstRead
from metaflow_extensions.fasts3.plans.heads import Heads
from metaflow_extensions.fasts3.plans.pieces import Piece
from metaflow_extensions.fasts3.plans.plan import Plan
from metaflow_extensions.fasts3.plans.read_window import BUFFER
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.wire.blocking import Interruption

LOOK_AHEAD = 64 * 2**20  # bytes: eight pieces of the size of a part
FIRST = Piece(0, 256 * 1024)  # the first request of a file: all of a small one
LEAST_LOOK_AHEAD = 2**20  # bytes
READING = ("rb", "r", "rt")
WRITING = ("wb", "w", "wt", "xb", "x", "xt")


class FileMethods(PutMethods):
    """open."""

    @overload
    def open(
        self,
        key: Union[str, S3GetObject, None] = None,
        mode: Literal["rb"] = "rb",
        *,
        look_ahead: int = LOOK_AHEAD,
        if_match: Optional[str] = None,
    ) -> io.BufferedReader: ...

    @overload
    def open(
        self,
        key: Optional[str],
        mode: Literal["wb", "xb"],
        *,
        content_type: Optional[str] = None,
        metadata: Optional[dict[str, Any]] = None,
        encryption: Optional[str] = None,
        if_match: Optional[str] = None,
        extra_args: Optional[dict[str, Any]] = None,
    ) -> io.BufferedIOBase: ...

    @overload
    def open(
        self,
        key: Union[str, S3GetObject, None],
        mode: Literal["r", "rt", "w", "wt", "x", "xt"],
        encoding: Optional[str] = None,
        errors: Optional[str] = None,
        newline: Optional[str] = None,
        look_ahead: int = LOOK_AHEAD,
        content_type: Optional[str] = None,
        metadata: Optional[dict[str, Any]] = None,
        encryption: Optional[str] = None,
        if_match: Optional[str] = None,
        extra_args: Optional[dict[str, Any]] = None,
    ) -> io.TextIOWrapper: ...

    @overload
    def open(
        self,
        key: Union[str, S3GetObject, None],
        mode: str,
        encoding: Optional[str] = None,
        errors: Optional[str] = None,
        newline: Optional[str] = None,
        look_ahead: int = LOOK_AHEAD,
        content_type: Optional[str] = None,
        metadata: Optional[dict[str, Any]] = None,
        encryption: Optional[str] = None,
        if_match: Optional[str] = None,
        extra_args: Optional[dict[str, Any]] = None,
    ) -> Any: ...

    def open(
        self,
        key: Union[str, S3GetObject, None] = None,
        mode: str = "rb",
        encoding: Optional[str] = None,
        errors: Optional[str] = None,
        newline: Optional[str] = None,
        look_ahead: int = LOOK_AHEAD,
        content_type: Optional[str] = None,
        metadata: Optional[dict[str, Any]] = None,
        encryption: Optional[str] = None,
        if_match: Optional[str] = None,
        extra_args: Optional[dict[str, Any]] = None,
    ) -> Any:
        """
        Open an object as a file.

        A file that is read is seekable. It requests only the ranges that are read, and reads ahead while it is read
        sequentially. It is one version of the object: reading raises if the object has been changed since.

        A file that is written is not seekable. Parts are uploaded while it is written, several at a time; an object of
        at most `part_size` is one request. Only `close`, or the end of the `with` block, stores the object. Nothing is
        stored if the `with` block raises, if the file is never closed, or if the process ends.

        Parameters
        ----------
        key : Union[str, S3GetObject], optional, default None
            Key of the object: an S3 URL, or relative to the root; or an `S3GetObject` with a `version_id`, to read
            that version. The client's root itself if None.
        mode : str, default 'rb'
            'rb' reads bytes, 'r' or 'rt' text. 'wb' writes bytes, 'w' or 'wt' text, and replaces an object that
            exists. 'xb' and 'x' only create an object, as `put(..., overwrite=False)` does. S3 can't append.
        encoding : str, optional, default None
            Encoding of text; UTF-8 if None, on every platform.
        errors, newline : str, optional, default None
            Of text, as for Python's own `open`.
        look_ahead : int, default 64 MiB
            Maximum bytes of memory for what a file that is read has read ahead, at least 1 MiB. Bytes that were read
            stay in up to 4 MiB more. A file that is written takes up to 72 MiB, or more if `part_size` is larger than
            8 MiB.
        content_type : str, optional, default None
            MIME type of an object that is written.
        metadata : Dict[str, Any], optional, default None
            User metadata to store with an object that is written, as for `put`.
        encryption : str, optional, default None
            Server-side encryption of an object that is written; that of this client if None.
        if_match : str, optional, default None
            The `etag` of an `S3Object`. Reading raises if the object has another one. Writing replaces only this
            version, as `put` does: if the object has been changed, `close` raises, or `write` after the first part. Not
            for the modes 'xb' and 'x'.
        extra_args : Dict[str, Any], optional, default None
            Headers of an object that is written, by the names of boto3's `ExtraArgs`, as for `put`.

        Returns
        -------
        io.BufferedReader, io.BufferedIOBase or io.TextIOWrapper
            Use it as a context manager, or close it before the client. Closing the client closes files that are read,
            and aborts those that are written.

        Raises
        ------
        MetaflowS3ObjectNotFound
            The object or the bucket does not exist. It is a MetaflowS3NotFound and a FileNotFoundError.
        MetaflowS3ObjectAccessDenied
            The identity lacks the permission. It is a MetaflowS3AccessDenied and a PermissionError.
        MetaflowS3PreconditionFailed
            The object does not have the ETag `if_match`. While reading: the object has been changed since the file was
            opened. Open it again.
        MetaflowS3ObjectExists
            In mode 'x': the object exists. It is also a FileExistsError. `close` raises it if another writer has
            created the object meanwhile.
        MetaflowS3URLException
            The key is invalid: a full URL on a client with a root, or no full URL on a client without one.
        MetaflowS3InvalidObject
            `metadata` is not JSON-encodable, `if_match` is not an ETag, `extra_args` are invalid, or the object has
            more parts than S3 allows.
        MetaflowS3Exception
            The request failed for another reason, or an argument is invalid.

        Examples
        --------
        ```
        with S3(s3root='s3://my-bucket/tables') as s3:
            with s3.open('users.parquet') as file:
                ages = pyarrow.parquet.read_table(file, columns=['age'])
            with s3.open('ages.csv', 'w') as file:
                ages.to_pandas().to_csv(file)
        ```
        """
        of_text = {"encoding": encoding, "errors": errors, "newline": newline}
        of_object: dict[str, Any] = {"content_type": content_type, "metadata": metadata, "encryption": encryption}
        _check_arguments(mode, look_ahead, if_match, of_text, {**of_object, "extra_args": extra_args})
        if range_of(key) != (None, None):
            raise MetaflowS3Exception(f"{key!r:.200} is a range. Open the object, and seek to the range.")
        given, version_id = key_of(key), version_of(key)
        condition = condition_of(given, if_match, overwrite=mode[0] != "x")
        if mode in READING:
            binary = self._open_to_read(self._location.url(given), version_id, condition, look_ahead)
            return binary if mode == "rb" else io.TextIOWrapper(binary, encoding or "utf-8", errors, newline)
        if version_id is not None:
            raise MetaflowS3Exception(
                "S3 assigns the version id when it stores an object. Omit version_id for writing."
            )
        headers = headers_of(
            given,
            **of_object,
            default_encryption=self._encryption,
            extra_args=extra_args,
            client_headers=self._extra_headers,
        )
        url = self._location.url_to_store(given)
        if mode[0] == "x" and self._is_there(url):
            raise exists(url)
        upload = to_store(Upload("", "", 0, headers), url, condition, uuid.uuid4().hex)
        writer = self._writer(upload, self._run_for_file, f"{mode[0]}b")
        return writer if "b" in mode else TextWriter(cast("Any", writer), encoding or "utf-8", errors, newline)

    def _open_to_read(
        self, url: str, version_id: Optional[str], if_match: Optional[str], look_ahead: int
    ) -> io.BufferedReader:
        bucket, key = split_object_url(url)
        plan = FirstRead(bucket, key, FIRST, version_id, if_match)
        with naming_all(self._executor, lambda: [(bucket, key, version_id)], self._location.root):
            self._run_for_file(plan, None)
        step = self._executor.part_size
        raw = ObjectReader(self._run_for_file, bucket, key, plan.response, look_ahead, step, version_id)
        self._files.add(raw)
        reader: io.BufferedReader = io.BufferedReader(cast("io.RawIOBase", raw), BUFFER)
        return reader

    def _run_for_file(self, plan: Plan, interruption: Optional[Interruption]) -> None:
        """Run a plan; its exceptions are also those of Python's own `open`, which libraries expect of a file."""
        try:
            self._run_beside(plan, interruption)
        except MetaflowS3NotFound as error:
            raise MetaflowS3ObjectNotFound(str(error)).about(error) from error.__cause__
        except MetaflowS3AccessDenied as error:
            raise MetaflowS3ObjectAccessDenied(str(error)).about(error) from error.__cause__

    def _is_there(self, url: str) -> bool:
        """Whether an object exists; False if HEAD is not permitted, because `close` checks again."""
        heads = Heads([split_object_url(url)], missing_ok=True)
        with contextlib.suppress(MetaflowS3AccessDenied):
            self._run_for_file(heads, None)
        return heads.results[0] is not None


def _check_arguments(
    mode: Any, look_ahead: Any, if_match: Any, of_text: dict[str, Any], of_writing: dict[str, Any]
) -> None:
    """Raise MetaflowS3Exception for invalid arguments of `open`."""
    if mode not in READING + WRITING:
        why = " S3 can't append to objects, nor change parts of them." if set("a+") & set(str(mode)) else ""
        raise MetaflowS3Exception(
            f"mode is {mode!r:.80}. Give 'rb' or 'r' to read, 'wb' or 'w' to write, 'xb' or 'x' to create.{why}"
        )
    if isinstance(look_ahead, bool) or not isinstance(look_ahead, int) or look_ahead < LEAST_LOOK_AHEAD:
        raise MetaflowS3Exception(
            f"look_ahead is {look_ahead!r:.80}; it must be an integer of at least {LEAST_LOOK_AHEAD:,}, in bytes."
        )
    if if_match is not None and mode[0] == "x":
        raise MetaflowS3Exception(
            f"if_match replaces an object that exists, and mode {mode!r} creates one. Omit it, or use 'wb' or 'w'."
        )
    for applies, what, arguments in (("b" not in mode, "text", of_text), (mode in WRITING, "writing", of_writing)):
        given = [name for name, value in arguments.items() if value is not None]
        if given and not applies:
            raise MetaflowS3Exception(f"{given[0]} is for {what}, and the mode is {mode!r}. Omit it.")
