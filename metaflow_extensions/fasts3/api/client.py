"""The base class of the classes with the methods of `S3`: the parts of a client, and listings."""

import weakref
from collections.abc import Iterator
from typing import Optional, Union

from metaflow_extensions.fasts3.api.errors import MOST_URL, shown
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

    def _warn_of_neighbours(self, url: str, bucket: str, text: str, stacklevel: int = 3) -> None:
        """Warn if no key is under a prefix, but other keys begin with the same text."""
        if self._list([Listing(bucket, text, first_only=True)])[0]:
            warn(
                f"No objects under '{url}/', but other keys begin with '{url}'. A prefix is a directory here. "
                "Metaflow's own S3 would return these keys. Give a whole directory, or use list_paths to find it.",
                stacklevel,
            )

    def _nothing_below(self, url: str) -> str:
        """The message for a prefix without objects."""
        sentence = f"No objects under '{shown(as_directory(url), MOST_URL)}'."
        bucket, text = split_url(url)
        if text and not text.endswith("/"):
            for found, _ in self._list([Listing(bucket, text, first_only=True)])[0][:1]:
                other = shown(f"s3://{bucket}/{found}", MOST_URL)
                return f"{sentence} A prefix is a directory; another key that begins with the same text is '{other}'."
        return f"{sentence} Check the prefix: `metaflow fasts3 ls` and list_paths() list what exists."
