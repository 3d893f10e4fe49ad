"""The protocol between the user's process and a worker: frames that carry jobs and outcomes.

Bytes in, messages out; this file does not know pipes. A frame is a fixed head, a JSON document, and raw bytes (bodies
of uploads and downloads), so that bodies never pass through JSON:

    magic 2 | version 1 | kind 1 | length of the JSON 4 | length of the raw bytes 4 | JSON | raw bytes
"""

import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cache, partial
from itertools import product
from typing import Any, Callable, NamedTuple, Optional, Union, get_args, get_origin, get_type_hints

from metaflow_extensions.fasts3.plans.jobs import Buffer, Job, Outcome
from metaflow_extensions.fasts3.wire.failures import Code
from metaflow_extensions.fasts3.wire.operations import BY_TRANSFER
from metaflow_extensions.fasts3.wire.transfers import GetResponse, PutHeaders

MAGIC = b"\xf3S"
VERSION = 7
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


def jobs_frames(jobs: Iterable[Job]) -> Iterator[Frame]:
    """Return frames of jobs; see `_frames`."""
    return _frames(Kind.JOBS, ((job if job.body is None else (*job[:-1], len(job.body)), job.body) for job in jobs))


def outcomes_frames(outcomes: Iterable[Outcome]) -> Iterator[Frame]:
    """Return frames of outcomes; see `_frames`. Named tuples become JSON arrays."""
    return _frames(Kind.OUTCOMES, map(_row_and_body, outcomes))


def _row_and_body(outcome: Outcome) -> "tuple[Any, Optional[Buffer]]":
    result = outcome.result
    if type(result) is not GetResponse or result.body is None:
        return outcome, None
    return outcome._replace(result=(*result[:-1], len(result.body))), result.body


def _frames(kind: Kind, rows_and_bodies: "Iterable[tuple[Any, Optional[Buffer]]]") -> Iterator[Frame]:
    """Yield frames of rows, which hold the lengths of their bodies; a large body has its own frame, and is no copy."""
    rows: list[Any] = []
    bodies: list[Buffer] = []
    size = 0
    for row, body in rows_and_bodies:
        if body is not None:
            if bodies and size + len(body) > TOGETHER:
                yield Frame(kind, rows, b"".join(bodies))
                rows, bodies, size = [], [], 0
            bodies.append(body)
            size += len(body)
        rows.append(row)
    yield Frame(kind, rows, bodies[0] if len(bodies) == 1 else b"".join(bodies))


def jobs_of(frame: Frame) -> Iterator[Job]:
    """Yield the jobs in a frame.

    Raises
    ------
    FrameError
        The frame is invalid.
    """
    bodies, fields_of_job = _Bodies(frame.raw), _fields_of(Job)
    try:
        for row in _list(frame.document):
            number, operation, bucket, key, arguments, size = fields_of_job(row)
            if "headers" in arguments:
                arguments["headers"] = PutHeaders(*_list(arguments["headers"]))  # users choose the values
            yield Job(number, operation, bucket, key, arguments, None if size is None else bodies.take(size))
        bodies.check_end()
    except (LookupError, TypeError, ValueError) as error:
        raise _invalid("jobs", error) from None


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
    bodies, fields_of_outcome = _Bodies(frame.raw), _fields_of(Outcome)
    try:
        for row in _list(frame.document):
            number, result, failure, responded, retried, begun = fields_of_outcome(row)
            operation = jobs[number].operation
            if begun and operation != "get":
                raise ValueError("only downloads report that they have begun")
            result = None if failure else _result(operation, result, bodies)
            yield Outcome(number, result, failure, responded, retried, begun)
        bodies.check_end()
    except (LookupError, TypeError, ValueError) as error:
        raise _invalid("outcomes", error) from None


def _result(operation: str, result: Any, bodies: "_Bodies") -> Any:
    result = _reader_of_results(operation)(result)
    if type(result) is GetResponse and result.body is not None:
        size: Any = result.body  # in a frame
        if size != result.received:
            raise ValueError(f"{result.received} bytes were received, and the body has {size}")
        return result._replace(body=bodies.take(size))
    return result


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


