"""Whether anybody is there: an endpoint that has not answered this process yet is asked for its bucket's head first.

So a name that does not resolve, or a port where nobody listens, is an error within 10 seconds, with the reason. A
server that accepts connections gets 60 seconds: it may be starting, or loaded. One that has answered before is given
the time of an outage.
"""

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Callable, Optional
from urllib.parse import urlsplit

from metaflow_extensions.fasts3.pool.messages import Outcome
from metaflow_extensions.fasts3.pool.threads import begin, within
from metaflow_extensions.fasts3.wire.failures import Code, Failure

LISTENING_LIMIT = 8.0  # seconds without an answer after which it is looked whether anybody listens
CONNECT_LIMIT = 1.5  # seconds for that look, resolving the name included
ANSWER_LIMIT = 60.0  # seconds for a server that listens to answer
LOOK = 0.5  # seconds between two looks whether the call is to end

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


def meet(
    endpoint_url: str,
    bucket: str,
    ask: Callable[[], Outcome],
    server_url: Optional[str] = None,
    check: Callable[[], None] = lambda: None,
) -> Optional[Failure]:
    """Ask an endpoint for a bucket, for the first time.

    Parameters
    ----------
    endpoint_url, bucket : str
    ask : callable
        Makes the first request, of whatever kind; it may block. Now it is the job `head_bucket`.
    server_url : str, optional
        Whom connections are made to, where that is not the endpoint: a proxy.
    check : callable, optional
        Raises where the call is to end.

    Returns
    -------
    Failure or None
        Why nobody answers; None where somebody does, whatever the answer. That is remembered.
    """
    outcomes: list[Outcome] = []
    problems: list[BaseException] = []

    def do() -> None:
        try:
            outcomes.append(ask())
        except BaseException as error:  # whoever waits for the outcome raises it
            problems.append(error)

    thread = begin(do, "fasts3-presence")
    if thread:
        began = time.monotonic()
        listens = _ends(thread, LISTENING_LIMIT, check) or accepts(server_url or endpoint_url)
        if listens and not _ends(thread, ANSWER_LIMIT - LISTENING_LIMIT, check):
            told = f"it accepts connections, and has not answered in {ANSWER_LIMIT:.0f} seconds"
            return Failure(Code.UNREACHABLE, told, seconds=ANSWER_LIMIT)
        if not outcomes and not problems:
            told = f"no connection in {LISTENING_LIMIT + CONNECT_LIMIT:.0f} seconds"
            return Failure(Code.UNREACHABLE, told, seconds=round(time.monotonic() - began, 3))
    if problems:
        raise problems[0]
    failure = outcomes[0].failure
    if failure is None:
        note_bucket(endpoint_url, bucket)
    elif failure.code is Code.UNREACHABLE:
        return failure
    if failure is None or failure.status:
        note_answer(endpoint_url)
    return None


def accepts(url: str) -> bool:
    """Whether the server of a URL accepts connections now; resolving its name has to be fast, too."""
    parts = urlsplit(url)
    accepted = []

    def connect() -> None:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with suppress(OSError), socket.create_connection((parts.hostname or "", port), CONNECT_LIMIT):
            accepted.append(True)

    within(CONNECT_LIMIT, connect, "fasts3-listens")
    return bool(accepted)


def _ends(thread: threading.Thread, seconds: float, check: Callable[[], None]) -> bool:
    """Wait so long for a thread. Whether it has ended."""
    until = time.monotonic() + seconds
    while thread.is_alive() and time.monotonic() < until:
        thread.join(max(0.0, min(LOOK, until - time.monotonic())))
        check()
    return not thread.is_alive()
