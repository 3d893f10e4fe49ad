"""Random calls of `S3`, for the client or any object with its methods."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, NamedTuple

from hypothesis import strategies as st
from metaflow.datatools.s3 import S3GetObject, S3PutObject
from model.file_calls import downloadings, presigned, readings, uploadings, writings
from model.values import CONTENT_TYPES, METADATA, USUAL, Sizes, Value, files, given, values
from servers.s3_server import S3Server

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

# `log` is a prefix of all that follow it, but a directory of some only; some are one another in sloppy hands.
KEYS = [
    *("a", "A", "log", "log/x", "log/deep/x", "log-1", "log_other/x", "%41", "b c", "b+c", "b%20c", "q", "q?x=1&y#z"),
    *("tab\there", " ends ", "dir/ü", "dir/u\u0308", "dir/deep/🦄/.hidden", 'it\'s/"<b>"&amp;', "year=2026/part-0.csv"),
]
KEYS_BY_CAPABILITY = {
    "line\nbreak": "newline-keys",
    "a\x01b": "control-character-uploads",
    "log//x": "double-slash-keys",
    "dots/../x": "dot-keys",
    "back\\slash": "backslash-keys",
    "marker/": "trailing-slash-keys",
    "dir/": "trailing-slash-beside-prefix",
}
PREFIXES = ["log", "log/", "lo", "log/deep", "dir", "dir/deep/🦄", "a", "b c", "it's", "year=2026", "nothing", ""]


class Pool(NamedTuple):
    """The names in calls, and the sizes of values."""

    keys: "list[str]"
    independent: "list[str]"  # those that are not the prefix of others, if the server needs that
    in_parts: "list[str]"  # likewise for objects in parts
    prefixes: "list[str]"
    strict: bool  # the server does not list empty prefixes
    sizes: Sizes  # of values


def pool_for(server: S3Server, sizes: Sizes = USUAL) -> Pool:
    """The names that a server supports."""
    keys = KEYS + [key for key, need in KEYS_BY_CAPABILITY.items() if need not in server.lacks]
    flat = [key for key in keys if not any(other != key and other.startswith(f"{key.rstrip('/')}/") for other in keys)]
    if "object-beside-prefix" in server.lacks:
        keys = flat
    independent = flat if "conditional-writes-beside-prefix" in server.lacks else keys
    in_parts = flat if "parts-beside-prefix" in server.lacks else keys
    return Pool(keys, independent, in_parts, PREFIXES, "list-no-empty-prefixes" not in server.lacks, sizes)


@dataclass(frozen=True)
class Call:
    """One call of a method."""

    method: str
    arguments: "tuple[Any, ...]" = ()
    options: "dict[str, Any]" = field(default_factory=dict)

    def __repr__(self) -> str:
        options = [f"{name}={value!r}" for name, value in self.options.items()]
        return f"{self.method}({', '.join([*map(repr, self.arguments), *options])})"

    def on(self, s3: Any, folder: Path) -> Any:
        """Call it; files that it uploads are made in a folder."""
        return getattr(s3, self.method)(*given(self.arguments, folder), **self.options)


BOOLEANS = st.booleans()
HEADERS: "dict[str, st.SearchStrategy[Any]]" = {
    "content_type": st.sampled_from(CONTENT_TYPES),
    "metadata": st.sampled_from(METADATA),
}


def every_call(pool: Pool) -> "dict[str, st.SearchStrategy[Any]]":
    """Calls of each method."""
    keys, independent = st.sampled_from(pool.keys), st.sampled_from(pool.independent)
    prefixes = st.lists(st.sampled_from(pool.prefixes), max_size=4)
    lenient, info = {"return_missing": BOOLEANS}, {"return_info": BOOLEANS}
    # SeaweedFS responds 404 to a range of an empty object that is a prefix of others.
    requested = keys | ranges(independent)
    return {
        "put": _put("put", pool, lambda keys, sizes: (keys, values(sizes)), **HEADERS),
        "put_many": _put("put_many", pool, lambda keys, sizes: (objects(keys, value=values(sizes)),)),
        "put_files": _put("put_files", pool, lambda keys, sizes: (objects(keys, path=files(sizes)),)),
        "get": _call("get", requested, **lenient, **info),
        "get_many": _call("get_many", st.lists(requested, max_size=12), **lenient, **info),
        "get_recursive": _call("get_recursive", prefixes, **info),
        "get_all": _call("get_all", **info),
        "info": _call("info", keys, **lenient),
        "info_many": _call("info_many", st.lists(keys, max_size=12), **lenient),
        "delete": _call("delete", keys, missing_ok=BOOLEANS),
        "delete_many": _call("delete_many", st.lists(keys, max_size=8), missing_ok=BOOLEANS),
        "delete_recursive": _call("delete_recursive", st.lists(st.sampled_from(pool.prefixes[:-1]), max_size=3)),
        "list_paths": _call("list_paths", st.none() | prefixes),
        "list_recursive": _call("list_recursive", st.none() | prefixes),
        "copy": _put("copy", pool, lambda targets, _: (independent, targets), **HEADERS),
        "copy_many": _put("copy_many", pool, lambda targets, _: (_copies(independent, targets),), **HEADERS),
        "list_versions": _call("list_versions", _versions(pool)),
        "open_to_read": readings(independent),
        "open_to_write": writings(
            [
                ("wb", pool.keys, pool.sizes.small),
                ("wb", pool.in_parts, pool.sizes.pieces),
                ("xb", pool.independent, pool.sizes.pieces),
            ]
        ),
        "presign": presigned(independent, pool.sizes.small),
        "download": downloadings(pool.strict, pool.sizes.small),
        "upload": uploadings(pool.sizes.small),
    }


def ranges(keys: "st.SearchStrategy[str]") -> "st.SearchStrategy[S3GetObject]":
    """Within an object, over its end and beyond, from its end, and of no bytes."""
    offsets = st.none() | st.integers(0, 40) | st.sampled_from([65_530, PART_SIZE - 3, PART_SIZE, 2 * PART_SIZE])
    lengths = st.none() | st.integers(-40, 40) | st.sampled_from([0, 1, 1000, PART_SIZE + 7, -PART_SIZE - 1])
    return st.tuples(keys, offsets, lengths).map(lambda fields: S3GetObject(*fields))


def objects(keys: "st.SearchStrategy[str]", **source: "st.SearchStrategy[Value]") -> "st.SearchStrategy[list[Any]]":
    """Pairs and S3PutObjects, side by side."""
    rich = st.fixed_dictionaries({"key": keys, **source, **HEADERS}).map(lambda fields: S3PutObject(**fields))
    return st.lists(st.tuples(keys, *source.values()) | rich, max_size=8)


def _versions(pool: Pool) -> "st.SearchStrategy[Any]":
    """Without keys that no server of these lists among versions: they ignore ``encoding-type=url``."""
    listed = [key for key in pool.keys if "\x01" not in key]
    some = st.lists(st.sampled_from([*listed, "log/", "dir/deep/"]), max_size=4)
    return st.none() | some if listed == pool.keys else some


def _copies(sources: "st.SearchStrategy[str]", targets: "st.SearchStrategy[str]") -> "st.SearchStrategy[list[Any]]":
    """Pairs of which none copies what another one stores."""

    def apart(pairs: "list[tuple[str, str]]") -> "list[tuple[str, str]]":
        read = {source for source, _ in pairs}
        return [(source, target) for source, target in pairs if target not in read]

    return st.lists(st.tuples(sources, targets), max_size=6).map(apart)


def _call(
    method: str, *arguments: "st.SearchStrategy[Any]", **options: "st.SearchStrategy[Any]"
) -> "st.SearchStrategy[Call]":
    return st.builds(Call, st.just(method), st.tuples(*arguments), st.fixed_dictionaries(options))


def _put(
    method: str, pool: Pool, arguments: "Callable[[Any, Any], tuple[Any, ...]]", **headers: "st.SearchStrategy[Any]"
) -> "st.SearchStrategy[Call]":
    uses = [
        (True, pool.keys, pool.sizes.small),
        (True, pool.in_parts, pool.sizes.values),
        (False, pool.independent, pool.sizes.values),
    ]
    return st.one_of(
        _call(method, *arguments(st.sampled_from(keys), sizes), overwrite=st.just(overwrite), **headers)
        for overwrite, keys, sizes in uses
    )
