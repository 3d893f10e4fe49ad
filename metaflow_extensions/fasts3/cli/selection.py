"""Reads URL arguments: each selects one object, all objects below a prefix, or all whose keys match a pattern."""

import fnmatch
import functools
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from glob import escape
from typing import NamedTuple, Optional

from metaflow._vendor import click
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import MOST_URL, MetaflowS3URLException, shown
from metaflow_extensions.fasts3.api.local_paths import seems_a_url
from metaflow_extensions.fasts3.api.location import SCHEME, Location, as_directory, location_of, split_url
from metaflow_extensions.fasts3.api.path_patterns import PathPatterns
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.cli.read_ahead import ReadAhead

WILDCARD = re.compile(r"[*?]|\[[^]]+\]")
RUN = re.compile(r"[^/\s]+/[^/\s]+\Z")
PAGES_AHEAD = 10
PAGE = 1000  # objects, as many as a response of S3 has
HEAD_START = 0.25  # seconds for a listing before its first objects are transferred: ten pages from a nearby server
LONGEST_WAIT = 0.1  # seconds of listed objects for more objects


class _Run(NamedTuple):
    """The part of a Run that determines the location of its data, without its namespace and metadata."""

    pathspec: str


class Selection(NamedTuple):
    """The selection of one argument."""

    bucket: str
    key: str  # of an object, or a prefix; for a pattern, the part before its first wildcard
    base: str  # the prefix of the root, with its slash: names are relative to it
    pattern: Optional["re.Pattern[str]"] = None  # None: no wildcards
    text: str = ""  # the key or pattern as given, without the root
    include: "tuple[str, ...]" = ()  # patterns of --include, for the paths after `stem`; none: all
    exclude: "tuple[str, ...]" = ()  # of --exclude

    @property
    def url(self) -> str:
        """The full URL, for messages."""
        return f"{SCHEME}{self.bucket}/{self.base}{self.text}"

    @property
    def is_directory(self) -> bool:
        """Whether it ends with a slash, or is the whole bucket."""
        return self.pattern is None and (not self.key or self.key.endswith("/"))

    @property
    def is_whole_bucket(self) -> bool:
        """Whether no prefix limits it to a part of the bucket. The wildcards of a pattern do not count as a prefix."""
        return not self.key.strip("/")

    @property
    def folder(self) -> str:
        """The key up to its last slash; "" if it has none."""
        return self.key[: self.key.rfind("/") + 1]

    @property
    def stem(self) -> str:
        """The part of the selected keys that local file names, and the groups of `du`, omit."""
        return self.folder if self.pattern else self.prefix

    @property
    def prefix(self) -> str:
        """The prefix to list. Without wildcards it is a directory: 'data' selects 'data/x', and not 'data_old/x'."""
        return self.key if self.pattern or self.is_directory else self.key + "/"

    @property
    def is_all(self) -> bool:
        """Whether it is a whole bucket by its name, which may be empty, unlike what is searched for in one."""
        return not (self.text or self.base or self.is_filtered)

    @property
    def is_filtered(self) -> bool:
        """Whether --include or --exclude were given."""
        return bool(self.include or self.exclude)

    def matches(self, key: str) -> bool:
        """Whether a listed key is selected."""
        return self.pattern is None or self.pattern.match(key) is not None

    def selects(self, url: str) -> bool:
        """Whether an object with this URL is selected, of those below the prefix."""
        start = f"{SCHEME}{self.bucket}/"
        key = url[len(start) :]
        if not (url.startswith(start + self.prefix) and self.matches(key)):
            return False
        return not self.is_filtered or _patterns(self.include, self.exclude).select(key[len(self.stem) :])

    def nothing(self) -> str:
        """The message for a selection of no object."""
        if self.is_filtered:
            return f"--include and --exclude select no object of {self.url}. They apply to the paths below it."
        if self.pattern:
            return f"No key matches {self.url}."
        if self.is_directory:
            return f"No objects under {self.url}."
        return f"No objects under {self.url}/. For keys that begin with this text, write {self.url}*."


class Emptied:
    """Those of several selections of which objects were deleted or moved: if nothing is left, that is no error."""

    def __init__(self, selections: "Iterable[Selection]") -> None:
        self._others = list(selections)
        self._emptied: list[Selection] = []

    def note(self, urls: "Sequence[str]") -> None:
        """Record objects that were deleted or moved."""
        for one in [one for one in self._others if any(map(one.selects, urls))]:
            self._others.remove(one)
            self._emptied.append(one)

    def __contains__(self, selection: Selection) -> bool:
        """Whether it selected one of them."""
        return selection in self._emptied


