"""The properties of an S3 server that tests use."""

from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.handlers import add_expect_header
from servers.lacks import LACKS

BUCKET = "metaflow-fasts3-test"


@dataclass(frozen=True)
class S3Server:
    """A running S3 server. `lacks` has names of `servers.capabilities`."""

    name: str  # a key of `servers.starters.STARTERS`
    endpoint_url: str
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str  # exists, and is empty when the server has just started
    lacks: frozenset[str]
    region: str = "us-east-1"

    def client_params(self) -> dict[str, Any]:
        """Return the keyword arguments for ``S3(client_params=...)`` and ``boto3.client("s3", ...)``."""
        return {
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "region_name": self.region,
        }

    def boto3_client(self, **changes: Any) -> Any:
        """Return a boto3 client for this server, as a reference. Close it after use."""
        client = boto3.session.Session().client("s3", **{**self.client_params(), **changes})
        # Old versions of botocore mix up responses to `Expect: 100-continue`; see `boto/events.py`.
        client.meta.events.unregister("before-call.s3", add_expect_header)
        return client


def on_port(name: str, port: int, access_key: str, secret_key: str) -> S3Server:
    """Describe a server that listens on loopback."""
    return S3Server(
        name=name,
        endpoint_url=f"http://127.0.0.1:{port}",
        access_key=access_key,
        secret_key=secret_key,
        bucket=BUCKET,
        lacks=frozenset(LACKS[name]),
    )


def with_bucket(server: S3Server) -> S3Server:
    """Create the bucket of the tests."""
    client = server.boto3_client()
    client.create_bucket(Bucket=server.bucket)
    client.close()
    return server
