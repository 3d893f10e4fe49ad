r"""Other names of an object: a copy must not replace its own source, nor a move delete its own target.

An access point is another name of its bucket, and some servers have aliases of buckets. Servers that store objects as
files take some keys for others: 'a//b' or 'a\b' for 'a/b', 'A' for 'a'. No response says so. So the client requests
a source by the name that it would have in the destination, and compares the headers.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Optional, Protocol

from metaflow_extensions.fasts3.api.local_paths import folded
from metaflow_extensions.fasts3.api.location import ACCESS_POINT, SCHEME, split_url

_STEPS = re.compile(r"[^/\\]+[/\\]*|[/\\]+")  # a part of a key with the separators after it
_ALIAS = re.compile(r".*-s3alias\Z")  # of an access point: AWS chooses its beginning
OTHER_NAME = (
    "'{}' seems to be '{}' under another name: both have the same size, time and ETag. So source and destination may "
    "be the same, or overlap. Use one name for the bucket, and write the keys as a listing does."
)


class Headers(Protocol):
    """What is compared: an `ObjectInfo`, or an `S3Object`."""

    @property
    def size(self) -> Optional[int]: ...
    @property
    def etag(self) -> Optional[str]: ...
    @property
    def last_modified(self) -> Optional[int]: ...
    @property
    def version_id(self) -> Optional[str]: ...


def other_name(url: str, below: str, to: str) -> Optional[str]:
    """The URL that an object has in a destination if both have several names; None if nothing is to be compared.

    Parameters
    ----------
    url : str
        Of an object.
    below : str
        The prefix to copy; `url` itself if only this object is copied.
    to : str
        The URL of the copy, or the prefix of the copies.

    Returns
    -------
    str or None
        None if the places do not overlap, or if they do so as they are written: then other rules apply.
    """
    (bucket, key), (_, prefix), (target, destination) = map(split_url, (url, below, to))
    parts, others = _parts(prefix), _parts(destination)
    if parts[: len(others)] != others[: len(parts)] or (key == prefix and len(parts) != len(others)):
        return None
    count = len(list(takewhile(lambda both: both[0] == both[1], zip(_parts(key), others))))
    end = key[len(_beginning(key, count)) :]
    start = _beginning(destination, count)
    name = start + end if end else start.rstrip("/\\")
    return None if (bucket, key) == (target, name) or not name else f"{SCHEME}{target}/{name}"


def replaced_sources(pairs: "Sequence[tuple[str, str]]") -> "Iterator[tuple[str, str]]":
    """Find copies that replace the source of another one, if their buckets are one.

    Parameters
    ----------
    pairs : sequence of tuple of str
        The URLs of sources and copies.

    Yields
    ------
    tuple of str
        The URL of a source, and of the copy that would replace it; one example for each two buckets.
    """
    sources: dict[str, dict[str, int]] = {}  # key -> bucket -> the number of its last copy
    for number, (source, _) in enumerate(pairs):
        bucket, key = split_url(source)
        sources.setdefault(key, {})[bucket] = number
    seen = set()
    for number, (_, url) in enumerate(pairs):
        target, key = split_url(url)
        for bucket, replaced in sources.get(key, {}).items():
            if replaced != number and bucket != target and (bucket, target) not in seen:
                seen.add((bucket, target))
                yield pairs[replaced][0], url


def is_nested(below: str, to: str) -> bool:
    """Whether two prefixes differ, also where names of one kind do not."""
    return _parts(split_url(below)[1]) != _parts(split_url(to)[1])


def may_be_one(one: Headers, other: Headers) -> bool:
    """Whether two responses may be about the same object."""
    return (one.size, one.last_modified, one.version_id) == (other.size, other.last_modified, other.version_id) and (
        (one.etag or "").strip('"') == (other.etag or "").strip('"')
    )


def is_access_point(bucket: str) -> bool:
    """Whether a bucket's name is that of an access point."""
    return bool(ACCESS_POINT.fullmatch(bucket) or _ALIAS.match(bucket))


def _name(step: str) -> str:
    """The name of a part, as the most lenient servers compare it; "" if they omit the part."""
    name = step.rstrip("/\\")
    return "" if name == "." else folded(name)


def _parts(key: str) -> "list[str]":
    return list(filter(None, map(_name, _STEPS.findall(key))))


def _beginning(key: str, count: int) -> str:
    """The beginning of a key with so many parts, as it is written."""
    length = 0
    for step in _STEPS.findall(key):
        if _name(step):
            if not count:
                break
            count -= 1
        length += len(step)
    return key[:length]
