"""boto3 with a thread pool, as most people write it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

from ..servers.place import Place
from .peer import Peer, local_path

THREADS = 16  # more are slower: they wait for the interpreter's lock


class Boto3Threads(Peer):
    """Small objects one request each; large ones through boto3's transfer manager, which takes them in parts."""

    def __init__(self, place: Place, size: int) -> None:
        super().__init__(place, size)
        import boto3  # noqa: F401

    def open(self) -> None:
        import boto3
        from boto3.s3.transfer import TransferConfig, create_transfer_manager
        from botocore.config import Config

        self._client: Any = boto3.client(
            "s3", endpoint_url=self.place.endpoint_url, config=Config(max_pool_connections=THREADS)
        )
        self._pool = ThreadPoolExecutor(THREADS)
        # `classic` is boto3 without the AWS CRT, which has a row of its own.
        configuration = TransferConfig(max_concurrency=THREADS, preferred_transfer_client="classic")
        self._transfers: Any = create_transfer_manager(self._client, configuration)

    def close(self) -> None:
        self._pool.shutdown()
        self._transfers.shutdown()

    def get(self, keys: Sequence[str], folder: str) -> Any:
        paths = [local_path(folder, number) for number in range(len(keys))]
        if self.large:
            self._wait([self._transfers.download(self.place.bucket, *pair) for pair in zip(keys, paths)])
        else:
            self._map(self._get_small, keys, paths)
        return paths

    def put(self, pairs: "Sequence[tuple[str, bytes]]", paths: "Sequence[tuple[str, str]]") -> Any:
        return self._map(self._put_small, *zip(*pairs))

    def put_files(self, paths: "Sequence[tuple[str, str]]") -> Any:
        self._wait([self._transfers.upload(path, self.place.bucket, key) for key, path in paths])
        return [self.size] * len(paths)

    def info(self, keys: Sequence[str]) -> Any:
        return self._map(self._size, keys)

    def list(self, prefix: str) -> Any:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.place.bucket, Prefix=f"{prefix}/")
        return [row["Size"] for page in pages for row in page["Contents"]]

    def _get_small(self, key: str, path: str) -> None:
        body = self._client.get_object(Bucket=self.place.bucket, Key=key)["Body"]
        with open(path, "wb") as file:
            file.write(body.read())

    def _put_small(self, key: str, value: bytes) -> int:
        self._client.put_object(Bucket=self.place.bucket, Key=key, Body=value)
        return len(value)

    def _size(self, key: str) -> int:
        size: int = self._client.head_object(Bucket=self.place.bucket, Key=key)["ContentLength"]
        return size

    def _map(self, function: "Callable[..., Any]", *columns: "Sequence[Any]") -> "list[Any]":
        return list(self._pool.map(function, *columns))

    @staticmethod
    def _wait(futures: "list[Any]") -> None:
        for future in futures:
            future.result()
