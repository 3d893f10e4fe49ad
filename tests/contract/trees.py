"""A small tree of files, and how tests write and read one."""

import os
from pathlib import Path

TREE = {"0.txt": b"zero", "b/1.csv": b"1,1", "b/c/2.bin": os.urandom(1000), "empty": b""}


def tree_of(folder: Path) -> "dict[str, bytes]":
    """Read all files below a directory, by their paths in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write(folder: Path, tree: "dict[str, bytes]") -> None:
    """Write files below a directory."""
    for name, blob in tree.items():
        path = folder.joinpath(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(blob)
