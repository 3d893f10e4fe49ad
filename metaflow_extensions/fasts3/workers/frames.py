"""The protocol between the user's process and a worker: frames that carry jobs and outcomes.

Bytes in, messages out; this file does not know pipes. A frame is a fixed head, a JSON document, and raw bytes (bodies
of uploads and downloads), so that bodies never pass through JSON:

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
from metaflow_extensions.fasts3.wire.operations import BY_TRANSFER
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
LIMIT = 256 * 2**20  # bytes of one frame; a body is at most one part, far smaller
TOGETHER = 2**20  # bytes of bodies that share a frame; each is copied on both sides


class Kind(IntEnum):
    """The contents of a frame."""

    HELLO = 1  # worker -> parent, first: the worker's version and process id
    SETUP = 2  # parent -> worker: how to reach S3, and the retry policy
    CREDENTIALS = 3  # parent -> worker: the credentials to sign with from now on
    JOBS = 4  # parent -> worker
    OUTCOMES = 5  # worker -> parent
    TEMPLATES = 6  # parent -> worker: (S3 operation, bucket, template or the reason for none) each


class Frame(NamedTuple):
    """One message."""

    kind: Kind
    document: Any  # a JSON value
    raw: Buffer = b""


class FrameError(ValueError):
    """Bytes are not a frame, or a frame exceeds the limit."""


def encode(frame: Frame) -> list[Buffer]:
    """Return a frame's bytes in pieces, so that a large body is not copied."""
    document = json.dumps(frame.document, separators=(",", ":")).encode("ascii")
    size = memoryview(frame.raw).nbytes
    if len(document) + size > LIMIT:
        raise FrameError(f"a frame of {len(document) + size} bytes exceeds the limit of {LIMIT}")
    head = HEAD.pack(MAGIC, VERSION, frame.kind, len(document), size) + document
    return [head, frame.raw] if size else [head]


class FrameReader:
    """Splits a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take received bytes and yield the frames that are complete.

        Raises
        ------
        FrameError
            The stream is invalid, and can't be read further.
        """
        self._buffer += data
        while len(self._buffer) >= HEAD.size:
            magic, version, kind, document_size, raw_size = HEAD.unpack_from(self._buffer)
            if magic != MAGIC or version != VERSION:
                raise FrameError(f"not a frame of version {VERSION}: begins with {bytes(self._buffer[:4])!r}")
            end = HEAD.size + document_size + raw_size
            if end > LIMIT + HEAD.size:
                raise FrameError(f"a frame of {end} bytes exceeds the limit of {LIMIT}")
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
    except (ValueError, RecursionError) as error:  # RecursionError: deeply nested brackets
        raise FrameError(f"a frame of kind {kind} does not contain JSON: {error}") from None


def jobs_frames(jobs: Sequence[Job]) -> Iterator[Frame]:
    """Yield frames of jobs, with their bodies after the JSON; a large body gets its own frame and is not copied."""
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
    """Yield the jobs in a frame.

    Raises
    ------
    FrameError
        The frame is invalid.
    """
    bodies = _Bodies(frame.raw)
    try:
        for row in _list(frame.document):
            number, operation, bucket, key, arguments, size = _fields("a job", _JOB, row)
            if "headers" in arguments:
                arguments["headers"] = PutHeaders(*_list(arguments["headers"]))  # users choose the values
            yield Job(number, operation, bucket, key, arguments, bodies.take(size) if size >= 0 else None)
        bodies.check_end()
    except (LookupError, TypeError, ValueError) as error:
        raise _invalid("jobs", error) from None


def outcomes_frames(outcomes: Sequence[Outcome]) -> Iterator[Frame]:
    """Yield frames of outcomes. Named tuples become JSON arrays; bodies follow the JSON, which holds their lengths."""
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
    """Yield the outcomes in a frame.

    Parameters
    ----------
    jobs : mapping of int to Job
        The worker's jobs, by number; outcomes of other jobs are invalid.

    Raises
    ------
    FrameError
        The frame is invalid.
    """
    bodies = _Bodies(frame.raw)
    try:
        for row in _list(frame.document):
            number, reply, failure, answered, retried, begun = _fields("an outcome", _OUTCOME, row)
            operation = jobs[number].operation
            error = _failure(failure)
            if begun and operation != "get":
                raise ValueError("only downloads report that they have begun")
            answer = None if error else _reply(operation, reply, bodies)
            yield Outcome(number, answer, error, answered, _failure(retried), begun)
        bodies.check_end()
    except (LookupError, TypeError, ValueError) as error:
        raise _invalid("outcomes", error) from None


def _failure(row: Any) -> Optional[Failure]:
    if row is None:
        return None
    code, *others = _fields("a failure", _FAILURE, row)
    return Failure(Code(code), *others)


class _Bodies:
    """The raw bytes of a frame, split into bodies."""

    def __init__(self, raw: Buffer) -> None:
        self._raw = raw
        self._position = 0

    def take(self, size: int) -> bytes:
        begin, self._position = self._position, self._position + size
        if size < 0 or self._position > len(self._raw):
            raise ValueError("a body is shorter than its length")
        return bytes(self._raw[begin : self._position])  # slicing all of a bytes object makes no copy

    def check_end(self) -> None:
        if self._position != len(self._raw):
            raise ValueError("bytes follow the last body")


def _reply(operation: str, reply: Any, bodies: _Bodies) -> Any:
    if operation == "head":
        return _info(reply)
    if operation == "get":
        info, *others, size = _fields("the result of a GET", _GET_REPLY, reply)
        result = GetReply(_info(info), *others)
        if size is None:
            return result
        if size != result.received:
            raise ValueError(f"{result.received} bytes were received, and the body has {size}")
        return result._replace(body=bodies.take(size))
    if operation == "list_page":
        rows, prefixes, token = _fields("a page", _PAGE, reply)
        _texts(prefixes)
        return Page(_listed(rows), prefixes, token)
    if operation == "list_uploads":
        rows, after, now = _fields("a page of uploads", _UPLOADS_PAGE, reply)
        _texts(after or ())
        return UploadsPage([OpenUpload(*_fields("an upload", _UPLOAD, row)) for row in rows], after, now)
    if type(reply) is not BY_TRANSFER[operation].reply:
        raise TypeError(f"the result of {operation} is {str(reply)[:80]!r}")
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


# --- The rows of a document: the allowed combinations of field types.

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


def _list(value: Any) -> "list[Any]":
    if type(value) is not list:
        raise TypeError(f"{str(value)[:80]!r} is not a list")
    return value


def _fields(what: str, allowed: "frozenset[tuple[type, ...]]", row: Any) -> "list[Any]":
    """Return the fields of a row. One lookup checks their number and types."""
    if type(row) is not list or tuple(map(type, row)) not in allowed:
        raise TypeError(f"{what} is {str(row)[:80]!r}")
    return row


def _texts(values: "Iterable[Any]") -> None:
    for value in values:
        if type(value) is not str:
            raise TypeError(f"{str(value)[:80]!r} is not a string")


def _invalid(what: str, error: Exception) -> FrameError:
    return FrameError(f"invalid {what}: {type(error).__name__}: {str(error)[:200]}")
