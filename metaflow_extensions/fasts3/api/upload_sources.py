"""The sources of an upload's bytes: memory, an open file, or a path. They are read when they are sent."""

import contextlib
import os
import stat
import sys
import tempfile
from functools import partial
from io import TextIOBase
from typing import Any, Callable, NamedTuple, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import MOST_URL, REMEDIES, MetaflowS3InvalidObject, MetaflowS3NotFound, shown
from metaflow_extensions.fasts3.api.local_paths import hint_of_home
from metaflow_extensions.fasts3.api.unnamed_files import STEP, Spool, Spooled, snapshot
from metaflow_extensions.fasts3.plans.jobs import Buffer
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE, Piece, pieces
from metaflow_extensions.fasts3.wire.failures import Code
from metaflow_extensions.fasts3.wire.local_files import Version, version_of

NOT_A_FILE = "Store its data with put."
Reader = Callable[[Piece], Buffer]


UNSIZED = -1
"""The size of a stream: it is read in order, whatever pieces are asked for, until there are no more bytes."""


class Source(NamedTuple):
    """The bytes of a value."""

    size: int  # bytes, or UNSIZED
    data: Optional[bytes] = None  # all of them; or
    read: Optional[Reader] = None  # reads a piece of them


def value_source(key: Any, value: Any, rewind: bool) -> Source:
    """The size of a value in bytes, and a function that reads its pieces; the key is for messages.

    A string is encoded in UTF-8. A file is any object whose `read` returns bytes. If it can't seek to its end, such as
    a pipe or an HTTP response, if its end is not there, such as those of /proc, or if seeking means to decompress it,
    it is a stream. With `rewind`, a file is read from its beginning rather than from its current position.

    Raises MetaflowS3InvalidObject for another type, a file that is not readable, and a seekable file at its end, of
    which nothing would be stored.
    """
    value = snapshot(value)
    if isinstance(value, bytes):
        return Source(len(value), value)
    if isinstance(value, str):
        return _text_source(key, value)
    if isinstance(value, Spooled):
        return Source(value.size, read=value.read)
    if hasattr(value, "read"):
        end = _end_of(value) if _is_seekable(key, value) else None
        return _stream_source(key, value, rewind) if end is None else _file_source(key, value, rewind, end)
    raise MetaflowS3InvalidObject(
        f"Object corresponding to the key '{_named(key)}' is not a string or a bytes object, but "
        f"{type(value).__name__}. {_remedy(value)}"
    )


def kept_value(spool: Spool, key: Any, value: Any) -> Any:
    """What to keep of a generator's value: of a file its bytes, because the generator may close it, or fill it again.

    Raises MetaflowS3InvalidObject as `value_source` does, and what reading a stream raises.
    """
    if not hasattr(value, "read"):
        return spool.keep(value)
    size, _, read = value_source(key, value, rewind=False)
    assert read is not None  # noqa: S101  # for the type checker
    if size == UNSIZED:
        return spool.keep_file(iter(partial(read, Piece(0, STEP)), b""), size)
    return spool.keep_file(map(read, pieces(0, size, STEP)), size)


def _remedy(value: Any) -> str:
    if isinstance(value, os.PathLike):
        return "Give the open file, or the path to put_files."
    if isinstance(value, memoryview):
        return "Give bytes(...) of it."
    # By attributes: pandas, Polars and NumPy are not imported for a message.
    remedies = (
        ("to_parquet", "Give its to_parquet(), which is bytes, or its to_csv(), which is text."),
        ("write_parquet", "Give its write_csv(), which is text; or write_parquet(buffer) and buffer.getvalue()."),
        ("to_csv", "Give its to_csv(), which is text."),
        (
            "__array__",
            "Write it to a buffer, buffer = io.BytesIO(), with numpy.save(buffer, ...); give buffer.getvalue().",
        ),
    )
    encode = "Encode it first, for instance with json.dumps or pickle.dumps."
    return next((remedy for name, remedy in remedies if hasattr(value, name)), encode)


