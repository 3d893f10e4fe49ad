"""The objects to store with `put`, `put_many` and `put_files`, as the user gave them."""

from collections import Counter
from typing import Any, Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.api.arguments import key_of
from metaflow_extensions.fasts3.api.errors import MetaflowS3InvalidObject


class PutArguments(NamedTuple):
    """One object to store, as the user specified it."""

    key: Any
    source: Any  # the value or the path
    content_type: Optional[str] = None
    metadata: Optional[dict[str, Any]] = None
    encryption: Optional[str] = None
    if_match: Optional[str] = None
    extra_args: Optional[dict[str, Any]] = None
    suggested_type: Optional[str] = None  # the content type, if nothing else says it


def put_arguments(item: Any, source: str, keep: Callable[[Any, Any], Any] = lambda key, value: value) -> PutArguments:
    """Read a pair, an S3PutObject, or any object with its attributes; `keep` replaces the value of a key."""
    if hasattr(item, "key") and hasattr(item, source):
        if getattr(item, "path", None) is not None and getattr(item, "value", None) is not None:
            raise MetaflowS3InvalidObject(
                f"The S3PutObject for {key_of(item)!r} has both a value and a path. Give one of them."
            )
        return PutArguments(
            key_of(item),
            keep(key_of(item), getattr(item, source)),
            getattr(item, "content_type", None),
            getattr(item, "metadata", None),
            getattr(item, "encryption", None),
            getattr(item, "if_match", None),
            getattr(item, "extra_args", None),
        )
    try:
        if isinstance(item, (str, bytes)) or len(item) != len(("key", source)):
            raise TypeError  # a string of two letters is a pair without its brackets
        key, given = item[0], item[1]
    except (TypeError, LookupError):
        raise MetaflowS3InvalidObject(
            f"{item!r:.200} is not a pair. Give (key, {'path' if source == 'path' else 'value'}) or an S3PutObject, "
            "which can also have a content type and metadata; for a dict, give its items()."
        ) from None
    return PutArguments(key_of(key), keep(key_of(key), given))


def check_duplicates(objects: list[PutArguments], urls: list[str]) -> None:
    """Raise MetaflowS3InvalidObject for a key that is given twice with an if_match: only one upload can meet it."""
    conditional = {url: item.key for item, url in zip(objects, urls) if item.if_match is not None}
    counts = Counter(urls) if conditional else {}
    for url, key in conditional.items():
        if counts[url] > 1:
            raise MetaflowS3InvalidObject(
                f"{key!r} has an if_match and is given {counts[url]} times. The first upload changes the ETag, so the "
                "others would fail. Give it once."
            )


def check_own_value(key: Any, obj: Any) -> None:
    """Raise MetaflowS3InvalidObject for an S3PutObject whose value or path is not `obj`."""
    for given in (getattr(key, "value", None), getattr(key, "path", None)):
        if given is not None and given is not obj:
            raise MetaflowS3InvalidObject(
                f"The S3PutObject for {key_of(key)!r} has a value or path that differs from the `obj` of put. "
                "Leave it out, or use put_many or put_files."
            )
