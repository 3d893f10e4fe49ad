"""The public calls of the cases, with their arguments, expected results and expected objects.

`CALLS` is the table. This file does not know which of the two classes it calls.
"""

from enum import Enum
from typing import Any, Callable, NamedTuple, Optional

from .cases import Case
from .content import content, is_content, names

DIRECTORY = "objects"  # in each set, for calls with prefixes
RANGES = 200
RANGE_LENGTH = 1024  # bytes


class WrongResult(Exception):
    """A call returned or stored wrong data."""


class ResultKind(Enum):
    """The kind of result of a call, which determines the check."""

    FILES = "S3Objects with the content in local files"
    RANGES = "S3Objects with pieces of one object in local files"
    FACTS = "S3Objects with a size"
    NOTHING_THERE = "S3Objects that do not exist"
    STORED = "the uploaded objects, which are in the bucket"
    NOT_STORED = "nothing, and the bucket is unchanged"

    @property
    def uploads(self) -> bool:
        """Whether the call uploads values."""
        return self in (ResultKind.STORED, ResultKind.NOT_STORED)


class Material(NamedTuple):
    """The arguments of a call, created before the measurement."""

    keys: list[str]
    ranges: list[tuple[str, int, int]]  # key, offset, length
    pairs: list[tuple[str, bytes]]
    paths: list[tuple[str, str]]


class Call(NamedTuple):
    """One public call."""

    kind: ResultKind
    make: Callable[[Any, Material], Any]  # S3 object, arguments -> result


def _ranged(material: Material) -> "list[Any]":
    from metaflow.datatools.s3 import S3GetObject

    return [S3GetObject(key, offset, length) for key, offset, length in material.ranges]


CALLS: dict[str, Call] = {
    "get": Call(ResultKind.FILES, lambda s3, m: [s3.get(m.keys[0])]),
    "get range": Call(ResultKind.RANGES, lambda s3, m: [s3.get(_ranged(m)[0])]),
    "get missing": Call(ResultKind.NOTHING_THERE, lambda s3, m: [s3.get(m.keys[0], return_missing=True)]),
    "get_many": Call(ResultKind.FILES, lambda s3, m: s3.get_many(m.keys)),
    "get_many ranges": Call(ResultKind.RANGES, lambda s3, m: s3.get_many(_ranged(m))),
    "get_many missing": Call(ResultKind.NOTHING_THERE, lambda s3, m: s3.get_many(m.keys, return_missing=True)),
    "get_recursive": Call(ResultKind.FILES, lambda s3, _: s3.get_recursive([DIRECTORY])),
    "get_all": Call(ResultKind.FILES, lambda s3, _: s3.get_all()),
    "put": Call(ResultKind.STORED, lambda s3, m: [s3.put(*m.pairs[0])]),
    # `put` returns the URL in both cases.
    "put existing": Call(ResultKind.NOT_STORED, lambda s3, m: [s3.put(*m.pairs[0], overwrite=False)][1:]),
    "put_many": Call(ResultKind.STORED, lambda s3, m: s3.put_many(m.pairs)),
    "put_many new": Call(ResultKind.STORED, lambda s3, m: s3.put_many(m.pairs, overwrite=False)),
    "put_many existing": Call(ResultKind.NOT_STORED, lambda s3, m: s3.put_many(m.pairs, overwrite=False)),
    "put_files": Call(ResultKind.STORED, lambda s3, m: s3.put_files(m.paths)),
    "info": Call(ResultKind.FACTS, lambda s3, m: [s3.info(m.keys[0])]),
    "info missing": Call(ResultKind.NOTHING_THERE, lambda s3, m: [s3.info(m.keys[0], return_missing=True)]),
    "info_many": Call(ResultKind.FACTS, lambda s3, m: s3.info_many(m.keys)),
    "info_many missing": Call(ResultKind.NOTHING_THERE, lambda s3, m: s3.info_many(m.keys, return_missing=True)),
    "list_paths": Call(ResultKind.FACTS, lambda s3, _: s3.list_paths([DIRECTORY])),
    "list_recursive": Call(ResultKind.FACTS, lambda s3, _: s3.list_recursive([DIRECTORY])),
}


def key_of(name: str) -> str:
    """The key of an object in its set."""
    return f"{DIRECTORY}/{name}"


def material_of(case: Case, files: Optional[str]) -> Material:
    """Create the arguments of a case's call.

    Parameters
    ----------
    case : Case
    files : str, optional
        A directory with a local file for each object, for calls that upload files.
    """
    kind = CALLS[case.call].kind
    there = names(case.objects)
    missing = kind is ResultKind.NOTHING_THERE
    keys = [key_of(f"missing-{name}" if missing else name) for name in there]
    ranges, pairs = [], []
    if kind is ResultKind.RANGES:
        step = case.size // RANGES
        ranges = [(keys[0], number * step, RANGE_LENGTH) for number in range(RANGES)]
    if kind.uploads and files is None:
        # Values that must not be stored differ from the existing ones, so that the check would notice.
        what = "new " if kind is ResultKind.NOT_STORED else ""
        pairs = [(key, content(what + name, case.size)) for key, name in zip(keys, there)]
    paths = [(key, f"{files}/{name}") for key, name in zip(keys, there)] if files else []
    return Material(keys, ranges, pairs, paths)


def check_sizes(case: Case, results: Any) -> None:
    """Check the size of every result; this is part of the measured time.

    Raises
    ------
    WrongResult
        Too few or too many results, or a wrong size.
    """
    call = CALLS[case.call]
    expected = {
        ResultKind.NOT_STORED: 0,
        ResultKind.RANGES: RANGES if "many" in case.call else 1,
    }.get(call.kind, case.objects)
    if len(results) != expected:
        raise WrongResult(f"{len(results)} results instead of {expected}")
    if call.kind is ResultKind.NOTHING_THERE:
        right = not any(result.exists for result in results)
    elif call.kind.uploads:
        right = True
    else:
        size = RANGE_LENGTH if call.kind is ResultKind.RANGES else case.size
        right = all(result.size == size for result in results)
    if not right:
        raise WrongResult("an object of the wrong size, or one that should not exist")


def check_content(case: Case, results: Any) -> None:
    """Compare every downloaded byte, after the measurement.

    Raises
    ------
    WrongResult
        An object is missing or has wrong content.
    """
    kind = CALLS[case.call].kind
    if kind in (ResultKind.FILES, ResultKind.FACTS):
        found = sorted(result.url.rpartition("/")[2] for result in results)
        if found != names(case.objects):
            raise WrongResult("other objects than requested")
    if kind is ResultKind.FILES:
        for result in results:
            if not is_content(result.path, result.url.rpartition("/")[2], case.size):
                raise WrongResult(f"the content of {result.key} is wrong")
    elif kind is ResultKind.RANGES:
        whole = content(names(1)[0], case.size)
        for (_, offset, length), result in zip(material_of(case, None).ranges, results):
            if result.blob != whole[offset : offset + length]:
                raise WrongResult(f"the range from {offset} is wrong")
