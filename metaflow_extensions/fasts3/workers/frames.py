"""The protocol between the user's process and a worker: frames, which carry jobs and outcomes.

Bytes in, messages out; this file does not know a pipe. A frame is a fixed head, then a JSON document, then raw bytes
(bodies of uploads and downloads), so that bytes never pass through JSON:

    magic 2 | version 1 | kind 1 | length of the JSON 4 | length of the raw bytes 4 | JSON | raw bytes
"""

import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from itertools import product
from typing import Any, NamedTuple, Optional

from metaflow_extensions.fasts3.plans.jobs import Buffer, Job, Outcome
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import (
    DetailedObject,
    GetReply,
    ListedObject,
    ObjectInfo,
    OpenUpload,
    Page,
    PutHeaders,
    UploadsPage,
)

MAGIC = b"\xf3S"
VERSION = 4
HEAD = struct.Struct(">2sBBII")
LIMIT = 256 * 2**20  # bytes of one frame; a body is at most one part, far below
TOGETHER = 2**20  # bytes of bodies in one frame of several: each is copied on either side


class Kind(IntEnum):
    """What a frame holds."""

    HELLO = 1  # worker -> parent, first: the worker's version and process id
    SETUP = 2  # parent -> worker: how to reach S3, how patient to be
    CREDENTIALS = 3  # parent -> worker: the set to sign with from now on
    JOBS = 4  # parent -> worker
    OUTCOMES = 5  # worker -> parent
    TEMPLATES = 6  # parent -> worker: (operation of S3, bucket, template or why there is none) each


class Frame(NamedTuple):
    """One message."""

    kind: Kind
    document: Any  # what JSON can hold
    raw: Buffer = b""


class FrameError(ValueError):
    """Bytes that are not a frame, or a frame over the limit."""


