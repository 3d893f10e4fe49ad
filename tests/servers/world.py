"""An `S3` behind a proxy of faults, and everything that a test inspects."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.config import Config
from metaflow import S3
from servers.faulty import FaultyS3
from servers.stored import Stored

SILENCE = 1.0  # timeout in seconds, for tests with a server that does not respond
PATIENCE = 30.0  # timeout in all other tests, because the machine may be busy


@dataclass
class World:
    """What a test uses."""

    s3: S3  # through the proxy
    stored: Stored  # the stored objects, read without the proxy
    proxy: FaultyS3
    folder: Path

    @property
    def root(self) -> str:
        """The URL of the root."""
        return f"s3://{self.stored.bucket}/{self.stored.prefix}".rstrip("/")

    def left_behind(self) -> "list[str]":
        """The temporary files and directories of `s3`."""
        return [str(path) for path in self.folder.joinpath("tmproot").rglob("*")]


@contextmanager
def new_world(
    proxy: FaultyS3, oracle: Any, folder: Path, renewable: bool = False, silence: float = SILENCE
) -> Iterator[World]:
    """Create an `S3` with an empty root, without faults.

    Parameters
    ----------
    proxy : FaultyS3
        A running one.
    oracle : botocore.client.S3
        For the real server.
    folder : Path
        Empty.
    renewable : bool
        Whether the credentials come from the environment instead of the client's parameters.
    silence : float
        Seconds after which the client gives up a request without a response.
    """
    proxy.clear()
    folder.joinpath("tmproot").mkdir()
    params = {**proxy.client_params(), "config": Config(connect_timeout=silence, read_timeout=silence)}
    if renewable:
        del params["aws_access_key_id"], params["aws_secret_access_key"]
    stored = Stored(oracle, proxy.real.bucket, f"test-{uuid.uuid4().hex}/")
    root = f"s3://{stored.bucket}/{stored.prefix}"
    with S3(s3root=root, client_params=params, tmproot=str(folder / "tmproot")) as s3:
        yield World(s3, stored, proxy, folder)
    assert proxy.problems == [], proxy.problems
