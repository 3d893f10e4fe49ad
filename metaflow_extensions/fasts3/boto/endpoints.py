"""Remembers which endpoints have responded to this process, and which buckets exist.

The URL of an endpoint that has never responded may be wrong, so its requests fail within seconds
(`workers/retries.py`). Requests to one that has responded are retried for as long as an outage may take.
"""

import ipaddress
import os
from urllib.parse import urlsplit

_responded: set[tuple[int, str]] = set()  # (process id, endpoint URL): a forked child starts without any
_buckets: set[tuple[int, str, str]] = set()  # likewise, with the name of a bucket that exists


def knows_bucket(endpoint_url: str, bucket: str) -> bool:
    """Whether this process knows that a bucket exists."""
    return (os.getpid(), endpoint_url, bucket) in _buckets


def note_bucket(endpoint_url: str, bucket: str) -> None:
    """Remember that a bucket exists."""
    _buckets.add((os.getpid(), endpoint_url, bucket))


def has_responded(endpoint_url: str) -> bool:
    """Whether S3 has responded to this process at this endpoint."""
    return (os.getpid(), endpoint_url) in _responded


def note_response(endpoint_url: str) -> None:
    """Remember that S3 has responded at this endpoint."""
    _responded.add((os.getpid(), endpoint_url))


def is_loopback(url: str) -> bool:
    """Whether the host of a URL is this machine's loopback interface."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_aws(url: str) -> bool:
    """Whether a server is AWS's own."""
    try:
        return (urlsplit(url).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))
    except ValueError:
        return False
