"""One call of a boto3 client: its data, and its exceptions as failures with the details of the response."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.boto.errors import failure_of
from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.s3_errors import named


class Call:
    """A call of a boto3 client, with the data that the caller and the event handlers exchange."""

    def __init__(self, allowance: Optional[Allowance] = None) -> None:
        self.allowance = allowance  # limits the rate of the body
        self.stored_headers: dict[str, str] = {}  # headers of an upload or a copy, besides boto3's arguments
        self.md5 = False  # whether DeleteObjects has Content-MD5 instead of another checksum
        self.head_buckets = 0  # number of nested HeadBucket calls
        self.signed_as = 0  # the generation of the credentials of the request
        self.document = b""  # body of the last response
        self.response: Any = None  # set by the caller; later failures have its status and request id

    def check(self, check: "Callable[[dict[str, str]], object]") -> None:
        """Check the response's headers, if any; a stub of a client may have none."""
        headers = self.response.get("ResponseMetadata", {}).get("HTTPHeaders")
        if headers is not None:
            check(headers)

    def naming_response(self, failure: Failure) -> Failure:
        """A failure with the status and request id of the response, if any."""
        if self.response is None:
            return failure
        metadata = self.response.get("ResponseMetadata", {})
        return named(failure, metadata.get("HTTPStatusCode", 0), metadata.get("HTTPHeaders", {}))


class _Current(threading.local):
    call: Optional[Call] = None


current = _Current()


def note_signature(generation: int) -> None:
    """Record the generation of the credentials with which this thread signs a request."""
    if current.call:
        current.call.signed_as = generation


@contextmanager
def translated(allowance: Optional[Allowance] = None) -> Iterator[Call]:
    """Translate exceptions of the call in the block into TransferError; the allowance limits the rate of its body."""
    call = current.call = Call(allowance)
    try:
        yield call
    except TransferError as error:
        raise TransferError(call.naming_response(error.failure)) from error
    except Exception as error:
        failure = call.naming_response(failure_of(error))
        if failure.code is Code.EXPIRED:
            failure = failure._replace(signed_as=call.signed_as)
        raise TransferError(failure) from error
    finally:
        current.call = None


def headers_in(response: Any) -> dict[str, str]:
    """The headers of a response; {} if it is that of a stub."""
    headers: dict[str, str] = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers


def unix_time(moment: Any) -> Optional[int]:
    """Unix timestamp of a time that boto3 has parsed, in seconds; None for None."""
    return None if moment is None else int(moment.timestamp())
