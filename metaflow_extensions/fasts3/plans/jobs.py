"""Jobs, of which plans are made, and their outcomes."""

from typing import Any, NamedTuple, Optional, Union

from metaflow_extensions.fasts3.wire.failures import Failure
from metaflow_extensions.fasts3.wire.transfers import GetReply

Buffer = Union[bytes, bytearray, memoryview]


class Job(NamedTuple):
    """One request to S3: a call of a `Transfers` method."""

    number: int  # the plan's name for it; comes back with the outcome
    operation: str  # the method's name
    bucket: str
    key: str = ""
    arguments: dict[str, Any] = {}  # noqa: RUF012  # its keyword arguments but the body; never changed
    body: Optional[Buffer] = None  # bytes to upload

    @property
    def body_cost(self) -> int:
        """Bytes of memory that its body takes while a worker has it: there, and here if it is no view of the user's."""
        if self.body is None:
            return 0
        return len(self.body) if isinstance(self.body, memoryview) else 2 * len(self.body)

    @property
    def url(self) -> str:
        """Where the job works, for messages."""
        return f"s3://{self.bucket}/{self.key}"


def bytes_moved(job: Job, reply: Any) -> int:
    """Bytes of an object that a job has moved, up or down."""
    if isinstance(reply, GetReply):
        return reply.received
    return len(job.body) if job.body is not None else int(job.arguments.get("length", 0))


class Outcome(NamedTuple):
    """What became of a job: a reply or a failure."""

    number: int
    reply: Any = None  # what the method returned
    failure: Optional[Failure] = None
    answered: bool = False  # S3 has answered the worker, now or before
    retried: Optional[Failure] = None  # the last failure that was tried again
    begun: bool = False  # it goes on, and has another outcome: `reply` tells what it will bring
