"""The client that commands work with, and the listings that they go through page by page."""

from collections.abc import Iterator
from typing import Optional

from metaflow.exception import MetaflowException

from ..api.location import as_directory
from ..api.s3 import S3
from ..pool.ahead import Ahead
from ..pool.listings import Listing
from ..pool.split_listing import Entry
from .targets import Target

PAGES_AHEAD = 10  # of 1,000 keys each


def client(progress: Optional[bool] = False) -> S3:
    """An `S3` without a root; a context manager.

    Parameters
    ----------
    progress : bool, optional
        Whether it tells how far it is; None: on a terminal.
    """
    return S3(progress=progress)


def found_ahead(s3: S3, target: Target, details: bool = False) -> "Ahead[list[Entry]]":
    """The objects that a prefix or pattern means: a list for each page that has any, read ahead.

    With `details`, they are `DetailedObject`s.
    """
    return Ahead(_found(s3, target, details), PAGES_AHEAD)


def is_directory(s3: S3, bucket: str, key: str) -> bool:
    """Whether there are keys below one; False where this identity may not list them."""
    try:
        return any(s3._pages(Listing(bucket, as_directory(key), "/")))
    except MetaflowException:
        return False


def _found(s3: S3, target: Target, details: bool) -> "Iterator[list[Entry]]":
    for entries in s3._pages(target.listing()._replace(details=details)):
        fitting = [entry for entry in entries if target.fits(entry.key)]
        if fitting:
            yield fitting
