"""What ``metaflow fasts3 info`` asks and prints."""

import json
from collections.abc import Iterator
from typing import Any, Optional

from ..api.arguments import USER_ATTRIBUTES
from ..api.executor import Place
from ..api.location import as_directory, split_object_url
from ..api.s3 import S3
from ..wire.transfers import ObjectInfo
from .client import client, found_ahead, is_directory
from .output import json_line, name_shown, print_lines, size_shown, time_shown
from .targets import Target, url_of

FEW = 4  # objects: not worth a worker's start


def print_facts(targets: "list[Target]", as_json: bool) -> "list[str]":
    """Print what S3 says of objects; a sentence for each that is not there."""
    missing: list[str] = []
    with client() as s3:
        for objects, sentence in _asked(s3, targets):
            if sentence:
                missing.append(sentence)
                continue
            infos = s3._infos(objects, Place.HERE if len(objects) <= FEW else Place.WORKERS, return_missing=True)
            known = [(url_of(*one), info) for one, info in zip(objects, infos) if info]
            missing += _absent(s3, [one for one, info in zip(objects, infos) if not info])
            print_lines(_json(url, info) if as_json else _text(url, info) for url, info in known)
    return missing


def _absent(s3: S3, objects: "list[tuple[str, str]]") -> "Iterator[str]":
    """A sentence for each object that is not there; for few of them it tells which are directories."""
    for bucket, key in objects:
        url = name_shown(url_of(bucket, key))
        if len(objects) <= FEW and is_directory(s3, bucket, key):
            there = f"see `metaflow fasts3 ls {as_directory(url)}`"
            yield f"There is no object {url}, but a directory of that name: {there}."
        else:
            yield f"There is no object {url}."


def _asked(s3: S3, targets: "list[Target]") -> "Iterator[tuple[list[tuple[str, str]], str]]":
    """Objects, as bucket and key, some at a time; or a sentence for a pattern that fits none."""
    exact = [split_object_url(url_of(target.bucket, target.key)) for target in targets if not target.pattern]
    if exact:
        yield exact, ""
    for target in targets:
        if target.pattern:
            found = False
            with found_ahead(s3, target) as pages:
                for entries in pages:
                    found = True
                    yield [(target.bucket, entry.key) for entry in entries], ""
            if not found:
                yield [], target.nothing()


def _facts(info: ObjectInfo) -> "dict[str, Any]":
    """What is known, by name; None for what S3 does not say."""
    return {
        "size": info.size,
        "type": info.content_type,
        "etag": info.etag or None,
        "modified": time_shown(info.last_modified),
        "encryption": info.encryption,
        "metadata": _metadata(info.metadata),
    }


def _metadata(stored: "dict[str, str]") -> "dict[str, Any]":
    """All that is stored with an object; what this package has stored, as it was given."""
    found: dict[str, Any] = {name: value for name, value in stored.items() if name != USER_ATTRIBUTES}
    given: Optional[Any] = None
    try:
        given = json.loads(stored.get(USER_ATTRIBUTES, "null"))
    except (ValueError, RecursionError):
        given = stored[USER_ATTRIBUTES]  # another program's
    if isinstance(given, dict):
        found.update(given)
    elif given is not None:
        found[USER_ATTRIBUTES] = given
    return found


def _json(url: str, info: ObjectInfo) -> str:
    return json_line(url=url, **_facts(info))


def _text(url: str, info: ObjectInfo) -> str:
    facts = _facts(info)
    if info.size is not None and info.size >= 1024:
        facts["size"] = f"{info.size} ({size_shown(info.size, human=True)})"
    facts["metadata"] = json.dumps(facts["metadata"]) if facts["metadata"] else None
    told = [f"  {name:<12}{name_shown(str(value))}" for name, value in facts.items() if value is not None]
    return "\n".join([name_shown(url), *told])
