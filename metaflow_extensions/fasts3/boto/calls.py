"""One call of a boto3 client: translates its exceptions into failures with the details of the response."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

from metaflow_extensions.fasts3.boto.errors import failure_of
from metaflow_extensions.fasts3.boto.events import Call, current
from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.failures import Code, TransferError


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


def unix_time(moment: Any) -> Optional[int]:
    """Unix timestamp of a time that boto3 has parsed, in seconds; None for None."""
    return None if moment is None else int(moment.timestamp())
