"""The plans of an open file that is read: its first request, and ranges as the reader comes to need them."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Callable, Optional

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome, of_version
from metaflow_extensions.fasts3.plans.pieces import Piece
from metaflow_extensions.fasts3.plans.plan import JobFailed, Plan
from metaflow_extensions.fasts3.plans.read_window import ReadWindow
from metaflow_extensions.fasts3.wire.conditions import same_etag, stale, strong
from metaflow_extensions.fasts3.wire.failures import Code
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo

IDLE_CHECKS = 40  # of a runner, 0.05 s each, without a request; then the plan ends, and its threads with it
OPEN_AGAIN = "An open file reads one version of the object. Open it again to read the current one."
OMIT_IF_MATCH = "Omit if_match to read the current version."
CHANGED = "the object has been changed"


class FirstRead(Plan):
    """`Plan` of the first request for an object, before anything is known about it.

    Parameters
    ----------
    bucket, key : str
    piece : Piece
        The bytes to request.
    version_id : str, optional
        None: the current version.
    if_match : str, optional
        The ETag that the object must have.

    Attributes
    ----------
    response : GetResponse
        It has no body if the object is empty.
    """

    response: GetResponse

    def __init__(
        self, bucket: str, key: str, piece: Piece, version_id: Optional[str] = None, if_match: Optional[str] = None
    ) -> None:
        self._place = (bucket, key)
        self._piece = piece
        self._version = of_version(version_id)
        self._if_match = if_match
        self._beyond: Optional[JobFailed] = None

    def start(self) -> Iterator[Job]:
        arguments = {"byte_range": self._piece.byte_range, "if_match": self._if_match, **self._version}
        return iter([Job(0, "get", *self._place, arguments)])

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        failure, response = outcome.failure, outcome.result
        if failure and failure.code is Code.INVALID_RANGE and self._beyond is None:
            self._beyond = JobFailed(job, failure)
            return [Job(1, "head", *self._place, self._version)]  # an empty object has no first byte
        if failure and failure.code is Code.PRECONDITION:
            message = f"the ETag of the object is not {self._if_match}"
            failure = failure._replace(code=Code.STALE, message=message, remedy=OMIT_IF_MATCH)
        if failure:
            raise JobFailed(job, failure)
        if self._beyond:
            if response.size:
                raise self._beyond
            response = GetResponse(response, 0, 0, 0)
        etag = response.info.etag
        if self._if_match and not same_etag(etag, self._if_match):  # some servers ignore If-Match
            raise JobFailed(job, stale(CHANGED, etag, self._if_match)._replace(remedy=OMIT_IF_MATCH))
        self.response = response
        return ()


class FileReads(Plan):
    """`Plan` for the ranges that one reader needs. It ends when the reader is idle, or with the first failure.

    Two threads use it: the reader calls `begin` and `take`, a runner the methods of a plan.

    Parameters
    ----------
    bucket, key : str
    first : GetResponse
        The response to the first request, which says what the object is, and may hold its first bytes.
    look_ahead, step : int
        See `ReadWindow`.
    version_id : str, optional
        None: the current version.
    """

    announces = True

    def __init__(
        self, bucket: str, key: str, first: GetResponse, look_ahead: int, step: int, version_id: Optional[str] = None
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._version = of_version(version_id)
        self._info: ObjectInfo = first.info
        self._window = ReadWindow(first.info.size or 0, look_ahead, step)
        if first.body:
            self._window.add(Piece(first.first, first.received), first.body)
        self._changed = threading.Condition()  # guards everything below, and the window
        self._awaited = -1  # offset of the byte for which the reader waits
        self._waiting: deque[Piece] = deque()
        self._under_way: dict[int, Piece] = {}  # by job number
        self._number = 0
        self._stopped = False
        self._problem: Optional[BaseException] = None
        self._more: Callable[[], None] = lambda: None

    # The reader's side.

    def begin(self, position: int, end: int) -> None:
        """Begin a read of the bytes from `position` up to `end`, exclusive."""
        with self._changed:
            self._window.begin(position, end)
            for piece in [piece for piece in self._waiting if not self._window.needs(piece)]:
                self._waiting.remove(piece)
                self._window.forget(piece)

    def take(self, position: int, end: int) -> Optional[memoryview]:
        """Return bytes from `position` on, at most up to `end`; None if the first one is not here.

        Requests them, and more if the window says so. The view is valid until the next call.
        """
        with self._changed:
            wanted = self._window.request(position)
            self._waiting.extend(wanted)
            held = self._window.at(position)
            view = held.view(position, end) if held is not None and held.is_here else None
        if wanted:
            self._more()
        return view

    def wait(self, position: int, seconds: float) -> None:
        """Wait for the byte at a position, for at most so many seconds.

        Raises
        ------
        BaseException
            The failure that ended the plan, and with it the request for this byte; once.
        """
        with self._changed:
            held = self._window.at(position)
            if held is not None and not held.is_here:
                if held.piece in self._waiting or held.piece in self._under_way.values():
                    self._problem = None  # that of earlier requests, perhaps long ago
                    self._awaited = position
                    self._changed.wait(seconds)
                elif self._problem is None:
                    self._window.forget(held.piece)  # Ctrl-C interrupted its request
            if self._problem is not None:
                problem, self._problem = self._problem, None
                raise problem

    @property
    def needs_runner(self) -> bool:
        """Whether requests wait for a runner."""
        return bool(self._waiting)

    def stop(self) -> None:
        """End the plan soon."""
        with self._changed:
            self._stopped = True
        self._more()

    def ended(self, error: Optional[BaseException]) -> None:
        """Note that no runner runs any more, and why."""
        with self._changed:
            self._problem = error
            for piece in (*self._waiting, *self._under_way.values()):
                self._window.forget(piece)
            self._waiting.clear()
            self._under_way.clear()
            self._changed.notify_all()

    # The runner's side.

    def announce_to(self, more: Callable[[], None]) -> None:
        self._more = more

    def start(self) -> Iterator[Optional[Job]]:
        idle = 0
        while True:
            with self._changed:
                job = None
                if self._waiting:
                    job = self._job(self._waiting.popleft())
                elif self._stopped or (idle > IDLE_CHECKS and not self._under_way):
                    return
            idle = 0 if job or self._under_way else idle + 1
            yield job

    def _job(self, piece: Piece) -> Job:
        self._number += 1
        self._under_way[self._number] = piece
        arguments = {"byte_range": piece.byte_range, "if_match": strong(self._info.etag), **self._version}
        arguments["into"] = self._window.memory_of(piece)
        return Job(self._number, "get", self._bucket, self._key, arguments)

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        failure = outcome.failure
        if failure and failure.code in (Code.PRECONDITION, Code.INVALID_RANGE):
            failure = failure._replace(code=Code.STALE, message=CHANGED, remedy=OPEN_AGAIN)
        elif not failure and not outcome.result.info.is_version_of(self._info):  # some servers ignore If-Match
            etag = outcome.result.info.etag
            failure = stale(CHANGED, etag, self._info.etag)._replace(remedy=OPEN_AGAIN)
        if failure:
            raise JobFailed(job, failure)
        with self._changed:
            piece = self._under_way.pop(job.number)
            self._window.arrived(piece)
            if 0 <= self._awaited - piece.first < piece.length:
                self._changed.notify_all()
        return ()