def _text_source(key: Any, text: str) -> Source:
    try:
        # Small ones are encoded when they are sent, so that many of them are not in memory twice.
        if text.isascii() and len(text) <= PART_SIZE:
            return Source(len(text), read=partial(_encoded, text))
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MetaflowS3InvalidObject(
            f"The string for the key '{_named(key)}' is not valid Unicode ({error.reason}). "
            "Encode it to bytes yourself."
        ) from None
    return Source(len(data), read=partial(_encoded, text)) if len(data) <= PART_SIZE else Source(len(data), data)


def _encoded(text: str, piece: Piece) -> Buffer:
    return text.encode("utf-8")[piece.first : piece.first + piece.length]


def _stream_source(key: Any, file: Any, rewind: bool) -> Source:
    if rewind:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # most streams can't seek
            file.seek(0)

    def read(piece: Piece) -> Buffer:
        data = file.read(piece.length)
        if not isinstance(data, (bytes, bytearray, memoryview)):  # None: a non-blocking one has no bytes now
            raise MetaflowS3InvalidObject(
                f"Reading the file for the key '{_named(key)}' returned {type(data).__name__} instead of bytes."
            )
        if not data and _is_cut_short(file):
            raise _changed(key, "ended early")
        return data

    return Source(UNSIZED, read=read)


def _is_decompressed(file: Any) -> bool:
    """Whether a file decompresses another one; seeking to its end takes as long as reading it."""
    names = (("gzip", "GzipFile"), ("bz2", "BZ2File"), ("lzma", "LZMAFile"))
    return any(module in sys.modules and isinstance(file, getattr(sys.modules[module], name)) for module, name in names)


def _is_cut_short(file: Any) -> bool:
    """Whether an HTTP response has ended before its Content-Length; its `read(amount)` does not raise then."""
    file = getattr(file, "raw", file)  # of an `io.BufferedReader`
    client = sys.modules.get("http.client")
    if client is not None and isinstance(file, client.HTTPResponse):
        return bool(file.length)
    return bool(getattr(file, "length_remaining", 0))  # of urllib3 before version 2, also below requests


def _file_source(key: Any, file: Any, rewind: bool, end: int) -> Source:
    start = 0 if rewind else file.tell()
    size = end - start
    if start and size <= 0:
        raise MetaflowS3InvalidObject(
            f"The file for the key '{_named(key)}' is at its end: nothing of it would be stored. Call seek(0) first."
        )

    before = _version_of(file)

    def read(piece: Piece) -> Buffer:
        file.seek(start + piece.first)
        data = bytearray()
        while len(data) < piece.length:  # a raw file may return fewer bytes than requested
            more = file.read(piece.length - len(data))
            if not more:
                raise _changed(key, "became shorter")
            data += more
        if piece.length < size and _version_of(file) != before:  # one of several parts, which must be of one version
            raise _changed(key, "was changed")
        return data

    return Source(size, read=read)


def _is_seekable(key: Any, file: Any) -> bool:
    """Whether a file can seek to its end in no time; raises MetaflowS3InvalidObject if it is not readable as bytes."""

    def able(name: str) -> bool:  # SpooledTemporaryFile has neither method before Python 3.11
        try:
            return bool(getattr(file, name, lambda: True)())
        except AttributeError:  # a member of a tar file that is a stream
            return False

    try:
        # HTTP responses that were closed, or read to their end, are readable nevertheless, and return no bytes.
        is_over = True in (getattr(file, "closed", False), getattr(file, "isclosed", bool)())
        nothing = "" if isinstance(file, TextIOBase) else file.read(0) if not is_over and able("readable") else None
    except (OSError, ValueError, AttributeError, TypeError):  # closed, write-only, or another kind of `read`
        nothing = None
    if nothing is None:
        problem, remedy = "not readable", "Open it in mode 'rb'."
    elif isinstance(nothing, str):
        problem, remedy = "a text file", "Open the file in mode 'rb'."
    else:
        return hasattr(file, "seek") and able("seekable") and not _is_decompressed(file)
    raise MetaflowS3InvalidObject(f"Object corresponding to the key '{_named(key)}' is {problem}. {remedy}")


