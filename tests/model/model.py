"""A dictionary with the methods of `S3`: the expected results and errors of every call."""

import warnings
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from fnmatch import fnmatchcase
from io import BytesIO
from mimetypes import guess_type
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional
from unittest.mock import ANY

from contract.trees import tree_of, write
from metaflow.datatools.s3 import (
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3NotFound,
    MetaflowS3ObjectExists,
    MetaflowS3ObjectNotFound,
    RangeInfo,
    S3PutObject,
)
from model.fields import Fields, Shown, plain, shown
from model.values import CONTENT_TYPES

DEFAULT_TYPE = "binary/octet-stream"  # S3's


class Object(NamedTuple):
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
        self.objects: dict[str, Object] = {}
        self.ever: set[str] = set()  # keys that were stored at any time

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

    def get(self, key: Any, return_missing: bool = False, return_info: bool = True) -> Fields:
        return self.get_many([key], return_missing, return_info)[0]

    def get_many(self, keys: "list[Any]", return_missing: bool = False, return_info: bool = True) -> "list[Fields]":
        return self._all(lambda key: self._got(key, return_missing, return_info), keys)

    def get_recursive(self, keys: "list[Any]", return_info: bool = False) -> "list[Fields]":
        found = []
        for prefix in keys:
            below = self._below(prefix)
            if not below and prefix and any(key.startswith(prefix) for key in self.objects):
                warnings.warn(f"No objects under {prefix!r}", Expected, stacklevel=1)
            got = [self._got(key, False, return_info) for key in below]
            found += got if return_info else [_under(self._url(prefix), fields) for fields in got]
        return found

    def get_all(self, return_info: bool = False) -> "list[Fields]":
        return self.get_recursive([""], return_info)

    def info(self, key: str, return_missing: bool = False) -> Fields:
        return self.info_many([key], return_missing)[0]

    def info_many(self, keys: "list[str]", return_missing: bool = False) -> "list[Fields]":
        return self._all(lambda key: self._info(key, return_missing), keys)

    def delete(self, key: str, missing_ok: bool = True) -> None:
        self.delete_many([key], missing_ok)

    def delete_many(self, keys: "list[str]", missing_ok: bool = True) -> int:
        there = [key for key in dict.fromkeys(keys) if missing_ok or key in self.objects]
        for key in there:
            self.objects.pop(key, None)
        if len(there) < len(set(keys)):
            raise Refused({MetaflowS3NotFound})
        return len(there)

    def delete_recursive(self, prefixes: "list[str]") -> int:
        below = {key for prefix in prefixes for key in self._below(prefix)}
        for key in below:
            del self.objects[key]
        return len(below)

    def list_paths(self, keys: "Optional[list[str]]" = None) -> "list[Fields]":
        found = []
        for prefix in [""] if keys is None else keys:
            directory = _directory(prefix)
            names = {_first_level(key[len(directory) :]) for key in self._below(prefix)}
            where = f"{self._root}/{directory}"
            for name in sorted(names):
                if name.endswith("/"):
                    found.append(Fields(where + name, where, name[:-1]))
                else:
                    found.append(_under(where, self._listed(directory + name)))
        return found

    def list_recursive(self, keys: "Optional[list[str]]" = None) -> "list[Fields]":
        prefixes = [""] if keys is None else keys
        return [_under(self._url(prefix), self._listed(key)) for prefix in prefixes for key in self._below(prefix)]

    def list_versions(self, keys: "Optional[list[str]]" = None) -> "list[Fields]":
        found = []
        for key in [""] if keys is None else keys:
            below = self._below(key) if not key or key.endswith("/") else [key] if key in self.objects else []
            found += [self._listed(one)._replace(tagged=True, dated=True, has_info=True) for one in below]
        return found

    def copy(
        self, source: str, key: str, overwrite: bool = True, content_type: Any = None, metadata: Any = None
    ) -> str:
        if source == key and content_type is None and metadata is None:
            raise Refused({MetaflowS3InvalidObject})
        self.copy_many([(source, key)], overwrite, content_type, metadata)
        return self._url(key)

    def copy_many(
        self, pairs: "list[tuple[str, str]]", overwrite: bool = True, content_type: Any = None, metadata: Any = None
    ) -> "list[tuple[str, str]]":
        chosen = {key: (source, key) for source, key in (pairs if overwrite else reversed(pairs))}
        copied, missing = set(), False
        for pair in chosen.values():
            source, key = pair
            obj = self.objects.get(source)
            missing = missing or obj is None
            if obj is not None and (overwrite or key not in self.objects):
                self.store(key, Object(obj.blob, content_type or obj.content_type, metadata or obj.metadata))
                copied.add(pair)
        if missing:
            raise Refused({MetaflowS3NotFound})
        listed = pairs if overwrite else [pair for pair in dict.fromkeys(pairs) if chosen[pair[1]] == pair]
        return [(key, self._url(key)) for _, key in listed if chosen[key] in copied]

    @contextmanager
    def open(self, key: str, mode: str = "rb", content_type: Any = None, metadata: Any = None) -> Iterator[BytesIO]:
        if mode == "rb" and key not in self.objects:
            raise Refused({MetaflowS3ObjectNotFound})
        if mode == "xb" and key in self.objects:
            raise Refused({MetaflowS3ObjectExists})
        file = BytesIO(self.objects[key].blob if mode == "rb" else b"")
        yield file
        if mode != "rb":
            self._store([S3PutObject(key, file.getvalue(), content_type=content_type, metadata=metadata)], True)

    def request(self, method: str, key: str, data: "Optional[bytes]") -> "tuple[int, Shown]":
        """Return the response to a presigned URL: its status, or the first digit of it, and its body."""
        if method == "GET":
            obj = self.objects.get(key)
            return (2, shown(obj.blob)) if obj else (404, None)
        if data is None:
            self.objects.pop(key, None)
        else:
            self.store(key, Object(data, CONTENT_TYPES[1], None))
        return 2, b""

    def download(
        self,
        prefixes: "list[str]",
        directory: str,
        overwrite: bool,
        include: Any,
        exclude: Any,
        delete: bool,
        allow_empty: bool,
    ) -> "list[str]":
        [prefix] = prefixes
        below, before = self._below(prefix), tree_of(Path(directory))
        found = {key[len(_directory(prefix)) :]: self.objects[key].blob for key in below}
        found = {name: blob for name, blob in found.items() if _selected(name, include, exclude)}
        write(Path(directory), {name: blob for name, blob in found.items() if overwrite or name not in before})
        if not below and not allow_empty:
            raise Refused({MetaflowS3NotFound})
        self._check_source(found, delete, allow_empty)
        for name in before:
            if delete and name not in found and _selected(name, include, exclude):
                Path(directory, name).unlink()
        return list(found)

    def upload(
        self,
        directory: str,
        prefix: str,
        include: Any,
        exclude: Any,
        overwrite: bool,
        delete: bool,
        allow_empty: bool,
    ) -> "list[tuple[str, str]]":
        root, files = _directory(prefix), tree_of(Path(directory))
        stored = []
        chosen = [name for name in sorted(files) if _selected(name, include, exclude)]
        for name in chosen:
            obj = self.objects.get(root + name)
            if obj is None or (overwrite and obj.blob != files[name]):
                item = S3PutObject(root + name, files[name], content_type=guess_type(name)[0])
                stored += self._store([item], True)
        self._check_source(chosen, delete, allow_empty)
        for key in self._below(prefix) if delete else []:
            name = key[len(root) :]
            if name not in files and _selected(name, include, exclude):
                del self.objects[key]
        return stored

    def _check_source(self, found: "Sized", delete: bool, allow_empty: bool) -> None:
        if delete and not allow_empty and not found:
            raise Refused({MetaflowS3Exception})

    def store(self, key: str, obj: Object) -> None:
        """Store an object."""
        self.objects[key] = obj
        self.ever.add(key)

    def forgiven(self, result: Any) -> Any:
        """Return a result without the empty directories that some servers keep.

        SeaweedFS lists one as a prefix of its parent, and as an object of itself.
        """
        if "list-no-empty-prefixes" not in self._lacks or not isinstance(result, list):
            return result
        empty = {
            f"{self._root}/{key[: at + 1]}"
            for key in self.ever
            for at, letter in enumerate(key)
            if letter == "/" and not self._below(key[:at])
        }
        if not self.objects:
            empty.add(f"{self._root}/")
        return [item for item in result if getattr(item, "url", None) not in empty]

    def _store(self, items: "list[S3PutObject]", overwrite: bool) -> "list[tuple[str, str]]":
        new = [(item.key, Object(_bytes(item), self._type(item), item.metadata)) for item in items]
        stored = []
        for key, obj in new:  # invalid items raise before any is stored
            if overwrite or key not in self.objects:
                self.store(key, obj)
                stored.append((key, self._url(key)))
        return stored

    def _type(self, item: S3PutObject) -> Any:
        return item.content_type or (ANY if "default-content-type" in self._lacks else DEFAULT_TYPE)

    def _all(self, one: "Callable[[Any], Fields]", keys: "list[Any]") -> "list[Fields]":
        found, kinds = [], set()
        for key in keys:
            try:
                found.append(one(key))
            except Refused as refused:
                kinds |= refused.kinds
        if kinds:
            raise Refused(kinds)
        return found

    def _got(self, requested: Any, return_missing: bool, return_info: bool) -> Fields:
        key, offset, length = (requested, None, None) if isinstance(requested, str) else requested[:3]
        fields = self._info(key, return_missing)
        if not fields.exists:
            return fields
        obj = self.objects[key]
        first, end = self._cut(len(obj.blob), offset, length)
        part = {"size": end - first, "blob": shown(obj.blob[first:end]), "downloaded": True}
        if return_info:
            return fields._replace(range_info=RangeInfo(len(obj.blob), first, end - first), **part)
        return Fields(fields.url, fields.prefix, key, True)._replace(**part)

    def _cut(self, size: int, offset: Optional[int], length: Optional[int]) -> "tuple[int, int]":
        """The first byte of `object[offset:offset + length]`, and the one after its last."""
        if not offset and length is None:
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

    def _info(self, key: str, return_missing: bool) -> Fields:
        obj = self.objects.get(key)
        if obj is not None:
            info = {"content_type": obj.content_type, "metadata": obj.metadata, "has_info": True, "dated": True}
            return self._listed(key)._replace(tagged=True, **info)
        if return_missing:
            return Fields(self._url(key), self._root, key)
        raise Refused({MetaflowS3NotFound})

    def _listed(self, key: str) -> Fields:
        return Fields(self._url(key), self._root, key, True, size=len(self.objects[key].blob))

    def _below(self, prefix: str) -> "list[str]":
        return sorted(key for key in self.objects if key.startswith(_directory(prefix)))

    def _url(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root


def actual_and_expected(call: Any, s3: Any, model: Model, folder: Path) -> "tuple[Any, Any]":
    """Return the result of a client and the expected one; if several errors are correct, any of them is."""
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


def _selected(name: str, include: Any, exclude: Any) -> bool:
    """Whether a path matches a pattern of `include`, if there are any, and none of `exclude`."""

    def matches(patterns: Any) -> bool:
        return any(fnmatchcase(name, one) for one in ([patterns] if isinstance(patterns, str) else patterns))

    return (include is None or matches(include)) and not (exclude is not None and matches(exclude))


def _first_level(rest: str) -> str:
    name, slash, _ = rest.partition("/")
    return name + slash


def _under(prefix: str, fields: Fields) -> Fields:
    """Return the fields relative to a prefix instead of the root."""
    if prefix == fields.url:
        return fields._replace(prefix=None, key=fields.url)
    return fields._replace(prefix=prefix, key=fields.url[len(_directory(prefix)) :])


def _bytes(item: S3PutObject) -> bytes:
    """The bytes to store; those of a file from its current position."""
    if item.path is not None:
        return Path(item.path).read_bytes()
    if isinstance(item.value, (str, bytes)):
        return item.value.encode() if isinstance(item.value, str) else item.value
    stands = item.value.tell()
    blob = item.value.read()
    if stands and not blob:
        raise Refused({MetaflowS3InvalidObject})
    return blob
