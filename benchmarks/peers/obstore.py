"""obstore (Rust, the object_store crate), by its asynchronous calls, with a fixed number of requests in flight."""

import asyncio
import os
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Callable

from ..servers.place import Place
from .peer import Peer, local_path

IN_FLIGHT = 64  # small objects
# Ranges of large ones: faster here than a stream for each object, and than other sizes and numbers.
RANGE = 8 * 2**20  # bytes
RANGES_IN_FLIGHT = 16


class Obstore(Peer):
    """obstore."""

    def __init__(self, place: Place, size: int) -> None:
        super().__init__(place, size)
        import obstore
        import obstore.store

        self._obstore: Any = obstore

    def open(self) -> None:
        self._store = store_of(self.place)

    def get(self, keys: Sequence[str], folder: str) -> Any:
        paths = [local_path(folder, number) for number in range(len(keys))]
        if self.large:
            self._get_large(keys, paths)
        else:
            self._gather(self._get_small, zip(keys, paths))
        return paths

    def put(self, pairs: "Sequence[tuple[str, bytes]]", paths: "Sequence[tuple[str, str]]") -> Any:
        self._gather(self._put, pairs)
        return [len(value) for _, value in pairs]

    def put_files(self, paths: "Sequence[tuple[str, str]]") -> Any:
        self._gather(self._put, ((key, Path(path)) for key, path in paths))
        return [self.size] * len(paths)

    def info(self, keys: Sequence[str]) -> Any:
        return self._gather(self._size, ((key,) for key in keys))

    def list(self, prefix: str) -> Any:
        return [row["size"] for page in self._obstore.list(self._store, f"{prefix}/", chunk_size=1000) for row in page]

    async def _get_small(self, key: str, path: str) -> None:
        response = await self._obstore.get_async(self._store, key)
        data = await response.bytes_async()
        with open(path, "wb") as file:
            file.write(data)

    def _get_large(self, keys: Sequence[str], paths: Sequence[str]) -> None:
        sizes = self.info(keys)
        files = [os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for path in paths]
        ranges = [
            (key, file, start, min(RANGE, size - start))
            for key, file, size in zip(keys, files, sizes)
            for start in range(0, size, RANGE)
        ]
        self._gather(self._get_range, ranges, RANGES_IN_FLIGHT)
        for file in files:
            os.close(file)

    async def _get_range(self, key: str, file: int, start: int, length: int) -> None:
        data = await self._obstore.get_range_async(self._store, key, start=start, length=length)
        os.pwrite(file, data, start)

    async def _put(self, key: str, value: Any) -> None:
        await self._obstore.put_async(self._store, key, value)

    async def _size(self, key: str) -> int:
        size: int = (await self._obstore.head_async(self._store, key))["size"]
        return size

    @staticmethod
    def _gather(
        function: "Callable[..., Coroutine[Any, Any, Any]]", calls: Any, in_flight: int = IN_FLIGHT
    ) -> "list[Any]":
        async def gather() -> "list[Any]":
            waiting, results = iter(enumerate(calls)), {}

            async def work() -> None:
                # As many of these as may be in flight: a task for each object would cost more.
                for number, arguments in waiting:
                    results[number] = await function(*arguments)

            await asyncio.gather(*(work() for _ in range(in_flight)))
            return [results[number] for number in range(len(results))]

        return asyncio.run(gather())


def store_of(place: Place) -> Any:
    """Return obstore's client of a bucket."""
    import obstore.store

    options: dict[str, Any] = {"allow_http": place.ca_file is None}
    if place.ca_file:
        options["root_certificate"] = Path(place.ca_file).read_bytes()
    return obstore.store.S3Store(
        place.bucket,
        endpoint=place.endpoint_url,
        region=place.region,
        access_key_id=place.access_key,
        secret_access_key=place.secret_key,
        virtual_hosted_style_request=False,
        client_options=options,
    )