def _end_of(file: Any) -> Optional[int]:
    """The position of a file's end; None if it is not known: of a connection, or in /proc, where files seem empty.

    Raises what seeking back raises.
    """
    try:
        position = file.tell()
    except (OSError, ValueError, AttributeError):
        return None
    if position is None:
        return None
    end: Optional[int] = None
    with contextlib.suppress(OSError, ValueError):
        file.seek(0, os.SEEK_END)
        end = file.tell()  # SpooledTemporaryFile.seek() gives None before Python 3.11
        if not end and file.read(1):
            end = None
    file.seek(position)
    return end


def _version_of(file: Any) -> Optional[Version]:
    if isinstance(file, tempfile.SpooledTemporaryFile):
        return None  # its fileno() would move it to the disk, and lose it if the disk is full
    try:
        return version_of(os.fstat(file.fileno()))
    except (OSError, AttributeError):  # a file in memory; only this process can change it
        return None


def _changed(key: Any, how: str) -> MetaflowS3InvalidObject:
    problem = f"The file for the key '{_named(key)}' {how} while it was uploaded"
    return MetaflowS3InvalidObject(f"{problem}. {REMEDIES[Code.CHANGED]}")


def path_source(key: Any, path: Any) -> tuple[str, Version]:
    """A local file's absolute path, because workers may have another working directory, and its current version.

    Raises MetaflowS3NotFound for a missing file, and MetaflowS3InvalidObject for what is not the path of a regular
    file.
    """
    absolute = ""
    try:
        absolute = os.path.abspath(os.fsdecode(path))
        if os.path.isdir(absolute):
            raise MetaflowS3InvalidObject(
                f"'{_named(path)}', for the key '{_named(key)}', is a directory. "
                "Give the path of a file, one for each key."
            )
        status = os.stat(absolute)
        if not stat.S_ISREG(status.st_mode):
            raise MetaflowS3InvalidObject(
                f"'{_named(path)}', for the key '{_named(key)}', is not a regular file. {NOT_A_FILE}"
            )
        if not status.st_size:
            _check_empty(key, path, absolute)
        return absolute, version_of(status)
    except TypeError:
        raise MetaflowS3InvalidObject(
            f"The path for the key '{_named(key)}' is not a path: {shown(repr(path))}."
        ) from None
    except (OSError, ValueError) as error:
        raise _no_file(key, path, absolute, error) from None


def _check_empty(key: Any, path: Any, absolute: str) -> None:
    """Raise MetaflowS3InvalidObject for a file that has bytes although its size is 0, such as those of /proc."""
    # Some wait for their bytes.
    with open(absolute, "rb", buffering=0, opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
        if file.read(1) != b"":
            raise MetaflowS3InvalidObject(
                f"'{_named(path)}', for the key '{_named(key)}', has bytes although its size is 0. "
                "Open it in mode 'rb', and store it with put."
            )


def _no_file(key: Any, path: Any, absolute: str, error: Exception) -> MetaflowException:
    """The exception for a path without a readable file."""
    named, of_key = _named(path), f"(for the key '{_named(key)}')"
    if isinstance(error, FileNotFoundError) and os.path.islink(absolute):
        led = _named(os.readlink(absolute))
        return MetaflowS3NotFound(f"'{named}' is a broken link: '{led}' does not exist {of_key}.")
    if isinstance(error, OSError) and not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return MetaflowS3InvalidObject(f"Could not read '{named}': {error.strerror} {of_key}.")
    return MetaflowS3NotFound(f"Local file not found: {named} {of_key}.{hint_of_home(path)}")


def _named(name: Any) -> str:
    """A key or path, for messages."""
    return shown(str(name), MOST_URL)
