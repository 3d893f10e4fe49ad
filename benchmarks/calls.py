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


class WrongAnswer(Exception):
    """A call returned or stored wrong data."""


class Answer(Enum):
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
        return self in (Answer.STORED, Answer.NOT_STORED)


class Material(NamedTuple):
    """The arguments of a call, created before the measurement."""

    keys: list[str]
    ranges: list[tuple[str, int, int]]  # key, offset, length
    pairs: list[tuple[str, bytes]]
    paths: list[tuple[str, str]]


class Call(NamedTuple):
    """One public call."""

    answer: Answer
    make: Callable[[Any, Material], Any]  # S3 object, arguments -> result


def _ranged(material: Material) -> "list[Any]":
    from metaflow.datatools.s3 import S3GetObject

    return [S3GetObject(key, offset, length) for key, offset, length in material.ranges]


CALLS: dict[str, Call] = {
    "get": Call(Answer.FILES, lambda s3, m: [s3.get(m.keys[0])]),
    "get range": Call(Answer.RANGES, lambda s3, m: [s3.get(_ranged(m)[0])]),
    "get missing": Call(Answer.NOTHING_THERE, lambda s3, m: [s3.get(m.keys[0], return_missing=True)]),
    "get_many": Call(Answer.FILES, lambda s3, m: s3.get_many(m.keys)),
    "get_many ranges": Call(Answer.RANGES, lambda s3, m: s3.get_many(_ranged(m))),
    "get_many missing": Call(Answer.NOTHING_THERE, lambda s3, m: s3.get_many(m.keys, return_missing=True)),
    "get_recursive": Call(Answer.FILES, lambda s3, _: s3.get_recursive([DIRECTORY])),
    "get_all": Call(Answer.FILES, lambda s3, _: s3.get_all()),
    "put": Call(Answer.STORED, lambda s3, m: [s3.put(*m.pairs[0])]),
    # `put` returns the URL in both cases.
    "put existing": Call(Answer.NOT_STORED, lambda s3, m: [s3.put(*m.pairs[0], overwrite=False)][1:]),
    "put_many": Call(Answer.STORED, lambda s3, m: s3.put_many(m.pairs)),
    "put_many new": Call(Answer.STORED, lambda s3, m: s3.put_many(m.pairs, overwrite=False)),
    "put_many existing": Call(Answer.NOT_STORED, lambda s3, m: s3.put_many(m.pairs, overwrite=False)),
    "put_files": Call(Answer.STORED, lambda s3, m: s3.put_files(m.paths)),
    "info": Call(Answer.FACTS, lambda s3, m: [s3.info(m.keys[0])]),
    "info missing": Call(Answer.NOTHING_THERE, lambda s3, m: [s3.info(m.keys[0], return_missing=True)]),
    "info_many": Call(Answer.FACTS, lambda s3, m: s3.info_many(m.keys)),
    "info_many missing": Call(Answer.NOTHING_THERE, lambda s3, m: s3.info_many(m.keys, return_missing=True)),
    "list_paths": Call(Answer.FACTS, lambda s3, _: s3.list_paths([DIRECTORY])),
    "list_recursive": Call(Answer.FACTS, lambda s3, _: s3.list_recursive([DIRECTORY])),
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
    answer = CALLS[case.call].answer
    there = names(case.objects)
    missing = answer is Answer.NOTHING_THERE
    keys = [key_of(f"missing-{name}" if missing else name) for name in there]
    ranges, pairs = [], []
    if answer is Answer.RANGES:
        step = case.size // RANGES
        ranges = [(keys[0], number * step, RANGE_LENGTH) for number in range(RANGES)]
    if answer.uploads and files is None:
        # Values that must not be stored differ from the existing ones, so that the check would notice.
        what = "new " if answer is Answer.NOT_STORED else ""
        pairs = [(key, content(what + name, case.size)) for key, name in zip(keys, there)]
    paths = [(key, f"{files}/{name}") for key, name in zip(keys, there)] if files else []
    return Material(keys, ranges, pairs, paths)


def check_sizes(case: Case, results: Any) -> None:
    """Check the size of every result; this is part of the measured time.

    Raises
    ------
    WrongAnswer
        Too few or too many results, or a wrong size.
    """
    call = CALLS[case.call]
    expected = {
        Answer.NOT_STORED: 0,
        Answer.RANGES: RANGES if "many" in case.call else 1,
    }.get(call.answer, case.objects)
    if len(results) != expected:
        raise WrongAnswer(f"{len(results)} results instead of {expected}")
    if call.answer is Answer.NOTHING_THERE:
        right = not any(result.exists for result in results)
    elif call.answer.uploads:
        right = True
    else:
        size = RANGE_LENGTH if call.answer is Answer.RANGES else case.size
        right = all(result.size == size for result in results)
    if not right:
        raise WrongAnswer("an object of the wrong size, or one that should not exist")


def check_content(case: Case, results: Any) -> None:
    """Compare every downloaded byte, after the measurement.

    Raises
    ------
    WrongAnswer
        An object is missing or has wrong content.
    """
    answer = CALLS[case.call].answer
    if answer in (Answer.FILES, Answer.FACTS):
        found = sorted(result.url.rpartition("/")[2] for result in results)
        if found != names(case.objects):
            raise WrongAnswer("other objects than requested")
    if answer is Answer.FILES:
        for result in results:
            if not is_content(result.path, result.url.rpartition("/")[2], case.size):
                raise WrongAnswer(f"the content of {result.key} is wrong")
    elif answer is Answer.RANGES:
        whole = content(names(1)[0], case.size)
        for (_, offset, length), result in zip(material_of(case, None).ranges, results):
            if result.blob != whole[offset : offset + length]:
                raise WrongAnswer(f"the range from {offset} is wrong")
