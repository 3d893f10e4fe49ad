"""Jobs, of which plans consist, and their outcomes."""

from typing import Any, NamedTuple, Optional, Union

from metaflow_extensions.fasts3.wire.failures import Failure
from metaflow_extensions.fasts3.wire.transfers import GetResponse

Buffer = Union[bytes, bytearray, memoryview]


class Job(NamedTuple):
    """One request to S3: a call of a `Transfers` method."""

    number: int  # assigned by the plan; the outcome has the same number
    operation: str  # name of the method
    bucket: str
    key: str = ""
    arguments: dict[str, Any] = {}  # noqa: RUF012  # keyword arguments except the body; never changed
    body: Optional[Buffer] = None  # bytes to upload

    @property
    def body_cost(self) -> int:
        """Bytes of memory that its body occupies while a worker has it: in the worker, and here unless it is a view."""
        if self.body is None:
            return 0
        return len(self.body) if isinstance(self.body, memoryview) else 2 * len(self.body)

    @property
    def url(self) -> str:
        """The object's URL, for messages."""
        return f"s3://{self.bucket}/{self.key}"


def of_version(version_id: Optional[str]) -> dict[str, Any]:
    """Return the arguments of a job for one version of an object; none for the current one."""
    return {} if version_id is None else {"version_id": version_id}


def bytes_moved(job: Job, result: Any) -> int:
    """Return the bytes of an object that a job transferred."""
    if isinstance(result, GetResponse):
        return result.received
    return len(job.body) if job.body is not None else int(job.arguments.get("length", 0))


class Outcome(NamedTuple):
    """The result or the failure of a job."""

    number: int
    result: Any = None  # the method's result
    failure: Optional[Failure] = None
    responded: bool = False  # S3 has responded to the worker, now or before
    retried: Optional[Failure] = None  # the last failure that was retried
    begun: bool = False  # the job continues and will have another outcome; `result` states the bytes of its response
