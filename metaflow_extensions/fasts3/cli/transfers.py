"""The common part of the commands that transfer: their options, and the report of the transfers."""

import functools
import time
from collections.abc import Collection, Iterable, Sequence
from types import TracebackType
from typing import Any, Callable, NamedTuple, Optional, TypeVar, Union

from metaflow._vendor import click
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import MetaflowS3AccessDenied, MetaflowS3NotFound
from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.formatting import counted, duration, readable
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.cli.options import Decorator, not_empty
from metaflow_extensions.fasts3.cli.output import json_line, name_format, print_lines, summary
from metaflow_extensions.fasts3.cli.selection import Selection

Result = TypeVar("Result")


class Headers(NamedTuple):
    """The headers to store with objects."""

    content_type: Optional[str] = None
    extra_args: Optional["dict[str, Any]"] = None  # the argument of `S3`'s methods

    @property
    def are_given(self) -> bool:
        """Whether there are any: unchanged files and objects must be stored again to get them."""
        return bool(self.content_type or self.extra_args)


class Options(NamedTuple):
    """How files and objects are transferred."""

    include: "Sequence[str]" = ()
    exclude: "Sequence[str]" = ()
    recursive: bool = False
    overwrite: bool = True
    headers: Headers = Headers()
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False
    moves: bool = False  # the sources are deleted

    def selects_many(self, selection: Selection) -> bool:
        """Whether an argument selects a prefix or a pattern, not an object."""
        return selection.pattern is not None or self.recursive or selection.is_directory


with_recursive: Decorator = click.option(
    "-r", "--recursive", is_flag=True, help="Select everything below the URLs, as if they ended in /."
)
with_no_overwrite: Decorator = click.option(
    "-n",
    "--no-overwrite",
    "--no-clobber",
    "no_overwrite",
    is_flag=True,
    help="Do not replace existing files or objects.",
)
with_dry_run: Decorator = click.option("--dry-run", is_flag=True, help="Print what would be done, and change nothing.")

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
# Option -> the name in `extra_args`.
_HEADERS = {
    "storage_class": "StorageClass",
    "cache_control": "CacheControl",
    "content_disposition": "ContentDisposition",
    "content_encoding": "ContentEncoding",
    "sse": "ServerSideEncryption",
    "sse_kms_key_id": "SSEKMSKeyId",
}