def _invalid(what: str, error: Exception) -> FrameError:
    return FrameError(f"invalid {what}: {type(error).__name__}: {str(error)[:200]}")


# --- Values of JSON, checked against the annotations of named tuples.

_TYPES: "dict[Any, tuple[type, ...]]" = {
    float: (int, float),
    Code: (str,),
    Sequence: (list,),
    Any: (list, dict, str, type(None)),
    **dict.fromkeys((bytes, bytearray, memoryview), (int,)),  # the length of a body
}


@cache
def _reader_of_results(operation: str) -> "Callable[[Any], Any]":
    """Return the function that checks and converts the results of an operation."""
    kind = BY_TRANSFER[operation].result
    types, convert = _types_of(kind), _converter_of(kind)

    def read(value: Any) -> Any:
        if type(value) not in types:
            raise TypeError(f"the result of {operation} is {str(value)[:80]!r}")
        return convert(value) if convert else value

    return read


@cache
def _fields_of(kind: Any, make: "Callable[[list[Any]], Any]" = list) -> "Callable[[Any], Any]":
    """Return the function that checks and converts the fields of a named tuple, and passes them to `make`."""
    hints = get_type_hints(kind).values()
    allowed = frozenset(product(*map(_types_of, hints)))  # one lookup checks the number and types of all fields
    converters = [(index, convert) for index, convert in enumerate(map(_converter_of, hints)) if convert]

    def read(row: Any) -> Any:
        if type(row) is not list or tuple(map(type, row)) not in allowed:
            raise TypeError(f"{kind.__name__} is {str(row)[:80]!r}")
        for index, convert in converters:
            if row[index] is not None:
                row[index] = convert(row[index])
        return make(row)

    return read


@cache
def _reader_of(kind: Any) -> "Callable[[Any], Any]":
    """Return the function that checks and converts a row to a named tuple."""
    return _fields_of(kind, partial(tuple.__new__, kind))  # a named tuple's own __new__ is a function in Python


def _types_of(hint: Any) -> "tuple[type, ...]":
    """Return the types that values of an annotation have in JSON."""
    if get_origin(hint) is Union:
        return tuple(kind for one in get_args(hint) for kind in _types_of(one))
    hint = get_origin(hint) or hint
    return (list,) if hasattr(hint, "_fields") else _TYPES.get(hint, (hint,))


def _converter_of(hint: Any) -> "Optional[Callable[[Any], Any]]":
    """Return the function that checks what is in a value of JSON and converts it; None if there is nothing to do.

    It is not called with None: the types of the value were checked before.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Union:  # with None
        return next(filter(None, map(_converter_of, arguments)), None)
    if origin in (list, Sequence):
        kinds = [kind for kind in get_args(arguments[0]) or arguments if hasattr(kind, "_fields")]
        return partial(_rows, {len(kind._fields): kind for kind in kinds}) if kinds else _texts
    if (origin or hint) is dict:
        return None if Any in arguments else _texts
    if hasattr(hint, "_fields"):
        return _reader_of(hint)
    return Code if hint is Code else None


def _rows(kinds: "dict[int, Any]", rows: "list[Any]") -> "list[Any]":
    """Convert the rows of a list to named tuples, all of the type that has as many fields as the first row."""
    if not rows:
        return rows
    kind = kinds[len(rows[0])]
    return list(map(_reader_of(kind), rows))


def _texts(values: Any) -> Any:
    """Return a list or a dict, all of whose values must be strings."""
    for value in values.values() if type(values) is dict else values:
        if type(value) is not str:
            raise TypeError(f"{str(value)[:80]!r} is not a string")
    return values


def _list(value: Any) -> "list[Any]":
    if type(value) is not list:
        raise TypeError(f"{str(value)[:80]!r} is not a list")
    return value
