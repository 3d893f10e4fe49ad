"""Presigned URLs, by boto3: a request whose signature is in its URL, for whoever has it.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from typing import Any, Optional

from metaflow_extensions.fasts3.boto.request_arguments import version_argument

LONGEST = 7 * 24 * 3600  # seconds; S3 refuses more
# The HTTP methods, and boto3's methods that send such a request.
METHODS = {"GET": "get_object", "HEAD": "head_object", "PUT": "put_object", "DELETE": "delete_object"}


def presigned(client: Any, method: str, bucket: str, key: str, version_id: Optional[str], expires_in: int) -> str:
    """Return the URL for one of `METHODS`, valid for so many seconds from now, at most `LONGEST`."""
    wanted = {"Bucket": bucket, "Key": key, **version_argument(version_id)}
    url: str = client.generate_presigned_url(METHODS[method], Params=wanted, ExpiresIn=expires_in)
    return url
