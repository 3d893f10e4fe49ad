"""What ``metaflow fasts3 ls`` prints, page by page."""

from collections.abc import Iterable, Iterator

from ..api.location import SCHEME
from ..pool.ahead import Ahead
from ..pool.listings import Listing
from ..pool.split_listing import Entry
from .client import PAGES_AHEAD, client, found_ahead
from .output import json_line, name_shown, print_lines, size_shown
from .targets import Target, url_of

WIDTH = 12  # of sizes; those of up to a terabyte are in one column


class Lines:
    """How entries are written.

    Parameters
    ----------
    human : bool
        Sizes with units.
    as_json : bool
        One JSON object a line.
    """

    def __init__(self, human: bool, as_json: bool) -> None:
        self._human = human
        self._as_json = as_json

    def of(self, target: Target, entries: "Iterable[Entry]", whole: bool) -> "Iterator[str]":
        """The lines of entries; with `whole`, names are all of what follows the root."""
        start = len(target.base) if whole else len(target.folder)
        for key, size in entries:
            if self._as_json:
                url = url_of(target.bucket, key)
                yield json_line(url=url, key=target.name(key), size=size, directory=size is None)
            else:
                told = "PRE" if size is None else size_shown(size, self._human)
                yield f"{told:>{WIDTH}} {name_shown(key[start:])}"

    def of_bucket(self, name: str) -> str:
        """The line of a bucket."""
        url = f"{SCHEME}{name}/"
        return json_line(url=url, key="", size=None, directory=True) if self._as_json else name_shown(url)


def print_objects(target: Target, lines: Lines, recursive: bool) -> bool:
    """Print what a target means; whether there was anything."""
    whole = recursive or target.pattern is not None
    found = False
    with client() as s3:
        if whole:
            pages = found_ahead(s3, target)
        else:
            pages = Ahead(s3._pages(Listing(target.bucket, target.key, "/")), PAGES_AHEAD)
        with pages:
            for entries in pages:
                found = found or bool(entries)
                print_lines(lines.of(target, entries, whole))
    return found


def print_buckets(lines: Lines) -> None:
    """Print the buckets that this identity owns."""
    from ..api.errors import exception_of
    from ..api.executor import Executor
    from ..boto.clients import S3Client
    from ..boto.errors import failure_of
    from ..pool.interruptible import interruptible

    made = S3Client()
    executor = Executor(lambda: made.connection)
    asked = executor.connected()
    try:
        # Not in the main thread: boto3 takes Ctrl-C there for a failure of the network.
        told = interruptible(lambda _: made.client.list_buckets())
    except Exception as error:
        failure, endpoint = executor.concealed(failure_of(error)), asked.endpoint_url
        raise exception_of("ListBuckets", SCHEME, failure, asked.identity, endpoint, proxy=asked.proxy) from None
    print_lines(lines.of_bucket(bucket["Name"]) for bucket in told["Buckets"])
