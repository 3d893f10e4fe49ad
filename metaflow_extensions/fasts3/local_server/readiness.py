"""Waits until a server responds to a signed request, and creates the bucket."""

import os
import time
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from metaflow_extensions.fasts3.local_server.errors import ServerFailed
from metaflow_extensions.fasts3.local_server.storage import Keys

# Codes of CreateBucket. SeaweedFS sends the second even to the bucket's owner.
_EXISTS = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


def make_bucket(bucket: str, endpoint_url: str, keys: Keys, deadline: float) -> None:
    """Create the bucket, with retries until `deadline`, a time of `time.monotonic`."""
    client = _client(endpoint_url, keys)
    try:
        while True:
            try:
                client.create_bucket(Bucket=bucket)
                return
            except ClientError as error:
                answer = error.response["Error"]
                if answer["Code"] in _EXISTS:
                    return
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status < 500 or time.monotonic() > deadline:
                    reason = answer.get("Message", answer["Code"]).rstrip(".")
                    raise ServerFailed(f"The server refused to create the bucket {bucket!r}: {reason}.") from error
            except BotoCoreError as error:
                if time.monotonic() > deadline:
                    raise ServerFailed(f"The server does not respond: {error}.") from error
            time.sleep(0.05)
    finally:
        client.close()


def _client(endpoint_url: str, keys: Keys) -> Any:
    # None of the user's settings applies to this client: no profile, which may not exist, and no proxy.
    nothing = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
        "ca_bundle": (None, None, None, None),
    }
    return botocore.session.Session(session_vars=nothing).create_client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        config=Config(
            connect_timeout=2,
            read_timeout=10,
            retries={"total_max_attempts": 1},
            proxies={},
            s3={"addressing_style": "path"},
        ),
    )
