"""The properties of an S3 server that tests use."""

from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.handlers import add_expect_header


@dataclass(frozen=True)
class S3Server:
    """A running S3 server. `lacks` has names of `servers.capabilities`."""

    name: str  # 'moto', 'seaweedfs' or 'rclone'
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
