"""What all methods of `S3` stand on."""

from metaflow_extensions.fasts3.face.engine import Engine, Place
from metaflow_extensions.fasts3.face.location import Location
from metaflow_extensions.fasts3.face.tempdir import TemporaryDirectory
from metaflow_extensions.fasts3.pool.queries import Entry, Listing, Listings

FEW_LISTINGS = 8  # prefixes: not worth a worker's start


class Foundation:
    """The parts of a client, put together by `S3.__init__`."""

    _location: Location
    _engine: Engine
    _tempdir: TemporaryDirectory

    def _list(self, listings: list[Listing]) -> list[list[Entry]]:
        """List prefixes; the entries of each, in key order."""
        if not listings:
            return []
        plan = Listings(listings)
        place = Place.HERE if len(listings) <= FEW_LISTINGS else Place.WORKERS
        self._engine.run(plan, place, listings[0].bucket)
        return plan.results
