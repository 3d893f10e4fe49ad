"""Whether anybody is there: an address that has not answered this process yet is asked for a TCP connection first.

So a name that does not resolve, or a port where nobody listens, is an error within seconds, with the reason, while an
endpoint that has answered before is given the time of an outage.
"""

import os
import socket
import threading
from typing import Optional
from urllib.parse import urlsplit

from metaflow_extensions.fasts3.wire.local_files import NO_DESCRIPTORS

TIME_LIMIT = 8.0  # seconds, resolving the name included
CONNECT_TIMEOUT = 4.0  # seconds for one address
PORTS = {"https": 443, "http": 80}

_answered: set[tuple[int, str]] = set()  # (process id, endpoint URL): a forked child finds out for itself


_buckets: set[tuple[int, str, str]] = set()  # likewise, with the name of a bucket that is there


def knows_bucket(endpoint_url: str, bucket: str) -> bool:
    """Whether this process has seen that a bucket exists."""
    return (os.getpid(), endpoint_url, bucket) in _buckets


def note_bucket(endpoint_url: str, bucket: str) -> None:
    """Remember that a bucket exists."""
    _buckets.add((os.getpid(), endpoint_url, bucket))


def has_answered(endpoint_url: str) -> bool:
    """Whether S3 has answered this process at this endpoint."""
    return (os.getpid(), endpoint_url) in _answered


def note_answer(endpoint_url: str) -> None:
    """Remember that S3 has answered at this endpoint."""
    _answered.add((os.getpid(), endpoint_url))


def why_absent(endpoint_url: str, bucket: str) -> Optional[str]:
    """Ask whether anybody listens at an endpoint.

    Parameters
    ----------
    endpoint_url : str
        Scheme, host and, where it is not the scheme's own, port.
    bucket : str
        Asked at `bucket.host` too, for an AWS endpoint that can be reached in this way only.

    Returns
    -------
    str or None
        What is wrong, as a part of a sentence; None where somebody listens, or nobody could be asked.
    """
    parts = urlsplit(endpoint_url)
    host = parts.hostname or ""
    port = parts.port or PORTS.get(parts.scheme, 443)
    hosts = [host, f"{bucket}.{host}"] if host.endswith((".amazonaws.com", ".amazonaws.com.cn")) else [host]
    reasons: list[Optional[str]] = []
    # A thread, because nothing can stop a resolver that hangs; it ends by itself, and keeps nobody from leaving.
    asking = threading.Thread(target=lambda: reasons.append(_ask(hosts, port)), name="fasts3-presence", daemon=True)
    try:
        asking.start()
    except RuntimeError:  # there are no more threads to be had
        return _ask(hosts, port)
    asking.join(TIME_LIMIT)
    return reasons[0] if reasons else f"{host} port {port} did not answer in {TIME_LIMIT:.0f} seconds"


def _ask(hosts: list[str], port: int) -> Optional[str]:
    reason = None
    for host in hosts:
        try:
            socket.create_connection((host, port), CONNECT_TIMEOUT).close()
            return None
        except socket.gaierror as error:
            reason = reason or f"the name {host} does not resolve ({error.strerror})"
        except (OSError, UnicodeError) as error:
            if getattr(error, "errno", None) in NO_DESCRIPTORS:
                return None  # says nothing of the endpoint; the request itself will tell
            reason = reason or f"nobody answers at {host} port {port} ({error})"
    return reason
