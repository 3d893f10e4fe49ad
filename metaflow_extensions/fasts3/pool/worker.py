"""The inside of a worker process: frames in, threads that do the jobs, frames out.

It ends, at once and whatever its threads are doing, when its stdin ends or its parent is not its parent any more.
"""

import os
import select
import sys
import threading
import traceback
from collections import deque
from queue import SimpleQueue
from typing import Any, Callable, NamedTuple, Optional, Union

from metaflow_extensions.fasts3.pool.messages import (
    VERSION,
    Frame,
    FrameReader,
    Job,
    Kind,
    Outcome,
    encode,
    jobs_of,
    outcomes_frame,
)
from metaflow_extensions.fasts3.pool.perform import Performer, Terms
from metaflow_extensions.fasts3.wire.credentials import CredentialSet, CurrentSet
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.retry import RetryPolicy
from metaflow_extensions.fasts3.wire.template import NoTemplate, RequestTemplate, template_of
from metaflow_extensions.fasts3.wire.way_out import WithWayOut
from metaflow_extensions.fasts3.wire.wire_transfers import WireTransfers

LOOK_FOR_PARENT = 0.5  # seconds; a forked sibling may hold our stdin open, so its end is not the only sign
IDLE_LIMIT = 300.0  # seconds without a word after which a worker makes room; the parent starts another in time
READ_SIZE = 2**20  # bytes


class Setup(NamedTuple):
    """What a SETUP frame holds: how to do the jobs that follow."""

    recipe: Any  # reference.boto3_client.ClientRecipe, for what boto3 has to do
    credentials: Any  # wire.credentials.CredentialSet, or None
    terms: Terms
    threads: int  # jobs done side by side


class Outbox:
    """Outcomes on their way to the parent. Whoever adds one while nobody writes, writes all that are there."""

    def __init__(self, send: Callable[[Frame], None]) -> None:
        self._send = send
        self._waiting: deque[Outcome] = deque()
        self._writing = threading.Lock()

    def put(self, outcome: Outcome) -> None:
        self._waiting.append(outcome)
        while self._waiting and self._writing.acquire(blocking=False):
            try:
                batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
                if batch:
                    self._send(outcomes_frame(batch))
            finally:
                self._writing.release()


class Worker:
    """Takes frames, does jobs."""

    def __init__(self, send: Callable[[Frame], None]) -> None:
        self._send = send
        self._outbox = Outbox(send)
        self._jobs: SimpleQueue[tuple[Callable[[Job], Outcome], Job]] = SimpleQueue()
        self._threads = 0
        self._undone = 0  # jobs that were taken and not answered
        self._counting = threading.Lock()
        self._limit = 1
        self._templates: dict[tuple[str, str], Union[RequestTemplate, NoTemplate]] = {}
        self._credentials = CurrentSet(None)
        self._wire = WireTransfers(self._template, self._credentials)
        self._reference: tuple[str, Any, Any] = ("", None, None)  # of a recipe: the transfers, its credentials
        self._perform: Callable[[Job], Outcome] = _unprepared

    @property
    def is_busy(self) -> bool:
        """Whether it has jobs to answer."""
        return self._undone > 0

    def greet(self) -> None:
        """Say who is here."""
        self._send(Frame(Kind.HELLO, [VERSION, os.getpid()]))

    def handle(self, frame: Frame) -> None:
        """Act on one frame of the parent."""
        if frame.kind is Kind.SETUP:
            recipe, credentials, (policy, *terms), threads = frame.document
            self._limit = threads
            self._prepare(Setup(recipe, credentials, Terms(RetryPolicy(*policy), *terms), threads))
        elif frame.kind is Kind.CREDENTIALS:
            self._sign_as(frame.document)
        elif frame.kind is Kind.TEMPLATES:
            for operation, bucket, told in frame.document:
                made = NoTemplate(told) if isinstance(told, str) else template_of(told)
                self._templates[operation, bucket] = made
        elif frame.kind is Kind.JOBS:
            for job in jobs_of(frame):
                with self._counting:
                    self._undone += 1
                # With what does it, or a thread that waits here already would do it as the call before wanted it.
                self._jobs.put((self._perform, job))
                if self._threads < self._limit:
                    self._threads += 1
                    threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            perform, job = self._jobs.get()
            self._outbox.put(perform(job))
            with self._counting:
                self._undone -= 1

    def _prepare(self, setup: Setup) -> None:
        self._sign_as(setup.credentials)
        transfers = WithWayOut(self._wire, lambda: self._boto3(setup))
        self._perform = Performer(transfers, setup.terms).perform

    def _sign_as(self, fields: Any) -> None:
        current = None if fields is None else CredentialSet(*fields)
        self._credentials.replace(current)
        if current is not None and self._reference[2] is not None:
            self._reference[2].replace(current)

    def _template(self, operation: str, bucket: str) -> RequestTemplate:
        made = self._templates[operation, bucket]
        if isinstance(made, NoTemplate):
            raise made
        return made

    def _boto3(self, setup: Setup) -> Any:
        # Imported only where it has to be: that takes longer than thousands of small transfers.
        from metaflow_extensions.fasts3.reference.boto3_client import ClientRecipe, CurrentCredentials, build
        from metaflow_extensions.fasts3.reference.boto3_transfers import Boto3Transfers

        name = repr((setup.recipe, setup.threads, setup.credentials is None))
        if self._reference[0] != name:
            signing = self._credentials()
            credentials = signing and CurrentCredentials(signing)
            try:
                client = build(ClientRecipe(*setup.recipe), credentials, setup.threads)
            except Exception as error:  # the message of botocore holds no secret
                told = f"no client could be made: {type(error).__name__}: {error}"
                raise TransferError(Failure(Code.REJECTED, told)) from error
            self._reference = (name, Boto3Transfers(client), credentials)
        return self._reference[1]


def _unprepared(job: Job) -> Outcome:
    return Outcome(job.number, None, Failure(Code.REJECTED, "a job came before its setup"))


def serve(parent: int) -> None:
    """Serve a parent process over this process's stdin and stdout, until it is gone.

    Parameters
    ----------
    parent : int
        Its process id.
    """
    incoming, outgoing = _take_pipes()

    def send(frame: Frame) -> None:
        for piece in encode(frame):
            _write(outgoing, piece)

    worker = Worker(send)
    reader = FrameReader()
    try:
        worker.greet()
        while True:
            data = _read(incoming, parent, worker)
            if not data:
                break
            for frame in reader.feed(data):
                worker.handle(frame)
    except BrokenPipeError:
        pass
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    # Without waiting for the threads: nobody is there to hear what they would say.
    os._exit(0)


def _take_pipes() -> "tuple[int, int]":
    """Our pipes, moved out of the way of any code that prints to stdout or reads stdin."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, outgoing


def _read(incoming: int, parent: int, worker: Worker) -> Optional[bytes]:
    """What came, or nothing when it is time to go."""
    waited = 0.0
    while waited < IDLE_LIMIT or worker.is_busy:
        ready, _, _ = select.select([incoming], [], [], LOOK_FOR_PARENT)
        if os.getppid() != parent:
            return None
        if ready:
            return os.read(incoming, READ_SIZE)
        waited += LOOK_FOR_PARENT
    return None


def _write(outgoing: int, piece: Any) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(outgoing, view) :]