@functools.lru_cache
def _patterns(include: "tuple[str, ...]", exclude: "tuple[str, ...]") -> PathPatterns:
    return PathPatterns(include or None, exclude or None)


def listed(s3: S3, selection: Selection, recursive: bool = True) -> "ReadAhead[list[S3Object]]":
    """List the selected objects in a thread, in lists that are not empty.

    If not `recursive`, list one level: the objects and directories whose names begin with the end of the key.
    """
    return ReadAhead(_in_lists(_objects(s3, selection, recursive)), PAGES_AHEAD)


def _objects(s3: S3, selection: Selection, recursive: bool) -> "Iterator[S3Object]":
    include, exclude = selection.include or None, selection.exclude or None
    if recursive and selection.pattern is None:
        return s3.iter_list([url_of(selection.bucket, selection.prefix)], include=include, exclude=exclude)
    folder = selection.folder
    if selection.pattern is None:
        pattern = escape(selection.key[len(folder) :]) + "*"
    else:
        pattern = (selection.base + selection.text)[len(folder) :]
        _refuse_brackets_in_keys(s3, selection, pattern)
    found = s3.iter_list([url_of(selection.bucket, folder)], recursive, pattern, exclude)
    if include is None:
        return found
    patterns = PathPatterns(include, None)
    return (one for one in found if _is_selected(patterns, one))


def _refuse_brackets_in_keys(s3: S3, selection: Selection, pattern: str) -> None:
    """Raise click.ClickException if an object has the brackets of a pattern in its key, because it may be meant."""
    if "[" not in pattern:
        return
    literal = pattern.replace("[", "[[]")
    start = len(url_of(selection.bucket, ""))
    for one in s3.iter_list([url_of(selection.bucket, selection.folder)], include=literal):
        if not selection.matches(one.url[start:]):
            remedy = "write each [ as [[]" if any(wildcard in pattern for wildcard in "*?") else "add --raw"
            raise click.ClickException(
                f"{shown(selection.url, MOST_URL)} is a pattern that does not match the object "
                f"{shown(one.url, MOST_URL)}. To select this object, {remedy}; otherwise, give another pattern."
            )


def _is_selected(patterns: PathPatterns, one: S3Object) -> bool:
    return patterns.may_select_below(f"{one.key}/") if one.size is None else patterns.select(one.key)


def _in_lists(objects: "Iterator[S3Object]") -> "Iterator[list[S3Object]]":
    """Objects in lists of a page at most: handing them to another thread one by one would take most of the time."""
    page: list[S3Object] = []
    until = time.monotonic() + LONGEST_WAIT
    for one in objects:
        page.append(one)
        if len(page) == PAGE or time.monotonic() > until:
            yield page
            page = []
            until = time.monotonic() + LONGEST_WAIT
    if page:
        yield page


def filtered(
    selection: Selection, include: "Sequence[str]", exclude: "Sequence[str]", is_listing: bool = True
) -> Selection:
    """Apply --include and --exclude; raise click.UsageError if the selection is one object by its key."""
    if (include or exclude) and not is_listing:
        raise click.UsageError(
            f"--include and --exclude filter the objects of a prefix or a pattern; {selection.url} is the key of one "
            "object."
        )
    return selection._replace(include=tuple(include), exclude=tuple(exclude))


def is_directory(s3: S3, bucket: str, key: str) -> bool:
    """Whether there are keys below this one; False if the credentials do not allow listing."""
    try:
        return any(True for _ in s3.iter_list([as_directory(url_of(bucket, key))], recursive=False))
    except MetaflowException:
        return False


