"""A call of boto3 on its way: its exceptions become failures, which name the response that they are about."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, TypeVar

from metaflow_extensions.fasts3.boto import redirects, responses
from metaflow_extensions.fasts3.boto.errors import failure_of
from metaflow_extensions.fasts3.boto.recipe import forget_signature, signed_as
from metaflow_extensions.fasts3.wire.explanations import UNEXPLAINED, explanation
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.s3_errors import named

T = TypeVar("T")


class Heard:
    """What was heard of S3 before something failed."""

    reply: Any = None

    def __init__(self, seen: responses.Seen) -> None:
        self.seen = seen

    def of(self, reply: Any) -> Any:
        """Remember a reply that is still to be looked at."""
        self.reply = reply
        return reply

    def check(self, check: "Callable[[dict[str, str]], object]") -> None:
        """Have the headers checked, if the reply has any: a stub's may have none."""
        headers = self.reply.get("ResponseMetadata", {}).get("HTTPHeaders")
        if headers is not None:
            check(headers)

    def naming(self, failure: Failure) -> Failure:
        """A failure with what names the response, where there is one."""
        if self.reply is None:
            return failure
        told = self.reply.get("ResponseMetadata", {})
        return named(failure, told.get("HTTPStatusCode", 0), told.get("HTTPHeaders", {}))


@contextmanager
def translated() -> Iterator[Heard]:
    """Make a call inside. What it raises is raised as a TransferError."""
    heard = Heard(responses.Seen())
    forget_signature()
    try:
        with redirects.followed_once(), responses.looked_at() as heard.seen:
            yield heard
    except TransferError as error:
        raise TransferError(heard.naming(error.failure)) from error
    except Exception as error:
        failure = heard.naming(failure_of(error))
        if failure.code is Code.EXPIRED:
            failure = failure._replace(signed_as=signed_as())
        raise TransferError(failure) from error


def explained(operation: str, ask: "Callable[[], T]", explain: "Callable[[], None]") -> T:
    """What a HEAD gives. Where it is refused without a reason, a GET tells it, from which boto3 learns the region."""
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
    if refusal.status == 403:  # no sign of another region: the answer stands, as it does on the wire
        raise TransferError(refusal)
    return ask()
