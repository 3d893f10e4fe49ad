"""What all methods of `S3` stand on."""

import weakref
from collections.abc import Iterator
from typing import Optional

from metaflow_extensions.fasts3.face.engine import Engine, Place
from metaflow_extensions.fasts3.face.location import Location
from metaflow_extensions.fasts3.face.standard_error import warn
from metaflow_extensions.fasts3.face.stream import Stream
from metaflow_extensions.fasts3.face.tempdir import TemporaryDirectory
from metaflow_extensions.fasts3.pool.queries import Entry, Listing, Listings, PageOfListing

FEW_LISTINGS = 8  # prefixes: not worth a worker's start


class Foundation:
    """The parts of a client, put together by `S3.__init__`."""

    _location: Location
    _engine: Engine
    _tempdir: TemporaryDirectory
    _streams: "weakref.WeakSet[Stream]"  # loops that go on

    def _list(self, listings: list[Listing]) -> list[list[Entry]]:
        """List prefixes; the entries of each, in key order."""
        if not listings:
            return []
        plan = Listings(listings)
        place = Place.HERE if len(listings) <= FEW_LISTINGS else Place.WORKERS
        self._engine.run(plan, place, listings[0].bucket)
        return plan.results

    def _pages(self, listing: Listing) -> Iterator[list[Entry]]:
        """List a prefix page by page, as they are asked for."""
        plan: Optional[PageOfListing] = PageOfListing(listing)
        while plan is not None:
            self._engine.run(plan, Place.HERE, listing.bucket)
            yield plan.entries
            plan = plan.next

    def _warn_of_neighbours(self, url: str, bucket: str, text: str, stacklevel: int = 3) -> None:
        """Say so where nothing is below a prefix although keys begin with its text."""
        if self._list([Listing(bucket, text, first_only=True)])[0]:
            warn(
                f"Nothing is below '{url}/', but there are keys that begin with '{url}'. A prefix is a directory here; "
                "Metaflow's own S3 would have returned them. Give a whole directory, or use list_paths to choose.",
                stacklevel,
            )
