"""Random uses of files: `open`, presigned URLs, and directories that are downloaded and uploaded.

Each is a call of the machine, like those of `model.calls`, and more than one call of a method: it returns all that was
read or is there afterwards.
"""

import os
import tempfile
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.trees import tree_of
from hypothesis import strategies as st
from model.fields import shown
from model.values import CONTENT_TYPES, METADATA, SEEDS, Value

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

OLD = 10**9  # seconds: long before any object was stored
AMOUNTS = [1, 0, 17, 4096, 65_536, 300_000, -1, PART_SIZE]  # bytes of a read
OFFSETS = [0, 1, 40, 65_530, PART_SIZE - 3, 3 * PART_SIZE]
PREFIXES = ["log", "log/", "log/deep", "dir/deep", "it's", "year=2026", "nothing"]  # what is below them can be files
NAMES = ["x", "deep/x", "extra", "deep/more/extra.csv", "part-0.csv"]
INCLUDED = [None, "*", "*.csv", ["x", "deep/*"], "*x", []]
EXCLUDED = [None, "*.csv", "deep/*", ["e*", "*/x"]]
# Keys that no file can have: they end the prefix, or have an empty name in them.
NO_FILES = ["", "/*", "*//*"]


class Failed(Exception):
    """Raised by the user's code."""


@dataclass(frozen=True)
class Reading:
    """A file that is opened and read."""

    key: str
    actions: "list[tuple[str, tuple[int, ...]]]"  # methods of the file, with their arguments

    def on(self, s3: Any, folder: Path) -> Any:
        with s3.open(self.key) as file:
            results = [getattr(file, name)(*arguments) for name, arguments in self.actions]
        return [shown(one) if isinstance(one, bytes) else one for one in results]


@dataclass(frozen=True)
class Writing:
    """A file that is opened and written, perhaps not to its end."""

    key: str
    mode: str
    pieces: "list[Value]"
    fails: bool
    headers: "dict[str, Any]" = field(default_factory=dict)

    def on(self, s3: Any, folder: Path) -> Any:
        with suppress(Failed), s3.open(self.key, self.mode, **self.headers) as file:
            for piece in self.pieces:
                file.write(piece.given(folder))
            if self.fails:
                raise Failed
            return file.tell()
        return None


@dataclass(frozen=True)
class Presigned:
    """A presigned URL, and what a program without credentials gets by it."""

    method: str
    key: str
    value: Value

    def on(self, s3: Any, folder: Path) -> Any:
        data = self.value.given(folder) if self.method == "PUT" else None
        if not hasattr(s3, "presign"):
            return s3.request(self.method, self.key, data)
        headers = {} if data is None else {"Content-Type": CONTENT_TYPES[1]}
        request = urllib.request.Request(s3.presign(self.key, 60, self.method), data, headers, method=self.method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status // 100, shown(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None


@dataclass(frozen=True)
class Downloading:
    """A directory with some files, into which others are downloaded."""

    prefixes: "list[str]"
    files: "dict[str, Value]"
    options: "dict[str, Any]"

    def on(self, s3: Any, folder: Path) -> Any:
        with tempfile.TemporaryDirectory(dir=folder) as directory:
            _fill(directory, self.files)
            found = s3.download(self.prefixes, directory, **self.options)
            names = [one if isinstance(one, str) else os.path.relpath(one.path, directory) for one in found]
            return names, {name: shown(blob) for name, blob in tree_of(Path(directory)).items()}


@dataclass(frozen=True)
class Uploading:
    """A directory whose files are uploaded."""

    files: "dict[str, Value]"
    prefix: str
    options: "dict[str, Any]"

    def on(self, s3: Any, folder: Path) -> Any:
        with tempfile.TemporaryDirectory(dir=folder) as directory:
            _fill(directory, self.files)
            return s3.upload(directory, self.prefix, **self.options)


def _fill(directory: str, files: "dict[str, Value]") -> None:
    for name, value in files.items():
        path = Path(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value.given(path.parent))
        os.utime(path, (OLD, OLD))


def readings(keys: "st.SearchStrategy[str]") -> "st.SearchStrategy[Reading]":
    """Sequential and random reads."""
    read = st.tuples(st.just("read"), st.tuples(st.sampled_from(AMOUNTS)))
    line = st.tuples(st.just("readline"), st.tuples(st.sampled_from([10, 100_000])))
    seek = st.tuples(st.just("seek"), st.tuples(st.sampled_from(OFFSETS), st.just(os.SEEK_SET)))
    end = st.just(("seek", (0, os.SEEK_END)))
    tell = st.just(("tell", ()))
    return st.builds(Reading, keys, st.lists(read | read | line | seek | end | tell, max_size=8))


def writings(modes: "list[tuple[str, list[str], list[int]]]") -> "st.SearchStrategy[Writing]":
    """Files of one part and of several: modes, with their keys and the sizes of what is written."""
    headers = st.fixed_dictionaries(
        {"content_type": st.sampled_from(CONTENT_TYPES), "metadata": st.sampled_from(METADATA)}
    )
    fails = st.sampled_from([False, False, False, True])
    return st.one_of(
        st.builds(Writing, st.sampled_from(keys), st.just(mode), st.lists(_values(sizes), max_size=4), fails, headers)
        for mode, keys, sizes in modes
    )


def presigned(keys: "st.SearchStrategy[str]", sizes: "list[int]") -> "st.SearchStrategy[Presigned]":
    """Requests without this client."""
    return st.builds(Presigned, st.sampled_from(["GET", "PUT", "DELETE"]), keys, _values(sizes))


def downloadings(strict: bool, sizes: "list[int]") -> "st.SearchStrategy[Downloading]":
    """Directories, mirrors, and some files of them.

    Parameters
    ----------
    strict : bool
        Whether what is empty may be an error: the server shows no directories below which there is nothing any more.
    sizes : list of int
        Of files, in bytes.
    """
    excluded = st.sampled_from(EXCLUDED).map(lambda given: [*NO_FILES, *_several(given)])
    options = {**_options(strict), "include": st.sampled_from(INCLUDED), "exclude": excluded}
    prefixes = st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=1)
    return st.builds(Downloading, prefixes, _files(sizes), st.fixed_dictionaries(options))


def uploadings(sizes: "list[int]") -> "st.SearchStrategy[Uploading]":
    """Likewise in the other direction."""
    options = {**_options(True), "include": st.sampled_from(INCLUDED), "exclude": st.sampled_from(EXCLUDED)}
    prefixes = st.sampled_from(["log", "log/deep", "year=2026", "new/one/"])
    return st.builds(Uploading, _files(sizes), prefixes, st.fixed_dictionaries(options))


def _options(strict: bool) -> "dict[str, st.SearchStrategy[bool]]":
    return {
        "overwrite": st.booleans(),
        "delete": st.booleans(),
        "allow_empty": st.booleans() if strict else st.just(True),
    }


def _several(given: Any) -> "list[str]":
    return [given] if isinstance(given, str) else given or []


def _files(sizes: "list[int]") -> "st.SearchStrategy[dict[str, Value]]":
    return st.dictionaries(st.sampled_from(NAMES), _values(sizes), max_size=4)


def _values(sizes: "list[int]") -> "st.SearchStrategy[Value]":
    return st.tuples(st.sampled_from(sizes), SEEDS).map(lambda fields: Value(*fields))
