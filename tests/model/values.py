"""Values for random calls that print as short descriptions, not as megabytes."""

from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from contract.content import noise
from hypothesis import strategies as st
from metaflow.datatools.s3 import S3PutObject

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

SMALL = [1, 0, 17, 1024, 65_536, 300_000]
LARGE = [PART_SIZE - 1, PART_SIZE, PART_SIZE + 1, 2 * PART_SIZE + 5]  # bytes; on both sides of one piece
METADATA = [None, {"n": 1, "ü": ["\u20ac"]}, {"text": "a, b; c=d  e"}]
SEEDS, FORMS = st.integers(0, 3), st.sampled_from(["bytes", "str", "file"])
CONTENT_TYPES = [None, "text/x-test", "application/json; charset=utf-8"]


class Sizes(NamedTuple):
    """The sizes to choose from, in bytes."""

    small: "list[int]"
    values: "list[int]"
    pieces: "list[int]"  # that files are written in


# Large values now and then: each takes as long as a hundred small ones.
USUAL = Sizes(SMALL, SMALL * 30 + LARGE, SMALL * 4 + LARGE[1:3])
# For long runs, where the bytes of objects would take most of the time.
MOSTLY_TINY = Sizes(
    SMALL[:4] * 20 + SMALL[4:], SMALL[:4] * 400 + SMALL[4:] * 20 + LARGE, SMALL[:4] * 400 + SMALL[4:] * 20 + LARGE[1:3]
)


class Value(NamedTuple):
    """Something to be stored."""

    size: int
    seed: int
    form: str = "bytes"  # how it is handed over: bytes, str, file, path
    skipped: int = 0  # where a file stands

    def given(self, folder: Path) -> Any:
        """Make what `S3` is handed; a file is used up by that, so each call wants its own."""
        data = noise(self.size, self.seed)
        if self.form == "str":
            return data.decode("latin-1")
        if self.form == "file":
            file = BytesIO(data)
            file.seek(self.skipped)
            return file
        if self.form == "path":
            path = folder / f"{self.size}-{self.seed}"
            path.write_bytes(data)
            return str(path)
        return data


def given(argument: Any, folder: Path) -> Any:
    """An argument of a call, with all values in it made."""
    if isinstance(argument, Value):
        return argument.given(folder)
    if isinstance(argument, S3PutObject):
        name = "value" if argument.path is None else "path"
        return argument._replace(**{name: given(getattr(argument, name), folder)})
    if isinstance(argument, list):
        return [given(item, folder) for item in argument]
    if type(argument) is tuple:
        return tuple(given(item, folder) for item in argument)
    return argument


def values(sizes: "list[int]") -> "st.SearchStrategy[Value]":
    """Values in memory."""
    halves = st.integers(0, 2)  # of a file, before its position

    def value(size: int, seed: int, form: str, skipped: int) -> Value:
        return Value(size, seed, form, skipped * size // 2 if form == "file" else 0)

    return st.tuples(st.sampled_from(sizes), SEEDS, FORMS, halves).map(lambda fields: value(*fields))


def files(sizes: "list[int]") -> "st.SearchStrategy[Value]":
    """Values on disk."""
    return st.tuples(st.sampled_from(sizes), SEEDS, st.just("path")).map(lambda fields: Value(*fields))