def location_from(run: Optional[str], root: Optional[str]) -> Location:
    """Read the options --run and --root.

    Raises click.UsageError if both are given, or one is invalid, and MetaflowS3URLException if the setting for the data
    of runs is invalid or missing.
    """
    if root == "":
        raise click.UsageError("--root is empty, perhaps because a shell variable is not set.")
    if root is not None and root.endswith("//") and root != SCHEME:
        raise click.UsageError(
            f"--root is {root!r}: it ends in two slashes, perhaps because a shell variable is not set."
        )
    if run is not None and root is not None:
        raise click.UsageError("--run and --root can't be combined. Use one of them.")
    if run is not None and not RUN.match(run):
        raise click.UsageError(f"--run is {run!r}. Give the name of a flow and the id of a run: --run MyFlow/123.")
    if root is not None and not root.startswith(SCHEME):
        raise click.UsageError(f"--root is {root!r}, which is not a location in S3. Its form is s3://bucket/prefix.")
    try:
        return location_of(None, None, run and _Run(run), root)
    except MetaflowS3URLException as error:
        if root is None:
            raise
        raise click.UsageError(f"--root is not a location in S3. {error}") from error


def refuse_empty(texts: "Iterable[str]") -> None:
    """Refuse empty arguments, which result from unset shell variables: with a root they would select all of it."""
    if "" in texts:
        raise click.UsageError(
            "An argument is empty (''), perhaps because a shell variable is not set. To select everything below --run "
            "or --root, write /."
        )


def refuse_url_paths(paths: "Iterable[str]") -> None:
    """Refuse local paths that are probably mistyped URLs: `mv` would move objects into a local directory `s3:`.

    Raises
    ------
    click.UsageError
    """
    for path in filter(seems_a_url, paths):
        raise click.UsageError(
            f"{path!r} looks like a URL, but S3 URLs begin with {SCHEME}. For a local path of this name, write "
            f"'./{path}'."
        )


def refuse_directories(selections: "Iterable[Selection]") -> None:
    """Refuse prefixes, in commands that take keys and patterns only."""
    for one in selections:
        if one.is_directory:
            raise click.UsageError(f"{one.url} is a directory. For all objects below it, give a pattern: '{one.url}*'")


def refuse_whole_bucket(selection: Selection, refusal: str) -> None:
    """Refuse a selection that is, or may match, a whole bucket; `refusal` is a clause about the refused action."""
    if selection.is_whole_bucket:
        what = "may match a whole bucket" if selection.pattern else "is a whole bucket"
        raise click.UsageError(
            f"{selection.url} {what}, {refusal}. Name a prefix in it before any wildcard: "
            f"s3://{selection.bucket}/some/prefix/*"
        )


def unquoted_hint(texts: "Sequence[str]") -> str:
    """The hint for arguments that are all names of local files, as from an unquoted pattern; "" for others."""
    local = len(texts) > 1 and all(
        text and not text.startswith((SCHEME, "/")) and os.path.lexists(text) for text in texts
    )
    return "All of these are names of local files: was a pattern left unquoted? Write it as '*'." if local else ""


def select_one(urls: "Sequence[str]", location: Location, raw: bool) -> Selection:
    """Read the optional argument of a command that takes one URL. Without it, all below the location is selected.

    Raises click.UsageError if there are several, or neither a URL nor a location.
    """
    refuse_empty(urls)
    if len(urls) > 1:
        message = f"This command takes one URL, not {len(urls):,}. For several, write a pattern in quotes."
        raise click.UsageError(f"{message} {unquoted_hint(urls)}".rstrip())
    if not urls and location.root is None:
        raise click.UsageError("Give a URL, or --run or --root.")
    return select(urls[0] if urls else "", location, raw)


def select(text: str, location: Location, raw: bool = False) -> Selection:
    """Read a URL, or a key below a location; with `raw`, wildcards are taken literally.

    Raises click.UsageError for a full URL with a location, and for a key without one, and MetaflowS3URLException for an
    invalid URL.
    """
    full = text.startswith(SCHEME)
    if location.root is None:
        if not full:
            raise click.UsageError(
                f"{text!r} is not a full URL. Give s3://bucket/key, or a key relative to --run or --root."
            )
        bucket, own = split_url(text)
        base = ""
    else:
        if full:
            raise click.UsageError(
                f"{text!r} is a full URL, but --run or --root already gives a location: {location.root}. "
                "Give the key below it, or omit that option."
            )
        bucket, key = split_url(location.url(text))
        base = split_url(location.root + "/")[1]
        own = key[len(base) :]
    found = None if raw else WILDCARD.search(own)
    if found is None:
        return Selection(bucket, base + own, base, text=own)
    pattern = re.compile(re.escape(base) + fnmatch.translate(own))
    return Selection(bucket, base + own[: found.start()], base, pattern, own)


def url_of(bucket: str, key: str) -> str:
    """The URL of a listed key."""
    return f"{SCHEME}{bucket}/{key}"
