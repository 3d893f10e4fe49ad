"""Starts each of the servers that the tests use."""

import secrets
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager

from servers.lacks import LACKS
from servers.program import running
from servers.release_servers import RELEASE_STARTERS
from servers.s3_server import BUCKET, S3Server, on_port, with_bucket

from metaflow_extensions.fasts3.local_server.seaweedfs import SeaweedFS


@contextmanager
def start_seaweedfs() -> Iterator[S3Server]:
    """SeaweedFS verifies signatures, stores data on disk and is the fastest of them."""
    with SeaweedFS(bucket=BUCKET) as server:
        yield S3Server(
            name="seaweedfs",
            endpoint_url=server.endpoint_url,
            access_key=server.access_key,
            secret_key=server.secret_key,
            bucket=BUCKET,
            lacks=frozenset(LACKS["seaweedfs"]),
        )


@contextmanager
def start_moto() -> Iterator[S3Server]:
    """Moto is closest to AWS in semantics. In a separate process, it shares no lock with the tests."""
    with running(lambda port, _: [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]) as port:
        yield with_bucket(on_port("moto", port, access_key="moto", secret_key=secrets.token_urlsafe(30)))


@contextmanager
def start_rclone() -> Iterator[S3Server]:
    """Rclone serves files of a directory as objects, and represents servers with fewer features."""
    program = shutil.which("rclone", path=sysconfig.get_path("scripts")) or shutil.which("rclone") or "rclone"
    access_key, secret_key = "rclone", secrets.token_urlsafe(30)
    with running(
        lambda port, data: [
            program,
            "serve",
            "s3",
            f"--auth-key={access_key},{secret_key}",
            f"--addr=127.0.0.1:{port}",
            "--config=",
            # A directory that rclone reads again from the disk shows control characters as pictures (␊ for \n), so
            # none may grow old while tests run. Nor 0: with it rclone 1.75 soon deadlocks and loses files.
            "--dir-cache-time=24h",
            str(data),
        ]
    ) as port:
        yield with_bucket(on_port("rclone", port, access_key, secret_key))


STARTERS = {
    "moto": start_moto,
    "seaweedfs": start_seaweedfs,
    "rclone": start_rclone,
    **RELEASE_STARTERS,
}
