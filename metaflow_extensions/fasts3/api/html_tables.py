"""Results as HTML tables, for notebooks.

Keys, types and metadata may come from anyone, and a notebook runs the HTML of a result: `_safe` escapes every text. The
length of a table is bounded.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from html import escape
from typing import Any, NamedTuple, Optional

from metaflow_extensions.fasts3.api.errors import MOST_URL, shown
from metaflow_extensions.fasts3.api.formatting import counted, readable
from metaflow_extensions.fasts3.api.s3object import S3Object

MOST_ROWS = 20  # objects of a list
MOST_ATTRIBUTES = 20  # of one object's metadata
MOST_TEXT = 200  # characters of a key, a type, an attribute

MISSING = "does not exist"
DIRECTORY = "directory"
UNKNOWN = "unknown size"

# JupyterLab aligns to the right, and a long key would widen the page.
_LEFT = 'style="text-align: left; overflow-wrap: anywhere"'
_RIGHT = 'style="text-align: right; white-space: nowrap"'


class _Row(NamedTuple):
    """The cells of one object in a list; None if unknown."""

    key: str
    size: Optional[str]
    modified: Optional[str]
    type: Optional[str]


def of_object(found: S3Object) -> str:
    """The properties of an `S3Object`, one row each, without reading its file."""
    properties = [
        ("url", _safe(found.url, MOST_URL)),
        ("size", _safe(_size_in_full(found))),
        ("type", _safe(found.content_type)),
        ("modified", _safe(_moment(found.last_modified))),
        ("ETag", _safe(found.etag)),
        ("encryption", _safe(found.encryption)),
        ("metadata", _attributes(found.metadata)),
        ("local path", _safe(found._path, MOST_URL)),  # `path` would write the file of an object in memory
    ]
    rows = "".join(f"<tr><th {_LEFT}>{name}</th><td {_LEFT}>{text}</td></tr>" for name, text in properties if text)
    return f"<table>{rows}</table>"


def of_list(objects: Sequence[Any]) -> str:
    """The number and total size of objects, then the first of them. Items that a user has added appear as `repr`."""
    rows = [_row(one) for one in objects[:MOST_ROWS]]
    columns = [name for name in _Row._fields if any(getattr(row, name) is not None for row in rows)]
    head = "".join(f"<th {_RIGHT if name == 'size' else _LEFT}>{name}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(_cell(row, name) for name in columns)}</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    more = len(objects) - len(rows)
    return f"<div>{_summary(objects)}{table}{f'and {more:,} more' if more else ''}</div>"


def _summary(objects: Iterable[Any]) -> str:
    counts: Counter[str] = Counter()
    total = 0
    for one in objects:
        size = one.size if isinstance(one, S3Object) else None
        if size is not None:
            total += size
            counts["object"] += 1
        else:
            counts[_kind(one)] += 1
    text = [f"{counted(counts['object'], 'object')}, {readable(total)}"] if counts["object"] or not counts else []
    text += [counted(counts["directory"], "directory", "directories")] if counts["directory"] else []
    text += [f"{counts['missing']:,} missing"] if counts["missing"] else []
    text += [counted(counts["other"], "other thing")] if counts["other"] else []
    return "; ".join(text)


def _kind(one: Any) -> str:
    if not isinstance(one, S3Object):
        return "other"
    return "directory" if one._is_directory else "object" if one.exists else "missing"


def _row(one: Any) -> _Row:
    if not isinstance(one, S3Object):
        return _Row(_repr_of(one), None, None, None)
    if one.size is None:
        if one.exists:
            return _Row(one.key, UNKNOWN, _moment(one.last_modified), one.content_type)
        return _Row(one.key + "/", DIRECTORY, None, None) if one._is_directory else _Row(one.key, MISSING, None, None)
    return _Row(one.key, readable(one.size), _moment(one.last_modified), one.content_type)


def _repr_of(thing: Any) -> str:
    try:
        return repr(thing)
    except Exception:
        return f"<{type(thing).__name__}, whose repr raises>"


def _cell(row: _Row, name: str) -> str:
    return f"<td {_RIGHT if name == 'size' else _LEFT}>{_safe(getattr(row, name))}</td>"


def _size_in_full(found: S3Object) -> str:
    if found.size is None:
        return DIRECTORY if found._is_directory else UNKNOWN if found.exists else MISSING
    text = readable(found.size) + (f" ({found.size:,} bytes)" if found.size >= 1024 else "")
    part = found.range_info
    if part is not None and part.request_length != part.total_size:
        text += f", from byte {part.request_offset:,} of {readable(part.total_size)}"
    return text


def _moment(timestamp: Optional[int]) -> Optional[str]:
    if timestamp is None:
        return None
    try:
        return f"{datetime.fromtimestamp(timestamp, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # a server may send a year that the system does not support
        return str(timestamp)


def _attributes(metadata: Optional[dict[str, Any]]) -> str:
    """The user's metadata, one line for each attribute."""
    if not metadata:
        return ""
    lines = [f"{_safe(name)}: {_safe(_as_text(metadata[name]))}" for name in list(metadata)[:MOST_ATTRIBUTES]]
    more = len(metadata) - len(lines)
    return "<br>".join([*lines, f"and {more:,} more"] if more else lines)


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:  # this stack may be deeper than the one that read it
        return "nested too deeply"


def _safe(text: Optional[str], most: int = MOST_TEXT) -> str:
    """A text from outside, shortened and escaped for HTML; "" for None."""
    return escape(shown(text, most)) if text is not None else ""
