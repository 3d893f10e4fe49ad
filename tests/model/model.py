"""A dictionary with the methods of `S3`: the expected results and errors of every call."""

import warnings
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional
from unittest.mock import ANY

from metaflow.datatools.s3 import (
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3NotFound,
    RangeInfo,
    S3PutObject,
)
from model.answers import Facts, plain, shown
from model.calls import Call

DEFAULT_TYPE = "binary/octet-stream"  # S3's


class Held(NamedTuple):
    """An object."""

    blob: bytes
    content_type: Any
    metadata: "Optional[dict[str, Any]]"


class Expected(UserWarning):
    """The client has to warn, too."""


class Refused(Exception):
    """The call has to fail: with any of these, where several keys are to blame."""

    def __init__(self, kinds: "set[type[Exception]]") -> None:
        super().__init__(kinds)
        self.kinds = kinds


class Model:
    """What S3 holds below a root.

    Parameters
    ----------
    root : str
        A URL without a slash at its end.
    lacks : set of str
        What the server can't do; see `servers.lacks`.
    """

    def __init__(self, root: str, lacks: "frozenset[str]") -> None:
        self._root = root
        self._lacks = lacks
        self.held: dict[str, Held] = {}
        self.ever: set[str] = set()  # keys that were held at any time

    def put(self, key: str, obj: Any, overwrite: bool = True, content_type: Any = None, metadata: Any = None) -> str:
        if hasattr(obj, "seek"):
            obj.seek(0)
        self._store([S3PutObject(key, obj, content_type=content_type, metadata=metadata)], overwrite)
        return self._url(key)

    def put_many(self, items: "list[Any]", overwrite: bool = True) -> "list[tuple[str, str]]":
        return self._store([item if hasattr(item, "key") else S3PutObject(*item) for item in items], overwrite)

    def put_files(self, items: "list[Any]", overwrite: bool = True) -> "list[tuple[str, str]]":
        rich = [item if hasattr(item, "key") else S3PutObject(item[0], path=item[1]) for item in items]
        return self._store(rich, overwrite)

    def get(self, key: Any, return_missing: bool = False, return_info: bool = True) -> Facts:
        return self.get_many([key], return_missing, return_info)[0]

    def get_many(self, keys: "list[Any]", return_missing: bool = False, return_info: bool = True) -> "list[Facts]":
        return self._all(lambda key: self._got(key, return_missing, return_info), keys)

    def get_recursive(self, keys: "list[Any]", return_info: bool = False) -> "list[Facts]":
        found = []
        for prefix in keys:
            below = self._below(prefix)
            if not below and prefix and any(key.startswith(prefix) for key in self.held):
                warnings.warn(f"No objects under {prefix!r}", Expected, stacklevel=1)
            got = [self._got(key, False, return_info) for key in below]
            found += got if return_info else [_under(self._url(prefix), facts) for facts in got]
        return found

    def get_all(self, return_info: bool = False) -> "list[Facts]":
        return self.get_recursive([""], return_info)

    def info(self, key: str, return_missing: bool = False) -> Facts:
        return self.info_many([key], return_missing)[0]

    def info_many(self, keys: "list[str]", return_missing: bool = False) -> "list[Facts]":
        return self._all(lambda key: self._told(key, return_missing), keys)

    def delete(self, key: str, missing_ok: bool = True) -> None:
        self.delete_many([key], missing_ok)

    def delete_many(self, keys: "list[str]", missing_ok: bool = True) -> int:
        there = [key for key in dict.fromkeys(keys) if missing_ok or key in self.held]
        for key in there:
            self.held.pop(key, None)
        if len(there) < len(set(keys)):
            raise Refused({MetaflowS3NotFound})
        return len(there)

    def delete_recursive(self, prefixes: "list[str]") -> int:
        below = {key for prefix in prefixes for key in self._below(prefix)}
        for key in below:
            del self.held[key]
        return len(below)

    def list_paths(self, keys: "Optional[list[str]]" = None) -> "list[Facts]":
        found = []
        for prefix in [""] if keys is None else keys:
            directory = _directory(prefix)
            names = {_first_level(key[len(directory) :]) for key in self._below(prefix)}
            where = f"{self._root}/{directory}"
            for name in sorted(names):
                if name.endswith("/"):
                    found.append(Facts(where + name, where, name[:-1]))
                else:
                    found.append(_under(where, self._listed(directory + name)))
        return found

    def list_recursive(self, keys: "Optional[list[str]]" = None) -> "list[Facts]":
        prefixes = [""] if keys is None else keys
        return [_under(self._url(prefix), self._listed(key)) for prefix in prefixes for key in self._below(prefix)]

    def hold(self, key: str, held: Held) -> None:
        """Somebody stores an object."""
        self.held[key] = held
        self.ever.add(key)

    def forgiven(self, answer: Any) -> Any:
        """An answer without directories that a server keeps when nothing is below them any more.

        SeaweedFS tells such a one as a prefix in the listing of what it lies in, and as an object in its own.
        """
        if "list-no-empty-prefixes" not in self._lacks or not isinstance(answer, list):
            return answer
        empty = {
            f"{self._root}/{key[: at + 1]}"
            for key in self.ever
            for at, letter in enumerate(key)
            if letter == "/" and not self._below(key[:at])
        }
        return [item for item in answer if getattr(item, "url", None) not in empty]

    def _store(self, items: "list[S3PutObject]", overwrite: bool) -> "list[tuple[str, str]]":
        new = [(item.key, Held(_bytes(item), self._type(item), item.metadata)) for item in items]
        stored = []
        for key, held in new:  # what can't be stored is an error before anything is
            if overwrite or key not in self.held:
                self.hold(key, held)
                stored.append((key, self._url(key)))
        return stored

    def _type(self, item: S3PutObject) -> Any:
        return item.content_type or (ANY if "default-content-type" in self._lacks else DEFAULT_TYPE)

    def _all(self, one: "Callable[[Any], Facts]", keys: "list[Any]") -> "list[Facts]":
        found, kinds = [], set()
        for key in keys:
            try:
                found.append(one(key))
            except Refused as refused:
                kinds |= refused.kinds
        if kinds:
            raise Refused(kinds)
        return found

    def _got(self, asked: Any, return_missing: bool, return_info: bool) -> Facts:
        key, offset, length = (asked, None, None) if isinstance(asked, str) else asked[:3]
        facts = self._told(key, return_missing)
        if not facts.exists:
            return facts
        held = self.held[key]
        first, end = self._cut(len(held.blob), offset, length)
        part = {"size": end - first, "blob": shown(held.blob[first:end]), "downloaded": True}
        if return_info:
            return facts._replace(range_info=RangeInfo(len(held.blob), first, end - first), **part)
        return Facts(facts.url, facts.prefix, key, True)._replace(**part)

    def _cut(self, size: int, offset: Optional[int], length: Optional[int]) -> "tuple[int, int]":
        """The first byte of `object[offset:offset + length]`, and the one after its last."""
        if offset is None and length is None:
            return 0, size
        if length is not None and length < 0:
            beyond = size == 0 and "last-bytes-of-empty-objects-are-416" not in self._lacks
            first, end = max(0, size + length), size
        else:
            first = offset or 0
            beyond = first > size if length == 0 else first >= size
            end = size if length is None else min(size, first + length)
        if beyond:
            raise Refused({MetaflowS3InvalidRange})
        return first, end

    def _told(self, key: str, return_missing: bool) -> Facts:
        held = self.held.get(key)
        if held is not None:
            info = {"content_type": held.content_type, "metadata": held.metadata, "has_info": True, "dated": True}
            return self._listed(key)._replace(tagged=True, **info)
        if return_missing:
            return Facts(self._url(key), self._root, key)
        raise Refused({MetaflowS3NotFound})

    def _listed(self, key: str) -> Facts:
        return Facts(self._url(key), self._root, key, True, size=len(self.held[key].blob))

    def _below(self, prefix: str) -> "list[str]":
        return sorted(key for key in self.held if key.startswith(_directory(prefix)))

    def _url(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root


def said_and_expected(call: Call, s3: Any, model: Model, folder: Path) -> "tuple[Any, Any]":
    """What a client answers and what it has to; where several errors are right, any of them is all of them."""
    try:
        expected = call.on(model, folder)
    except Refused as refused:
        try:
            return plain(call.on(s3, folder)), refused.kinds
        except tuple(refused.kinds) as error:
            return (refused.kinds if type(error) in refused.kinds else {type(error)}), refused.kinds
    return model.forgiven(plain(call.on(s3, folder))), expected


def _directory(prefix: str) -> str:
    return prefix if prefix.endswith("/") or not prefix else f"{prefix}/"


def _first_level(rest: str) -> str:
    name, slash, _ = rest.partition("/")
    return name + slash


def _under(prefix: str, facts: Facts) -> Facts:
    """Likewise, told of a prefix instead of the root."""
    if prefix == facts.url:
        return facts._replace(prefix=None, key=facts.url)
    return facts._replace(prefix=prefix, key=facts.url[len(_directory(prefix)) :])


def _bytes(item: S3PutObject) -> bytes:
    """What is to be stored; a file from where it stands."""
    if item.path is not None:
        return Path(item.path).read_bytes()
    if isinstance(item.value, (str, bytes)):
        return item.value.encode() if isinstance(item.value, str) else item.value
    stands = item.value.tell()
    blob = item.value.read()
    if stands and not blob:
        raise Refused({MetaflowS3InvalidObject})
    return blob
