"""The code of a worker process: reads frames, runs hundreds of jobs in one thread, writes frames.

The process ends at once when its pipe is closed or its parent has changed.
"""

import contextlib
import gc
import os
import sys
import time
import traceback
from collections import deque
from functools import partial
from typing import Any, NamedTuple, Optional, Union

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome, bytes_moved
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.fallback import WithFallback
from metaflow_extensions.fasts3.wire.template import NoTemplate, RequestTemplate, template_of
from metaflow_extensions.fasts3.wire.waiting import READ, WRITE
from metaflow_extensions.fasts3.wire.wire_transfers import WireTransfers
from metaflow_extensions.fasts3.workers import concurrency
from metaflow_extensions.fasts3.workers.frames import (
    VERSION,
    Frame,
    FrameError,
    FrameReader,
    Kind,
    encode,
    jobs_of,
    outcomes_frames,
)
from metaflow_extensions.fasts3.workers.loop import Loop
from metaflow_extensions.fasts3.workers.performer import Performer
from metaflow_extensions.fasts3.workers.retries import Terms

PARENT_CHECK_INTERVAL = 0.5  # seconds; a forked sibling may hold the pipe open, so its end is not enough
# Idle seconds after which a worker ends, because some programs wait for all child processes. The parent starts another
# in 40 ms.
IDLE_LIMIT = 10.0
READ_SIZE = 2**20  # bytes
SEND_TOGETHER = 64  # outcomes; each frame wakes the parent, which takes processor time from the transfers
SEND_AFTER = 0.02  # seconds
MOST_UNSENT = 32 * 2**20  # bytes of downloads into memory that a busy parent has not read; no job starts above it
MOST_TRACEBACK = 20_000  # characters
ROUNDS = 2  # times the width: jobs needed for a meaningful rate
LEAST_MEASURED = 0.02  # seconds
GARBAGE = (20_000, 20, 20)  # thresholds: jobs create few cycles, and the default ones cost a tenth of the time


class Setup(NamedTuple):
    """Contents of a SETUP frame: how to run the jobs that follow."""

    recipe: Any  # boto.recipe.ClientRecipe, for jobs that need boto3
    credentials: Any  # wire.credentials.CredentialSet, or None
    terms: Terms
    connections: int  # maximum number of parallel jobs
    path: list[str]  # the parent's import path


