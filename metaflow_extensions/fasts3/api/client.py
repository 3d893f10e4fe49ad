"""What the classes that hold the methods of `S3` share: the parts of a client, and listings."""

import weakref
from collections.abc import Iterator

from metaflow_extensions.fasts3.api.executor import INLINE_THREADS, Executor
from metaflow_extensions.fasts3.api.location import Location
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.prefetch import Prefetch
from metaflow_extensions.fasts3.api.standard_error import warn
from metaflow_extensions.fasts3.api.temporary_directory import TemporaryDirectory
from metaflow_extensions.fasts3.plans.listings import Listing, Listings, Pager, PagesOfListing
from metaflow_extensions.fasts3.plans.split_listing import Entry

FEW_LISTINGS = 8  # prefixes: not worth a worker's start
AHEAD = 50_000  # entries of a listing that may wait for those before them


class Client:
    """The parts of a client, put together by `S3.__init__`."""

    _location: Location
    _executor: Executor
    _tempdir: TemporaryDirectory
    _prefetches: "weakref.WeakSet[Prefetch]"  # loops that go on

    def _list(self, listings: list[Listing]) -> list[list[Entry]]:
        """List prefixes; the entries of each, in key order."""
        if not listings:
            return []
        plan = Listings(listings)
        place = Place.LISTING if len(listings) <= FEW_LISTINGS else Place.WORKERS
        self._executor.run(plan, place)
        return plan.results

    def _pages(self, listing: Listing) -> Iterator[list[Entry]]:
        """List a prefix a few pages at a time, as they are asked for."""
        pager = Pager(listing, INLINE_THREADS, AHEAD)
        while not pager.ended:
            plan = PagesOfListing(pager)
            self._executor.run(plan, Place.HERE)
            yield plan.entries

    def _warn_of_neighbours(self, url: str, bucket: str, text: str, stacklevel: int = 3) -> None:
        """Say so where nothing is below a prefix although keys begin with its text."""
        if self._list([Listing(bucket, text, first_only=True)])[0]:
            warn(
                f"Nothing is below '{url}/', but there are keys that begin with '{url}'. A prefix is a directory here; "
                "Metaflow's own S3 would have returned them. Give a whole directory, or use list_paths to choose.",
                stacklevel,
            )
