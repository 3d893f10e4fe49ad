"""`include` and `exclude`: which paths below a directory or prefix a call is about."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Union

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception

Patterns = Union[str, Iterable[str], None]
_WILDCARD = re.compile(r"[*?[]")


class PathPatterns:
    """The paths that match `include` and not `exclude`.

    Parameters
    ----------
    include, exclude : str, iterable of str or None
        `fnmatch` patterns: all paths if `include` is None, except those that match `exclude`.

    Raises
    ------
    MetaflowS3Exception
        They are something else.
    """

    def __init__(self, include: Patterns, exclude: Patterns) -> None:
        self._wanted = ("*",) if include is None else _patterns("include", include)
        self._unwanted = () if exclude is None else _patterns("exclude", exclude)

    def select(self, name: str) -> bool:
        """Whether a path is selected: a path with slashes, relative to the directory or prefix."""
        return _is_like(name, self._wanted) and not _is_like(name, self._unwanted)

    def may_select_below(self, folder: str) -> bool:
        """Whether a path below a directory may be selected; its name ends in a slash, or is empty."""
        return _may_hold(folder, self._wanted) and not _has_all(folder, self._unwanted)


def _patterns(name: str, given: Any) -> "tuple[str, ...]":
    patterns = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    if isinstance(given, bytes) or not all(isinstance(one, str) for one in patterns):
        raise MetaflowS3Exception(f"{name} is {given!r:.200}. Give a pattern such as '*.csv', or a list of patterns.")
    return patterns


def _is_like(name: str, patterns: "tuple[str, ...]") -> bool:
    return any(fnmatchcase(name, one) for one in patterns)


def _may_hold(folder: str, patterns: "tuple[str, ...]") -> bool:
    """Whether a path below a directory may match a pattern: their literal beginnings agree."""
    beginnings = [_WILDCARD.split(one, 1)[0] for one in patterns]
    return any(folder.startswith(one) or one.startswith(folder) for one in beginnings)


def _has_all(folder: str, patterns: "tuple[str, ...]") -> bool:
    """Whether all paths below a directory match a pattern."""
    return any(one.endswith("*") and fnmatchcase(folder, one) for one in patterns)
