"""The base class of the classes with the methods of `S3`: the parts of a client, and listings."""

import weakref
from collections.abc import Iterable, Iterator
from typing import Any, Optional, Union

from metaflow_extensions.fasts3.api.arguments import key_of, several
from metaflow_extensions.fasts3.api.errors import CHECK_PREFIX, MOST_URL, shown
from metaflow_extensions.fasts3.api.executor import INLINE_THREADS, Executor
from metaflow_extensions.fasts3.api.location import Location, as_directory, split_url
from metaflow_extensions.fasts3.api.object_reader import ObjectReader
from metaflow_extensions.fasts3.api.object_writer import ObjectWriter
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.prefetch import Prefetch
from metaflow_extensions.fasts3.api.standard_error import warn
from metaflow_extensions.fasts3.api.temporary_directory import TemporaryDirectory
from metaflow_extensions.fasts3.plans.listings import Listing, Listings, Pager, PagesOfListing
from metaflow_extensions.fasts3.plans.plan import Plan
from metaflow_extensions.fasts3.plans.split_listing import Entry
from metaflow_extensions.fasts3.wire.blocking import Interruption

FEW_LISTINGS = 8  # prefixes that do not need workers
AHEAD = 50_000  # entries of a listing that are buffered until the ones before them arrive


class Client:
    """The parts of a client, created by `S3.__init__`."""

    _location: Location
    _executor: Executor
    _tempdir: TemporaryDirectory
    _prefetches: "weakref.WeakSet[Prefetch]"  # unfinished loops
    _files: "weakref.WeakSet[Union[ObjectReader, ObjectWriter]]"  # open files

    def _run_beside(self, plan: Plan, interruption: Optional[Interruption]) -> None:
        """Run a plan of an open file; with an interruption, in the calling thread."""
        self._executor.run(plan, Place.HERE, interruption, with_progress=False)

    def _list(self, listings: list[Listing]) -> list[list[Entry]]:
        """List prefixes; return the entries of each, in key order."""
        if not listings:
            return []
        plan = Listings(listings)
        place = Place.LISTING if len(listings) <= FEW_LISTINGS else Place.WORKERS
        self._executor.run(plan, place)
        return plan.results

    def _pages(self, listing: Listing) -> Iterator[list[Entry]]:
        """List a prefix a few pages at a time, while the caller iterates."""
        pager = Pager(listing, INLINE_THREADS, AHEAD)
        while not pager.ended:
            plan = PagesOfListing(pager)
            self._executor.run(plan, Place.HERE)
            yield plan.entries

    def _urls(self, keys: Optional[Iterable[Any]]) -> list[str]:
        """The URLs of several keys; of the root if there are none."""
        return [self._location.url(key_of(key)) for key in ([None] if keys is None else several(keys))]

    def _warn_of_similar_keys(self, url: str) -> None:
        """Warn if keys begin with the text of a prefix, under which there is none."""
        if self._similar_key(url):
            warn(
                f"No objects under '{url}/', but other keys begin with '{url}'. A prefix is a directory here. "
                "Metaflow's own S3 would return these keys. Give a whole directory, or use list_paths to find it.",
                stacklevel=3,
            )

    def _nothing_below(self, url: str) -> str:
        """The message for a prefix without objects."""
        sentence = f"No objects under '{shown(as_directory(url), MOST_URL)}'."
        other = self._similar_key(url)
        if other:
            other = shown(other, MOST_URL)
            return f"{sentence} A prefix is a directory; another key that begins with the same text is '{other}'."
        return f"{sentence} {CHECK_PREFIX}"

    def _similar_key(self, url: str) -> Optional[str]:
        """The URL of an object outside a prefix without objects, whose key begins with the same text."""
        bucket, text = split_url(url)
        if not text or text.endswith("/"):
            return None
        [found] = self._list([Listing(bucket, text, first_only=True)])
        return f"s3://{bucket}/{found[0].key}" if found else None
