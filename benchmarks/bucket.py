"""Stores the objects of the benchmarks and verifies uploads, with boto3 and thus independently of both classes.

SeaweedFS returns the MD5 of an object's content as its ETag, unless it was uploaded in parts.
"""

import hashlib
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from metaflow_extensions.fasts3.local_server.seaweedfs import SeaweedFS

from .calls import DIRECTORY, WrongResult, key_of
from .content import content, is_content, names

THREADS = 8


class Bucket:
    """Sets of objects, each below a prefix.

    Parameters
    ----------
    server : SeaweedFS
        A running one.
    """

    def __init__(self, server: SeaweedFS) -> None:
        self._bucket = server.bucket
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=server.endpoint_url,
            region_name=server.region,
            aws_access_key_id=server.access_key,
            aws_secret_access_key=server.secret_key,
            config=Config(max_pool_connections=THREADS),
        )

    def url(self, prefix: str) -> str:
        """The URL of a set."""
        return f"s3://{self._bucket}/{prefix}"

    def fill(self, prefix: str, objects: int, size: int) -> None:
        """Store a set of objects."""

        def put(name: str) -> None:
            self._client.put_object(Bucket=self._bucket, Key=f"{prefix}/{key_of(name)}", Body=content(name, size))

        with ThreadPoolExecutor(THREADS if size < 2**20 else 1) as executor:
            list(executor.map(put, names(objects)))

    def check(self, prefix: str, objects: int, size: int) -> None:
        """Verify a set of objects.

        Raises
        ------
        WrongResult
            An object is missing, unexpected, or has wrong content.
        """
        found = {row["Key"].rpartition("/")[2]: row for row in self._list(f"{prefix}/{DIRECTORY}/")}
        if sorted(found) != names(objects):
            raise WrongResult(f"{len(found)} objects in the bucket instead of {objects}, or others")
        for name, row in found.items():
            etag = row["ETag"].strip('"')
            if row["Size"] != size or not (
                self._is_stored(row["Key"], name, size)
                if "-" in etag
                else hashlib.md5(content(name, size)).hexdigest() == etag
            ):
                raise WrongResult(f"the content of {name} is not what was uploaded")

    def remove(self, prefix: str) -> None:
        """Delete a set of objects."""
        keys = [{"Key": row["Key"]} for row in self._list(f"{prefix}/")]
        for start in range(0, len(keys), 1000):  # S3's limit for one request
            self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": keys[start : start + 1000]})

    def _is_stored(self, key: str, name: str, size: int) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, name)
            self._client.download_file(self._bucket, key, path)
            return is_content(path, name, size)

    def _list(self, prefix: str) -> "list[dict[str, Any]]":
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        return [row for page in pages for row in page.get("Contents", ())]