def encode(frame: Frame) -> list[Buffer]:
    """The bytes of a frame, in pieces, so that a large body is not copied."""
    document = json.dumps(frame.document, separators=(",", ":")).encode("ascii")
    size = memoryview(frame.raw).nbytes
    if len(document) + size > LIMIT:
        raise FrameError(f"a frame of {len(document) + size} bytes is over the limit of {LIMIT}")
    head = HEAD.pack(MAGIC, VERSION, frame.kind, len(document), size) + document
    return [head, frame.raw] if size else [head]


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes as they came; give the frames that are whole.

        Raises
        ------
        FrameError
            The stream is not of this protocol; nothing more can be read from it.
        """
        self._buffer += data
        while len(self._buffer) >= HEAD.size:
            magic, version, kind, document_size, raw_size = HEAD.unpack_from(self._buffer)
            if magic != MAGIC or version != VERSION:
                raise FrameError(f"not a frame of version {VERSION}: begins with {bytes(self._buffer[:4])!r}")
            end = HEAD.size + document_size + raw_size
            if end > LIMIT + HEAD.size:
                raise FrameError(f"a frame of {end} bytes is over the limit of {LIMIT}")
            if len(self._buffer) < end:
                return
            with memoryview(self._buffer) as view:
                raw_at = HEAD.size + document_size
                document, raw = bytes(view[HEAD.size : raw_at]), bytes(view[raw_at:end])
            del self._buffer[:end]
            yield _frame(kind, document, raw)


def _frame(kind: int, document: bytes, raw: bytes) -> Frame:
    try:
        return Frame(Kind(kind), json.loads(document), raw)
    except (ValueError, RecursionError) as error:  # RecursionError: brackets in brackets
        raise FrameError(f"a frame of kind {kind} does not hold JSON: {error}") from None


def jobs_frames(jobs: Sequence[Job]) -> Iterator[Frame]:
    """Jobs, bodies laid one after the other behind the JSON; a large one has a frame of its own, and is not copied."""
    rows: list[Any] = []
    bodies: list[Buffer] = []
    size = 0
    for job in jobs:
        length = -1 if job.body is None else len(job.body)
        if rows and size + length > TOGETHER:
            yield _jobs_frame(rows, bodies)
            rows, bodies, size = [], [], 0
        rows.append((*job[:5], length))
        if job.body is not None:
            bodies.append(job.body)
            size += length
    yield _jobs_frame(rows, bodies)


def _jobs_frame(rows: list[Any], bodies: list[Buffer]) -> Frame:
    return Frame(Kind.JOBS, rows, bodies[0] if len(bodies) == 1 else b"".join(bodies))


def jobs_of(frame: Frame) -> Iterator[Job]:
    """The jobs in a frame.

    Raises
    ------
    FrameError
        The frame is not what a parent would send.
    """
    bodies = _Bodies(frame.raw)
    try:
        for row in _list(frame.document):
            number, operation, bucket, key, arguments, size = _fields("a job", _JOB, row)
            if "headers" in arguments:
                arguments["headers"] = PutHeaders(*_list(arguments["headers"]))  # what is in them, users choose
            yield Job(number, operation, bucket, key, arguments, bodies.take(size) if size >= 0 else None)
        bodies.check_end()
    except (LookupError, TypeError, ValueError) as error:
        raise _nonsense("jobs", error) from None


def outcomes_frames(outcomes: Sequence[Outcome]) -> Iterator[Frame]:
    """Outcomes; a named tuple becomes a JSON array. Bodies lie behind the JSON, where their lengths stand for them."""
    rows: list[Any] = []
    bodies: list[Buffer] = []
    size = 0
    for outcome in outcomes:
        row, reply = outcome, outcome.reply
        if type(reply) is GetReply and reply.body is not None:
            length = len(reply.body)
            if bodies and size + length > TOGETHER:
                yield Frame(Kind.OUTCOMES, rows, b"".join(bodies))
                rows, bodies, size = [], [], 0
            bodies.append(reply.body)
            size += length
            row = outcome._replace(reply=(*reply[:-1], length))
        rows.append(row)
    yield Frame(Kind.OUTCOMES, rows, bodies[0] if len(bodies) == 1 else b"".join(bodies))


def outcomes_of(frame: Frame, jobs: Mapping[int, Job]) -> Iterator[Outcome]:
    """The outcomes in a frame.

    Parameters
    ----------
    jobs : mapping of int to Job
        The jobs that this worker has, by number; an outcome of any other is nonsense.

    Raises
    ------
    FrameError
        The frame is not what a worker would send.
    """
    bodies = _Bodies(frame.raw)
    try:
        for row in _list(frame.document):
            number, reply, failure, answered, retried, begun = _fields("an outcome", _OUTCOME, row)
            operation = jobs[number].operation
            told = _failure(failure)
            if begun and operation != "get":
                raise ValueError("nothing but a download tells that it has begun")
            answer = None if told else _reply(operation, reply, bodies)
            yield Outcome(number, answer, told, answered, _failure(retried), begun)
        bodies.check_end()
    except (LookupError, TypeError, ValueError) as error:
        raise _nonsense("outcomes", error) from None


def _failure(row: Any) -> Optional[Failure]:
    if row is None:
        return None
    code, *others = _fields("a failure", _FAILURE, row)
    return Failure(Code(code), *others)


class _Bodies:
    """The raw bytes of a frame, body after body."""

    def __init__(self, raw: Buffer) -> None:
        self._raw = raw
        self._position = 0

    def take(self, size: int) -> bytes:
        begin, self._position = self._position, self._position + size
        if size < 0 or self._position > len(self._raw):
            raise ValueError("a body is shorter than it should be")
        return bytes(self._raw[begin : self._position])  # all of bytes are themselves: no copy

    def check_end(self) -> None:
        if self._position != len(self._raw):
            raise ValueError("bytes came that are no job's")


def _reply(operation: str, reply: Any, bodies: _Bodies) -> Any:
    if operation == "head":
        return _info(reply)
    if operation == "get":
        info, *others, size = _fields("what a GET says", _GET_REPLY, reply)
        told = GetReply(_info(info), *others)
        if size is None:
            return told
        if size != told.received:
            raise ValueError(f"{told.received} bytes were received, and {size} come")
        return told._replace(body=bodies.take(size))
    if operation == "list_page":
        rows, prefixes, token = _fields("a page", _PAGE, reply)
        _texts(prefixes)
        return Page(_listed(rows), prefixes, token)
    if operation == "list_uploads":
        rows, after, now = _fields("a page of uploads", _UPLOADS_PAGE, reply)
        _texts(after or ())
        return UploadsPage([OpenUpload(*_fields("an upload", _UPLOAD, row)) for row in rows], after, now)
    if type(reply) is not _REPLIES[operation]:
        raise TypeError(f"the reply to {operation} is {str(reply)[:80]!r}")
    if type(reply) is dict:
        _texts(reply.values())
    return reply


def _listed(rows: "list[Any]") -> "list[Any]":
    if rows and len(rows[0]) > len(ListedObject._fields):
        return [DetailedObject(*_fields("an object", _DETAILED, row)) for row in rows]
    return [ListedObject(*_fields("an object", _LISTED, row)) for row in rows]


def _info(row: Any) -> ObjectInfo:
    info = ObjectInfo(*_fields("an object's info", _INFO, row))
    _texts(info.metadata.values())
    return info


# --- What is in the rows of a document: for each of them the types that its fields may have, together.

_NONE = type(None)


def _types(*fields: "tuple[type, ...]") -> "frozenset[tuple[type, ...]]":
    return frozenset(product(*fields))


_TEXT, _NUMBER, _MAYBE_TEXT, _MAYBE_NUMBER = (str,), (int,), (str, _NONE), (int, _NONE)
_JOB = _types(_NUMBER, _TEXT, _TEXT, _TEXT, (dict,), _NUMBER)
_OUTCOME = _types(_NUMBER, (list, str, dict, _NONE), (list, _NONE), (bool,), (list, _NONE), (bool,))
_FAILURE = _types(_TEXT, _TEXT, _TEXT, _NUMBER, _TEXT, _NUMBER, (int, float), (int, float), _NUMBER, _TEXT)
_INFO = _types(_MAYBE_NUMBER, _TEXT, _MAYBE_TEXT, (dict,), _MAYBE_NUMBER, _MAYBE_TEXT)
_GET_REPLY = _types((list,), _NUMBER, _NUMBER, _NUMBER, _MAYBE_NUMBER, _MAYBE_TEXT, _MAYBE_TEXT, _MAYBE_NUMBER)
_PAGE = _types((list,), (list,), _MAYBE_TEXT)
_LISTED = _types(_TEXT, _NUMBER)
_DETAILED = _types(_TEXT, _NUMBER, _TEXT, (int, float, _NONE))
_UPLOADS_PAGE = _types((list,), (list, _NONE), _MAYBE_NUMBER)
_UPLOAD = _types(_TEXT, _TEXT, _MAYBE_NUMBER)
_REPLIES: "dict[str, type]" = {
    **dict.fromkeys(("put", "create_upload", "complete_upload"), str),
    **dict.fromkeys(("upload_part", "delete_objects"), dict),
    **dict.fromkeys(("delete", "abort_upload", "head_bucket"), _NONE),
}


def _list(value: Any) -> "list[Any]":
    if type(value) is not list:
        raise TypeError(f"{str(value)[:80]!r} is no list")
    return value


def _fields(what: str, allowed: "frozenset[tuple[type, ...]]", row: Any) -> "list[Any]":
    """The fields of a row. One look-up tells that they are as many, and of such types, as they should be."""
    if type(row) is not list or tuple(map(type, row)) not in allowed:
        raise TypeError(f"{what} is {str(row)[:80]!r}")
    return row


def _texts(values: "Iterable[Any]") -> None:
    for value in values:
        if type(value) is not str:
            raise TypeError(f"{str(value)[:80]!r} is no text")


def _nonsense(what: str, error: Exception) -> FrameError:
    return FrameError(f"{what} that make no sense: {type(error).__name__}: {str(error)[:200]}")
