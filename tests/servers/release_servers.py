"""Starts the servers that only `make test-all` uses, and `make servers` installs."""

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.ceph import start_ceph
from servers.installed import installed
from servers.program import running
from servers.s3_server import S3Server, on_port, with_bucket
from servers.swift import start_swift


@contextmanager
def start_juicefs() -> Iterator[S3Server]:
    """The gateway of JuiceFS is the S3 server of MinIO as of 2021, above a file system."""
    program = str(installed("juicefs") / "bin" / "juicefs")
    access_key, secret_key = "juicefs", secrets.token_urlsafe(30)

    def command(port: int, data: Path) -> "list[str]":
        metadata = f"badger://{data}/metadata"
        # A deleted file would stay in the trash for a day.
        volume = ["--storage", "file", "--bucket", f"{data}/objects/", "--trash-days", "0", metadata, "test"]
        subprocess.run([program, "format", *volume], check=True, capture_output=True)
        # Without these, ETags are random, and metadata and tags are dropped.
        features = ["--multi-buckets", "--keep-etag", "--object-meta", "--object-tag", "--hide-dir-object"]
        private = ["--log", f"{data}/log", "--cache-dir", f"{data}/cache", "--metrics", "127.0.0.1:0"]
        quiet = ["--no-usage-report", "--no-banner"]
        return [program, "gateway", *features, *private, *quiet, metadata, f"127.0.0.1:{port}"]

    identity = {"MINIO_ROOT_USER": access_key, "MINIO_ROOT_PASSWORD": secret_key}
    with running(command, lambda *_: identity) as port:
        yield with_bucket(on_port("juicefs", port, access_key, secret_key))


@contextmanager
def start_localstack() -> Iterator[S3Server]:
    """LocalStack simulates AWS; its S3 is its own, not moto's."""
    program = str(installed("localstack") / "bin" / "python")

    with running(lambda port, data: [program, "-m", "localstack.runtime.main"], _localstack) as port:
        # It takes other access key ids for those of accounts.
        yield with_bucket(on_port("localstack", port, "test", secrets.token_urlsafe(30)))


def _localstack(port: int, data: Path) -> "dict[str, str]":
    return {
        "GATEWAY_SERVER": "hypercorn",  # the default listens on all addresses
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "SERVICES": "s3,sts,kms,iam",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
        "FILESYSTEM_ROOT": str(data),
    }


RELEASE_STARTERS = {
    "juicefs": start_juicefs,
    "localstack": start_localstack,
    "ceph": start_ceph,
    "swift": start_swift,
}
