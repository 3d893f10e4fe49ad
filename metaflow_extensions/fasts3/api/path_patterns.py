"""`include` and `exclude`: which paths below a directory or prefix a call is about."""

import os
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase, translate
from typing import Any, Callable, Union

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception

Patterns = Union[str, Iterable[str], None]
_LITERAL = re.compile(r"(?:[^*?[]|\[[^]!]\])*")  # up to the first wildcard; [x] with one character stands for it
_ESCAPED = re.compile(r"\[(.)\]", re.DOTALL)


class PathPatterns:
    """The paths that match `include` and not `exclude`, which are `fnmatch` patterns: all if `include` is None.

    `selects_all` says whether all paths are selected. Raises MetaflowS3Exception for anything but patterns.
    """

    def __init__(self, include: Patterns, exclude: Patterns) -> None:
        self._wanted = ("*",) if include is None else _patterns("include", include)
        self._unwanted = () if exclude is None else _patterns("exclude", exclude)
        self._is_wanted, self._is_unwanted = _matcher(self._wanted), _matcher(self._unwanted)
        self.selects_all = "*" in self._wanted and not self._unwanted

    def select(self, name: str) -> bool:
        """Whether a path is selected: a path with slashes, relative to the directory or prefix."""
        return bool(self._is_wanted(name)) and not self._is_unwanted(name)

    @property
    def beginning(self) -> str:
        """The text with which all selected paths begin, so that a listing need not go beyond it."""
        # Of texts: a directory may begin with it, too.
        return os.path.commonprefix([_beginning(one) for one in self._wanted])  # noqa: RUF071

    def may_select_below(self, folder: str) -> bool:
        """Whether a path below a directory may be selected; its name ends in a slash, or is empty."""
        return _may_hold(folder, self._wanted) and not _has_all(folder, self._unwanted)


def _patterns(name: str, given: Any) -> "tuple[str, ...]":
    patterns = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    if isinstance(given, bytes) or not all(isinstance(one, str) for one in patterns):
        raise MetaflowS3Exception(f"{name} is {given!r:.200}. Give a pattern such as '*.csv', or a list of patterns.")
    return patterns


def _matcher(patterns: "tuple[str, ...]") -> Callable[[str], object]:
    """Return a function whose result is true for names that match any pattern: `fnmatchcase`, for many names."""
    if not patterns:
        return lambda name: None
    if "*" in patterns:
        return lambda name: True
    return re.compile("|".join(map(translate, patterns))).match


def _beginning(pattern: str) -> str:
    """The literal text before the first wildcard."""
    return _ESCAPED.sub(r"\1", _LITERAL.match(pattern)[0])  # type: ignore[index]  # it also matches ""


def _may_hold(folder: str, patterns: "tuple[str, ...]") -> bool:
    """Whether a path below a directory may match a pattern: their literal beginnings agree."""
    beginnings = map(_beginning, patterns)
    return any(folder.startswith(one) or one.startswith(folder) for one in beginnings)


def _has_all(folder: str, patterns: "tuple[str, ...]") -> bool:
    """Whether all paths below a directory match a pattern."""
    return any(one.endswith("*") and fnmatchcase(folder, one) for one in patterns)
