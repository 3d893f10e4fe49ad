"""Waits until a server responds to a signed request, and creates the bucket."""

import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from metaflow_extensions.fasts3.boto.recipe import ONE_TRY, ClientRecipe, GivenCredentials, build
from metaflow_extensions.fasts3.local_server.errors import ServerFailed
from metaflow_extensions.fasts3.local_server.storage import Keys
from metaflow_extensions.fasts3.wire.credentials import CredentialSet

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
                details = error.response["Error"]
                if details["Code"] in _EXISTS:
                    return
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status < 500 or time.monotonic() > deadline:
                    reason = details.get("Message", details["Code"]).rstrip(".")
                    raise ServerFailed(f"The server refused to create the bucket {bucket!r}: {reason}.") from error
            except BotoCoreError as error:
                if time.monotonic() > deadline:
                    raise ServerFailed(f"The server does not respond: {error}.") from error
            time.sleep(0.05)
    finally:
        client.close()


def _client(endpoint_url: str, keys: Keys) -> Any:
    # None of the user's settings applies to this client: no profile, which may not exist, and no proxy.
    options = {"connect_timeout": 2, "read_timeout": 10, "retries": ONE_TRY, "proxies": {}}
    options["s3"] = {"addressing_style": "path"}
    recipe = ClientRecipe("us-east-1", endpoint_url, use_ssl=False, verify=False, anonymous=False, config=options)
    credentials = CredentialSet(keys.access_key, keys.secret_key)
    return build(recipe, GivenCredentials(lambda: credentials), connections=1)
