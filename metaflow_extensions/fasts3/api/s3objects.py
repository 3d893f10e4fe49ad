"""The results of calls: class S3Objects, and the functions that create its objects."""

from typing import Any, Callable, Optional, SupportsIndex, TypeVar, Union, overload

from metaflow_extensions.fasts3.api.arguments import RangeInfo
from metaflow_extensions.fasts3.api.pickles import reduced
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.plans.download import Downloaded
from metaflow_extensions.fasts3.wire.conditions import in_quotes
from metaflow_extensions.fasts3.wire.transfers import DetailedObject, ObjectInfo, ObjectVersion

_Other = TypeVar("_Other")


class S3Objects(list[S3Object]):
    """
    A list of `S3Object`s that notebooks show as a table. Most methods of the `S3` client return it.

    Slices, copies and sums of `S3Objects` are `S3Objects`. `sorted` and comprehensions return a plain list;
    `S3Objects(...)` converts it.
    """

    __slots__ = ()  # no larger than a list

    @overload
    def __getitem__(self, place: SupportsIndex, /) -> S3Object: ...

    @overload
    def __getitem__(self, place: slice, /) -> "S3Objects": ...

    # Any: the overloads are for type checkers. Metaflow generates its stubs from the runtime signature.
    def __getitem__(self, place: Union[SupportsIndex, slice], /) -> Any:
        if isinstance(place, slice):
            return S3Objects(super().__getitem__(place))
        return super().__getitem__(place)

    @overload  # type: ignore[override]  # one overload more than list has
    def __add__(self, others: "S3Objects", /) -> "S3Objects": ...

    @overload
    def __add__(self, others: list[S3Object], /) -> list[S3Object]: ...

    @overload
    def __add__(self, others: list[_Other], /) -> list[Union[S3Object, _Other]]: ...

    def __add__(self, others: list[_Other], /) -> list[Union[S3Object, _Other]]:
        added = super().__add__(others)
        # The sum with a list of other things is a plain list.
        return S3Objects(added) if isinstance(others, S3Objects) else added  # type: ignore[arg-type,return-value]

    def copy(self) -> "S3Objects":
        return S3Objects(self)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return reduced(self, protocol, S3Objects, (list(self),), otherwise=list)

    def _repr_html_(self) -> str:
        """The first objects, as a table for a notebook."""
        from metaflow_extensions.fasts3.api import html_tables  # a flow does not need it

        return html_tables.of_list(self)


def s3object_of(
    root: Optional[str], url: str, result: Optional[Downloaded], return_info: bool, name: Callable[[str], str]
) -> S3Object:
    """The result of one download; None for `result` means that the object does not exist.

    `root` is the `prefix` of the result. Without `return_info`, it has no information but the size. `name` returns a
    path for the file of an object in memory, when `path` is first read.
    """
    if result is None:
        return S3Object(root, url)
    response = result.response
    properties: dict[str, Any] = {}
    if return_info:
        total = response.length if response.info.size is None else response.info.size
        properties = {"range_info": RangeInfo(total, response.first, response.length), **_properties(response.info)}
    found = S3Object(root, url, result.path, response.length, **properties)
    if response.body is not None:
        found._body, found._name = response.body, name
    return found


def s3object_of_info(root: Optional[str], url: str, info: Optional[ObjectInfo]) -> S3Object:
    """The result of one HEAD request; `info` is None if the object does not exist."""
    return S3Object(root, url) if info is None else S3Object(root, url, size=info.size, **_properties(info))


def s3object_in_file(
    prefix: Optional[str], url: str, path: str, size: int, etag: Optional[str], version_id: Optional[str]
) -> S3Object:
    """An object in a file of the user."""
    found = _without_init(prefix, url, size)
    found._path, found._etag, found._version_id = path, etag or None, version_id or None
    return found


def s3object_of_directory(prefix: Optional[str], url: str) -> S3Object:
    """A directory in a listing: its URL has a trailing slash, its key has none."""
    found = S3Object(prefix, url)
    found._is_directory = True
    return found


def s3object_of_listed(prefix: Optional[str], url: str, listed: DetailedObject) -> S3Object:
    """An object in a listing with details."""
    found = _without_init(prefix, url, listed.size)
    if listed.modified is not None:
        found._last_modified = int(listed.modified)
    found._etag = in_quotes(listed.etag) or None
    found._storage_class = listed.storage_class or None
    return found


def s3object_of_version(prefix: Optional[str], url: str, version: ObjectVersion) -> S3Object:
    """A version in a listing of versions."""
    modified = None if version.modified is None else int(version.modified)
    etag = in_quotes(version.etag) or None
    found = S3Object(prefix, url, size=version.size, last_modified=modified, etag=etag, version_id=version.version_id)
    found._is_latest = version.is_latest
    if version.size is None:
        found._is_delete_marker = True
    return found


def _without_init(prefix: Optional[str], url: str, size: Optional[int]) -> S3Object:
    # `__init__` takes most of the time of a long listing.
    found = S3Object.__new__(S3Object)
    found._url, found._size = url, size
    found._prefix = None if prefix == url else prefix
    return found


def _properties(info: ObjectInfo) -> dict[str, Any]:
    return {
        "content_type": info.content_type,
        "metadata": info.metadata,
        "last_modified": info.last_modified,
        "encryption": info.encryption,
        "etag": info.etag,
        "version_id": info.version_id,
    }
