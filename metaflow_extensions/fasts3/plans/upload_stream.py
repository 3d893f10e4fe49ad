"""The plan of a multipart upload whose parts are given while it runs: a file that is written, a stream of bytes."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Callable, Optional

from metaflow_extensions.fasts3.plans.jobs import Buffer, Job, Outcome
from metaflow_extensions.fasts3.plans.multipart_uploads import Multipart
from metaflow_extensions.fasts3.plans.pieces import MAX_PARTS
from metaflow_extensions.fasts3.plans.plan import JobFailed, Unwanted
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.plans.uploads import RESTARTS, Uploads
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo

SAME_SIZE = 4000  # parts of the same size; some servers (Cloudflare R2) require that of all parts
DOUBLED_EVERY = 1000  # parts after these, so that 10,000 parts hold 30,000 times the bytes of the first


def size_of_part(number: int, step: int) -> int:
    """Return the bytes of a part of an object whose size is unknown; raise OverflowError after the last number."""
    if number > MAX_PARTS:
        raise OverflowError(number)
    return int(step * 2 ** max(0, -(-(number - SAME_SIZE) // DOUBLED_EVERY)))


class UploadStream(Uploads):
    """`Plan` of one multipart upload.

    Two threads use it: a writer calls `give` and `end`, a runner the methods of a plan. The size of the upload is not
    used. It should have a mark: a HEAD then tells whether it was stored when the response to its last request was lost,
    because its bytes are gone and it can't begin again. At most `most` bytes of parts are not stored yet, unless there
    is only one part.
    """

    announces = True

    def __init__(self, upload: Upload, most: int) -> None:
        super().__init__([upload])
        self._most = most
        self._restarts[0] = RESTARTS
        self._lost: Optional[JobFailed] = None  # a CompleteMultipartUpload that may have succeeded
        self._changed = threading.Condition()  # guards what follows
        self._given: deque[Buffer] = deque()
        self._bytes = 0  # of parts that are not stored yet
        self._all_given = False
        self.was_stopped = False
        self._has_ended = False
        self._problem: Optional[BaseException] = None
        self._more: Callable[[], None] = lambda: None

    # The writer's side.

    def give(self, part: Buffer, seconds: float) -> bool:
        """Give the next part; return False if there was no room within so many seconds.

        After the end of the plan, which found that the object exists, parts are dropped. Raises the failure that ended
        it.
        """
        with self._changed:
            if not self._room_for(part) and not self._has_ended:
                self._changed.wait(seconds)
            if self._problem is not None:
                raise self._problem
            if self._has_ended:
                return True
            if not self._room_for(part):
                return False
            self._given.append(part)
            self._bytes += len(part)
        self._more()
        return True

    def _room_for(self, part: Buffer) -> bool:
        return not self._bytes or self._bytes + len(part) <= self._most

    def end(self) -> None:
        """Declare that no more parts follow."""
        self._all_given = True
        self._more()

    def stop(self) -> None:
        """End the plan as soon as running parts allow it; it fails with `Unwanted`, so the upload is aborted.

        An interruption is faster, but does not wait for the id of an upload that is just being created.
        """
        self.was_stopped = True
        self._more()

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the plan, for at most so many seconds; return whether it has ended. Raise its failure."""
        with self._changed:
            if not self._has_ended:
                self._changed.wait(seconds)
            if self._problem is not None:
                raise self._problem
            return self._has_ended

    def ended(self, error: Optional[BaseException]) -> None:
        """Note that no runner runs any more, and why."""
        with self._changed:
            self._has_ended = True
            self._problem = error
            self._given.clear()
            self._changed.notify_all()

    # The runner's side.

    def announce_to(self, more: Callable[[], None]) -> None:
        self._more = more

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if job.body is not None:
            with self._changed:
                self._bytes -= len(job.body)
                self._changed.notify_all()
        return super().receive(job, outcome)

    def _begin(self, index: int) -> Job:
        return self._create(index)

    def _created(self, index: int, job: Job, upload_id: str) -> Iterable[Job]:
        # One is missing until the last part is known.
        open_ = self._open[index] = Multipart(upload_id, [], 1)
        return self._parts_given(index, open_)  # type: ignore[return-value]  # None: not yet

    def _parts_given(self, index: int, open_: Multipart) -> Iterator[Optional[Job]]:
        while self._open.get(index) is open_:
            if self.was_stopped:
                raise Unwanted
            last = self._all_given  # read before the parts: the writer gives them, then ends
            if self._given:
                part = self._given.popleft()
                open_.parts.append(None)
                open_.missing += 1
                yield self._job(index, "upload_part", part, upload_id=open_.upload_id, number=len(open_.parts))
            elif last:
                open_.missing -= 1
                if not open_.missing:
                    yield self._combine(index, open_)
                return
            else:
                yield None

    def _failed(self, index: int, job: Job, outcome: Outcome) -> Iterable[Job]:
        failure: Optional[Failure] = outcome.failure
        gone = failure is not None and failure.code is Code.NO_UPLOAD and job.operation == "complete_upload"
        if failure and gone and outcome.retried and self._lost is None:
            self._lost = JobFailed(job, failure)
            return [self._head(index)]
        return super()._failed(index, job, outcome)

    def _exists(self, index: int, job: Job, info: ObjectInfo) -> Iterable[Job]:
        follow = super()._exists(index, job, info)
        if self._lost and self._uploads[index].condition is None and not self.stored[index]:
            raise self._lost
        return follow