def _metadata(_: Any, __: Any, values: "tuple[str, ...]") -> "dict[str, str]":
    pairs = [value.partition("=") for value in values]
    wrong = next((value for value, pair in zip(values, pairs) if not pair[0] or not pair[1]), None)
    if wrong is not None:
        raise click.BadParameter(f"{wrong!r} is not of the form NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _encryption(_: Any, __: Any, value: Optional[str]) -> Optional[str]:
    # In aws s3, the name is optional: `--sse FILE` takes it from the files.
    if value is not None and value not in ENCRYPTIONS:
        raise click.BadParameter(f"{value!r} is not one of {', '.join(ENCRYPTIONS)}.")
    return value


def _header(name: str, metavar: str, about: str) -> Decorator:
    option: Decorator = click.option(name, metavar=metavar, callback=not_empty, help=about)
    return option


_HEADER_OPTIONS = (
    _header(
        "--content-type",
        "TYPE",
        "Store this MIME type. Default: guessed from the name of the file; within S3, that of the source.",
    ),
    _header("--storage-class", "CLASS", "Store the objects in this class, e.g. STANDARD_IA."),
    _header("--cache-control", "TEXT", "Store this header, e.g. max-age=3600."),
    _header("--content-disposition", "TEXT", "Store this header, e.g. attachment."),
    _header("--content-encoding", "TEXT", "Store this header, e.g. gzip."),
    click.option("--sse", metavar="NAME", callback=_encryption, help="Encrypt the objects with AES256 or aws:kms."),
    _header("--sse-kms-key-id", "ID", "Encrypt the objects with this KMS key."),
    click.option(
        "--metadata",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_metadata,
        help="Store this user metadata. May be repeated.",
    ),
)


def with_headers(function: "Callable[..., None]") -> "Callable[..., None]":
    """Give a command the options for headers of objects, as one argument, `headers`."""

    def run(*args: Any, content_type: Optional[str], metadata: "dict[str, str]", **kwargs: Any) -> None:
        given = {name: kwargs.pop(option) for option, name in _HEADERS.items()}
        extra_args: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if "SSEKMSKeyId" in extra_args:
            extra_args.setdefault("ServerSideEncryption", "aws:kms")
        if metadata:
            extra_args["Metadata"] = metadata
        function(*args, headers=Headers(content_type, extra_args or None), **kwargs)

    functools.update_wrapper(run, function)
    for option in reversed(_HEADER_OPTIONS):
        option(run)
    return run


def looked_up(s3: S3, urls: "Collection[str]", options: Options) -> "Iterable[Union[str, S3Object]]":
    """Named objects, with their properties where needed.

    A move compares their ETags before it deletes them. A dry run finds missing ones.
    """
    if not (options.moves or options.dry_run):
        return urls
    try:
        return s3.info_many(urls, return_missing=True)
    except MetaflowS3AccessDenied:
        if not options.dry_run:
            raise
        return urls


class Targets:
    """The files or objects that the sources of a command become.

    Several arguments may select the same object, or objects of the same name: the first becomes the target. `left_out`
    receives the others.
    """

    def __init__(self, left_out: LeftOut) -> None:
        self._left_out = left_out
        # Hash of a target -> hash of the URL of its source: with a million names, these take less memory.
        self._sources: dict[int, int] = {}

    def is_new(self, target: str, url: str, problem: "Callable[[], MetaflowException]") -> bool:
        """Whether no source has become this target; if another one has, note the problem."""
        place, source = hash(target), hash(url)
        if place not in self._sources:
            self._sources[place] = source
            return True
        if self._sources[place] != source:
            self._left_out.note(url, problem())
        return False


class Kind(NamedTuple):
    """The words for the work of a command on files or objects."""

    would: str  # "download"
    done: str  # "downloaded"
    noun: str  # its object
    extra: str  # what a mirror deletes


DOWNLOAD = Kind("download", "downloaded", "object", "file")
UPLOAD = Kind("upload", "uploaded", "file", "object")
COPY = Kind("copy", "copied", "object", "object")


class Report:
    """Counts the transfers of a command, and collects its failures.

    A context manager that prints the numbers at its end; after an error or Ctrl-C only if something was done.
    """

    def __init__(self, kind: Kind, options: Options) -> None:
        self._kind = kind._replace(would="move", done="moved") if options.moves else kind
        self._options = options
        self._began = time.monotonic()
        self._count = self._unchanged = self._deleted = 0
        self._size: Optional[int] = None  # bytes, if known
        self.left_out = LeftOut()
        self._failure: Optional[MetaflowException] = None  # of the last call

    def __enter__(self) -> "Report":
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        done = self._count or self._unchanged or self._deleted
        if done or (error is None and not self.left_out.reasons):
            summary(self._summary(), self._options.quiet)

    def call(self, function: "Callable[[], Result]") -> Result:
        """Call a method of `S3`; if single files or objects fail, note them, and return what succeeded."""
        try:
            return function()
        except MetaflowException as error:
            result: Optional[Result] = getattr(error, "result", None)
            if result is None:
                raise
            self.left_out.note_all(error)
            self._failure = error
            return result

    def is_missing(self, source: "Union[str, S3Object]") -> bool:
        """Whether an object was looked up in vain; notes it."""
        if isinstance(source, str) or source.exists:
            return False
        self.left_out.note(source.url, MetaflowS3NotFound(f"There is no object {source.url} (NoSuchKey)."))
        return True

    def add(self, pairs: "Sequence[tuple[str, str]]", unchanged: int = 0, size: Optional[int] = None) -> None:
        """Count transfers, each a source and a target; a dry run prints them."""
        self._count += len(pairs)
        self._unchanged += unchanged
        if size is not None:
            self._size = (self._size or 0) + size
        if self._options.dry_run and not self._options.as_json:
            name = name_format()
            print_lines(f"{self._kind.would}: {name(one)} to {name(other)}" for one, other in pairs)

    def print_json(self, rows: "Iterable[dict[str, Any]]") -> None:
        """Print lines, with --json."""
        if self._options.as_json:
            print_lines(json_line(**row) for row in rows)

    def add_deleted(self, names: "Sequence[str]", field: str) -> None:
        """Count the deletions of a mirror; a dry run and --json print them, the latter with this field."""
        self._deleted += len(names)
        if self._options.as_json:
            print_lines(json_line(**{field: name, "deleted": True}) for name in names)
        elif self._options.dry_run:
            shown_name = name_format()
            print_lines(f"delete: {shown_name(name)}" for name in names)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was transferred, unchanged or skipped."""
        return not (self._count or self._unchanged or self._deleted or self.left_out.reasons)

    def raise_for_failures(self) -> None:
        """Raise one exception for all failures."""
        done = self._count + self._unchanged
        self.left_out.raise_if_any(done, self._kind.done, f"{self._kind.noun}s")

    def raise_failure(self) -> None:
        """Raise the exception of the only call, which also says what a mirror did not delete."""
        if self._failure:
            raise self._failure

    def _summary(self) -> str:
        kind, dry_run = self._kind, self._options.dry_run
        text = f"Would {kind.would}" if dry_run else kind.done.capitalize()
        text += f" {counted(self._count, kind.noun)}"
        if self._count and self._size is not None:
            text += f", {readable(self._size)}" + ("," if not dry_run else "")
        if self._count and not dry_run:
            text += f" in {duration(time.monotonic() - self._began)}"
        if self._unchanged:
            text += f"; {self._unchanged:,} {'unchanged' if self._options.overwrite else 'already existed'}"
        if self._deleted:
            text += f"; {'would delete' if dry_run else 'deleted'} {counted(self._deleted, kind.extra)}"
        return f"{text}."
