"""Metaflow's S3 class, the original and this project's, with the same calls; the environment selects the class.

See `benchmarks.client.environment_of`: the original gets an extension search path without extensions.
"""

from collections.abc import Sequence
from typing import Any

from ..client import OURS, OWN
from ..servers.place import Place
from .peer import Peer


class Ours(Peer):
    """This project's class."""

    which = OURS

    def __init__(self, place: Place, size: int) -> None:
        super().__init__(place, size)
        import metaflow

        from ..child import check_class

        check_class(metaflow.S3, self.which)
        self._class = metaflow.S3

    def open(self) -> None:
        self._s3 = self._class(s3root=f"s3://{self.place.bucket}")

    def close(self) -> None:
        self._s3.close()

    def get_one(self, key: str, folder: str) -> Any:
        return [self._s3.get(key)]

    def get(self, keys: Sequence[str], folder: str) -> Any:
        return self._s3.get_many(keys)

    def put(self, pairs: "Sequence[tuple[str, bytes]]", paths: "Sequence[tuple[str, str]]") -> Any:
        return self._s3.put_many(pairs)

    def put_files(self, paths: "Sequence[tuple[str, str]]") -> Any:
        return self._s3.put_files(paths)

    def info(self, keys: Sequence[str]) -> Any:
        return self._s3.info_many(keys)

    def list(self, prefix: str) -> Any:
        return self._s3.list_recursive([prefix])

    def sizes(self, verb: str, results: Any) -> "list[int]":
        # Uploads return pairs of key and URL, without sizes.
        return [self.size if verb.startswith("put") else result.size for result in results]

    def downloaded(self, results: Any) -> "list[str]":
        return [result.path for result in results]


class Own(Ours):
    """Metaflow's own class."""

    which = OWN
