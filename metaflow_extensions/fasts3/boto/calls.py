"""One call of a boto3 client: its exceptions become failures, which name the response that they are about."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, Optional, TypeVar

from metaflow_extensions.fasts3.boto import events
from metaflow_extensions.fasts3.boto.errors import failure_of
from metaflow_extensions.fasts3.wire.bandwidth import Allowance
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.s3_errors import UNEXPLAINED, explanation, named

T = TypeVar("T")


class Call(events.State):
    """A call under way."""

    reply: Any = None  # set by the caller as soon as it is there, and named by failures from then on

    def check(self, check: "Callable[[dict[str, str]], object]") -> None:
        """Have the reply's headers checked, if it has any: that of a stand-in for a client may have none."""
        headers = self.reply.get("ResponseMetadata", {}).get("HTTPHeaders")
        if headers is not None:
            check(headers)

    def naming_reply(self, failure: Failure) -> Failure:
        """A failure with the status and request id of the reply, where there is one."""
        if self.reply is None:
            return failure
        metadata = self.reply.get("ResponseMetadata", {})
        return named(failure, metadata.get("HTTPStatusCode", 0), metadata.get("HTTPHeaders", {}))


@contextmanager
def translated(allowance: Optional[Allowance] = None) -> Iterator[Call]:
    """Make a call inside. What it raises is raised as a TransferError.

    Parameters
    ----------
    allowance : Allowance, optional
        What the bytes of its body wait for.
    """
    call = events.current.state = Call(allowance)
    try:
        yield call
    except TransferError as error:
        raise TransferError(call.naming_reply(error.failure)) from error
    except Exception as error:
        failure = call.naming_reply(failure_of(error))
        if failure.code is Code.EXPIRED:
            failure = failure._replace(signed_as=call.signed_as)
        raise TransferError(failure) from error
    finally:
        events.current.state = None


def explained(operation: str, ask: "Callable[[], T]", explain: "Callable[[], None]") -> T:
    """Make a HEAD. Where it is refused, make a GET: its error has the reason, and boto3 learns the region from it."""
    try:
        return ask()
    except TransferError as error:
        if error.failure.status not in UNEXPLAINED[operation]:
            raise
        refusal = error.failure
    try:
        explain()
    except TransferError as error:
        raise TransferError(explanation(refusal, error.failure)) from error
    if refusal.status == 403:  # no sign of another region: the refusal stands, as it does on the wire
        raise TransferError(refusal)
    return ask()
