"""The measured process: makes one call when it reads a line, and checks the results.

`watch` starts it as ``python -m benchmarks.memory.work CALL OBJECTS SIZE ROOT FOLDER``.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple


class Task(NamedTuple):
    """The arguments of a call."""

    objects: int
    size: int  # bytes of each
    folder: str  # for the user's own files


def _keys(task: Task) -> "list[str]":
    return [f"objects/{number:07}" for number in range(task.objects)]


def _value(number: int, size: int) -> bytes:
    return b"%016d" % number * (size // 16) + b"-" * (size % 16)


def _pairs(task: Task) -> "Iterator[tuple[str, bytes]]":
    return ((key, _value(number, task.size)) for number, key in enumerate(_keys(task)))


def _files(task: Task) -> "list[tuple[str, str]]":
    """The same sparse file for all keys: its contents do not affect the upload."""
    path = os.path.join(task.folder, "file")
    with open(path, "wb") as file:
        file.truncate(task.size)
    return [(key, path) for key in _keys(task)]


def _put(s3: Any, task: Task) -> Any:
    [(key, path)] = _files(task)
    with open(path, "rb") as file:
        return [s3.put(key, file)]


# Each returns one item per object, with the size if the result has one.
CALLS: "dict[str, Callable[[Any, Task], Any]]" = {
    "put_many": lambda s3, task: s3.put_many(list(_pairs(task))),
    "put_many of a generator": lambda s3, task: s3.put_many(_pairs(task)),
    "put_files": lambda s3, task: s3.put_files(_files(task)),
    "put": _put,
    "get_many": lambda s3, task: s3.get_many(_keys(task)),
    "get_recursive": lambda s3, _: s3.get_recursive(["objects"]),
    "info_many": lambda s3, task: s3.info_many(_keys(task)),
    "get": lambda s3, task: [s3.get(_keys(task)[0])],
    "list_recursive": lambda s3, _: s3.list_recursive(),
}


def main() -> None:
    """Report that all is imported, wait for a line, make the call, and report that the results are right."""
    call, objects, size, root, folder = sys.argv[1:]
    task = Task(int(objects), int(size), folder)
    from metaflow import S3

    with S3(s3root=root) as s3:
        s3.info("nothing", return_missing=True)  # so that the client has connected
        print("ready", flush=True)
        sys.stdin.readline()
        results = CALLS[call](s3, task)
        assert len(results) == task.objects, f"{len(results)} results instead of {task.objects}"
        if not call.startswith("put") and task.size:
            assert all(result.size == task.size for result in results), "an object of the wrong size"
        print("done", flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
