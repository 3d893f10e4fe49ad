"""What ``metaflow fasts3 du`` adds up and prints."""

from collections.abc import Iterable
from typing import NamedTuple

from ..pool.split_listing import Entry
from .client import client, found_ahead
from .output import json_line, name_shown, print_lines, size_shown
from .targets import Target, url_of


class Sum(NamedTuple):
    """Of objects."""

    size: int = 0  # bytes, all together
    objects: int = 0


def add_up(entries: "Iterable[Entry]", sums: "dict[str, Sum]", start: int, depth: int) -> None:
    """Add objects to the sum of all, "", and to those of the directories that they are in.

    Parameters
    ----------
    entries : iterable of Entry
    sums : dict of str to Sum
        By directory, the beginning of a key with its slash.
    start : int
        Characters of keys before the first of these directories.
    depth : int
        Of directories that have a sum of their own.
    """
    for key, size in entries:
        names = [""]
        end = start
        for _ in range(depth):
            end = key.find("/", end) + 1
            if not end:
                break
            names.append(key[:end])
        for name in names:
            known = sums.get(name, Sum())
            sums[name] = Sum(known.size + (size or 0), known.objects + 1)


def print_usage(target: Target, depth: int, human: bool, as_json: bool) -> bool:
    """Print the sums of a target; of nothing none is printed, but of a whole bucket, and False given."""
    sums = {"": Sum()}
    with client() as s3, found_ahead(s3, target) as pages:
        for entries in pages:
            add_up(entries, sums, len(target.stem), depth)
    whole = sums.pop("")
    if not whole.objects and (target.text or target.base):
        return False
    lines = [(url_of(target.bucket, name), one) for name, one in sorted(sums.items())]
    lines.append((target.url, whole))
    print_lines(_line(url, one, human, as_json) for url, one in lines)
    return True


def _line(url: str, one: Sum, human: bool, as_json: bool) -> str:
    if as_json:
        return json_line(url=url, objects=one.objects, bytes=one.size)
    return f"{size_shown(one.size, human):>14} {one.objects:>10} {name_shown(url)}"