class Measured:
    """Measures the rate of finished jobs."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._jobs = 0
        self._bytes = 0

    def count(self, size: int, width: int) -> Optional[float]:
        """Count a job that moved this many bytes; return the rate and start again if enough jobs were counted."""
        self._jobs += 1
        self._bytes += size
        if self._jobs < ROUNDS * width:
            return None
        now = time.monotonic()
        if now - self._begun < LEAST_MEASURED:
            return None
        rate = concurrency.weight(self._jobs, self._bytes) / (now - self._begun)
        self._begun, self._jobs, self._bytes = now, 0, 0
        return rate


class Worker:
    """Receives frames and runs jobs.

    Parameters
    ----------
    loop : Loop
    outbox : Outbox
        Sends frames.
    """

    def __init__(self, loop: Loop, outbox: "Outbox") -> None:
        self._loop = loop
        self._outbox = outbox
        # Each job with its performer, because a new SETUP must not change jobs that still wait; and with the failure
        # that was retried before it had to wait again.
        self._jobs: deque[tuple[Performer, Job, Optional[Failure]]] = deque()
        self._outcomes: list[Outcome] = []  # not sent yet
        self._send_by = 0.0  # when they must be sent
        self._active = 0
        self._connections = 1
        self._width = concurrency.begin(self._connections)
        self._measured = Measured()
        self._templates: dict[tuple[str, str], Union[RequestTemplate, NoTemplate]] = {}
        self._credentials: Optional[CredentialSet] = None
        self._wire = WireTransfers(self._template, lambda: self._credentials)
        self._boto3_transfers: tuple[str, Any] = ("", None)  # recipe and transfers of boto3
        self._performer: Optional[Performer] = None

    @property
    def is_busy(self) -> bool:
        """Whether it has unfinished jobs, or outcomes that the parent has not read."""
        return bool(self._active or self._jobs or self._outcomes or self._outbox.size)

    @property
    def patience(self) -> float:
        """Maximum seconds until the next turn."""
        return SEND_AFTER if self._outcomes else PARENT_CHECK_INTERVAL

    def handle(self, frame: Frame) -> None:
        """Process one frame from the parent."""
        if frame.kind is Kind.SETUP:
            recipe, credentials, terms, connections, path = frame.document
            self._width = concurrency.begin(connections, self._width if self._performer else None)
            self._connections = connections
            self._measured = Measured()
            self._prepare(Setup(recipe, credentials, Terms(*terms), connections, path))
        elif frame.kind is Kind.CREDENTIALS:
            self._sign_as(frame.document)
        elif frame.kind is Kind.TEMPLATES:
            for operation, bucket, template in frame.document:
                made = NoTemplate(template) if isinstance(template, str) else template_of(template)
                self._templates[operation, bucket] = made
        elif frame.kind is Kind.JOBS:
            if self._performer is None:
                raise FrameError("a JOBS frame came before SETUP")
            performer = self._performer
            self._jobs.extend((performer, job, None) for job in jobs_of(frame))

    def advance(self) -> None:
        """Start jobs that there is room for, and send outcomes."""
        while self._jobs and self._active < self._width.width and self._outbox.size < MOST_UNSENT:
            performer, job, retried = self._jobs.popleft()
            self._active += 1
            end = partial(self._end, performer, job, retried, self._width.width)
            self._loop.spawn(performer.perform(job, self._note), end)
        if self._outcomes and self._must_send():
            outcomes, self._outcomes = self._outcomes, []
            for frame in outcomes_frames(outcomes):
                self._outbox.send(frame)

    def _must_send(self) -> bool:
        """Whether to send outcomes now: not while enough jobs are waiting here."""
        if len(self._jobs) < SEND_TOGETHER or len(self._outcomes) >= SEND_TOGETHER:
            return True
        return self._outcomes[-1].failure is not None or time.monotonic() >= self._send_by

    def _end(
        self,
        performer: Performer,
        job: Job,
        retried: Optional[Failure],
        width: int,
        outcome: Union[Outcome, Exception],
    ) -> None:
        """Handle the outcome of a job that was started at this width; an exception is a defect."""
        self._active -= 1
        if isinstance(outcome, Exception):  # the worker continues with other jobs
            text = "".join(traceback.format_exception(type(outcome), outcome, outcome.__traceback__))
            outcome = Outcome(job.number, None, Failure(Code.DEFECT, text[-MOST_TRACEBACK:]))
        outcome = outcome._replace(retried=outcome.retried or retried)
        if outcome.failure and outcome.failure.code is Code.NO_DESCRIPTORS and (self._wire.close() or width > 1):
            # Other jobs or idle connections used the descriptors: reduce the width and retry without reporting.
            self._width = concurrency.narrow(min(self._active, width - 1, self._width.width))
            self._jobs.appendleft((performer, job, outcome.retried))
            return
        self._note(outcome)
        if not self._jobs:
            self._measured = Measured()  # the rate was limited by a lack of jobs, not by the width
            if not self._active and self._width.most < self._connections:
                self._width = concurrency.begin(self._connections)  # the next call may have more descriptors
            return
        rate = self._measured.count(bytes_moved(job, outcome.result), self._width.width)
        if rate:
            self._width = concurrency.adapt(self._width, rate)

    def _note(self, outcome: Outcome) -> None:
        """Add an outcome to those to be sent."""
        if not self._outcomes:
            self._send_by = time.monotonic() + SEND_AFTER
        self._outcomes.append(outcome)

    def _prepare(self, setup: Setup) -> None:
        self._sign_as(setup.credentials)
        transfers = WithFallback(self._wire, lambda: self._boto3(setup))
        self._performer = Performer(transfers, setup.terms)

    def _sign_as(self, fields: Any) -> None:
        self._credentials = None if fields is None else CredentialSet(*fields)

    def _template(self, operation: str, bucket: str) -> RequestTemplate:
        made = self._templates[operation, bucket]
        if isinstance(made, NoTemplate):
            raise made
        return made

    def _boto3(self, setup: Setup) -> Any:
        # Imported only when needed: it takes longer than thousands of small transfers. From the parent's current import
        # path, which may have changed.
        sys.path = list(setup.path)
        from metaflow_extensions.fasts3.boto.recipe import ClientRecipe, GivenCredentials, build
        from metaflow_extensions.fasts3.boto.transfers import Boto3Transfers

        name = repr((setup.recipe, setup.connections, setup.credentials is None))
        if self._boto3_transfers[0] != name:
            credentials = None if setup.credentials is None else GivenCredentials(lambda: self._credentials)
            try:
                client = build(ClientRecipe(*setup.recipe), credentials, setup.connections)
            except OSError:
                raise
            except Exception as error:  # botocore's message contains no secrets
                message = f"can't create the boto3 client: {type(error).__name__}: {error}"
                raise TransferError(Failure(Code.REJECTED, message)) from error
            self._boto3_transfers = (name, Boto3Transfers(client))
        return self._boto3_transfers[1]


class Outbox:
    """Bytes for the parent, which may be busy: nothing here waits for it.

    Attributes
    ----------
    size : int
        Bytes that the parent has not read yet.
    """

    def __init__(self, loop: Loop, descriptor: int) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._waiting: deque[memoryview] = deque()
        self.size = 0
        os.set_blocking(descriptor, False)

    def send(self, frame: Frame) -> None:
        """Send a frame now, or when the pipe has room."""
        idle = not self._waiting
        pieces = [memoryview(piece) for piece in encode(frame)]
        self._waiting.extend(pieces)
        self.size += sum(map(len, pieces))
        if idle:
            self._flush()

    def _flush(self) -> None:
        watched = False
        while self._waiting:
            view = self._waiting[0]
            try:
                written = os.write(self._descriptor, view)
            except BlockingIOError:
                watched = True
                break
            self.size -= written
            self._waiting[0] = view[written:]
            if written == len(view):
                self._waiting.popleft()
        self._loop.watch(self._descriptor, WRITE, self._flush if watched else None)


def serve(parent: int, incoming: int, outgoing: int) -> None:
    """Serve a parent process until it ends.

    Parameters
    ----------
    parent : int
        The parent's process id.
    incoming, outgoing : int
        Pipe descriptors: from the parent, and to it.
    """
    for descriptor in (incoming, outgoing):
        os.set_inheritable(descriptor, False)
    loop = Loop()
    outbox = Outbox(loop, outgoing)
    worker = Worker(loop, outbox)
    reader = FrameReader()
    busy_at = time.monotonic()  # when it was last busy
    gc.freeze()
    gc.set_threshold(*GARBAGE)

    def listen() -> None:
        nonlocal busy_at
        busy_at = time.monotonic()
        data = os.read(incoming, READ_SIZE)
        if not data:
            raise BrokenPipeError
        for frame in reader.feed(data):
            worker.handle(frame)

    try:
        loop.watch(incoming, READ, listen)
        outbox.send(Frame(Kind.HELLO, [VERSION, os.getpid()]))
        while os.getppid() == parent and (worker.is_busy or time.monotonic() - busy_at < IDLE_LIMIT):
            loop.turn(worker.patience)
            worker.advance()
            if worker.is_busy:
                busy_at = time.monotonic()
    except BrokenPipeError:
        pass
    except Exception:
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):
                traceback.print_exc()
                sys.stderr.flush()
        os._exit(1)
    # Without waiting for running jobs: the parent is gone.
    os._exit(0)
