"""A worker as its parent sees it: a process, two pipes and the jobs that it has."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from metaflow_extensions.fasts3.pool.messages import (
    VERSION,
    Buffer,
    Frame,
    FrameError,
    FrameReader,
    Job,
    Kind,
    Outcome,
    encode,
    jobs_frames,
    outcomes_of,
)
from metaflow_extensions.fasts3.wire.blocking import Interrupted, Interruption, wait_to_write

SCRIPT = Path(__file__).with_name("s3op.py")
READ_SIZE = 2**20  # bytes
INTERRUPTED = "interrupted"
KILLED = (-signal.SIGKILL, -signal.SIGTERM)  # as exit statuses
# Names of environment variables, AWS's and those of programs that have nothing to do with this one.
SECRETIVE = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|(ACCESS|AUTH|API|PRIVATE)_?KEY", re.IGNORECASE)


class WorkerGone(Exception):
    """The worker died, or said what makes no sense.

    Attributes
    ----------
    killed : bool
        From outside, by the machine that is short of memory for one: it says little of the worker itself.
    """

    def __init__(self, message: str, killed: bool = False) -> None:
        super().__init__(message)
        self.killed = killed


class WorkerProcess:
    """One `s3op.py` subprocess.

    Raises
    ------
    OSError
        The system gives no more processes, memory, or descriptors for the pipes.

    Attributes
    ----------
    jobs : dict of int to Job
        What it was given and has not answered, by number.
    waiting : int
        Bytes of memory that the bodies among them take, see `Job.body_cost`.
    greeted : bool
        Whether it has said hello: before, its death is a failure to start.
    alone : bool
        It gets no other job until it has none, because one is waiting, or at work, that several workers died over.
    interruption : Interruption or None
        Ends its user's waits for it.
    """

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.waiting = 0
        self.greeted = False
        self.alone = False
        self.interruption: Optional[Interruption] = None
        self._setup: Any = None
        self._templates: dict[tuple[str, str], Any] = {}  # as the worker has them, by operation and bucket
        self._reader = FrameReader()
        with contextlib.ExitStack() as pipes:  # Popen's own would stay open, before Python 3.12, where only one is made
            hears, self._to = _pipe(pipes)
            self._from, says = _pipe(pipes)
            # -W ignore: a deprecation that botocore announces would be shown once for each worker.
            # A session of its own: Ctrl-C in a terminal is for the parent, which decides what becomes of the work.
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", str(SCRIPT), str(os.getpid())],
                stdin=hears,
                stdout=says,
                start_new_session=True,
                env=environment(os.environ),
            )
            pipes.pop_all()
        os.close(hears)
        os.close(says)
        os.set_blocking(self._to, False)
        self._pipes = [self._to, self._from]
        self._end = weakref.finalize(self, _abandon, self._process, self._pipes, os.getpid())
        self._end.atexit = False  # it goes with its parent, and a daemon thread may be at work with it still

    def __repr__(self) -> str:
        return f"<WorkerProcess {self.pid}, {len(self.jobs)} jobs>"

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        """The pipe it answers on, for a selector."""
        return self._from

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def prepare(self, setup: Any) -> None:
        """Tell it how to do the jobs that follow, unless it was told just that before."""
        if setup != self._setup:
            self._send(Frame(Kind.SETUP, setup))
            self._setup = setup

    def teach(self, templates: "Mapping[tuple[str, str], Any]") -> None:
        """Tell it how requests are made, where it does not know."""
        news = [(*name, template) for name, template in templates.items() if self._templates.get(name) != template]
        if news:
            self._send(Frame(Kind.TEMPLATES, news))
            self._templates.update({(operation, bucket): template for operation, bucket, template in news})

    def give_credentials(self, credentials: Sequence[Optional[str]]) -> None:
        """Have it sign with another set from now on."""
        self._send(Frame(Kind.CREDENTIALS, credentials))
        if self._setup is not None:
            self._setup = [self._setup[0], credentials, *self._setup[2:]]

    def give(self, jobs: Sequence[Job]) -> None:
        """Hand it jobs."""
        for job in jobs:
            self.jobs[job.number] = job
            self.waiting += job.body_cost
        for frame in jobs_frames(jobs):
            self._send(frame)

    def outcomes(self) -> Iterator["tuple[Job, Outcome]"]:
        """What it answered, with the jobs that it was asked; waits until there is something.

        Raises
        ------
        WorkerGone
        """
        data = os.read(self._from, READ_SIZE)
        if not data:
            status = self._process.wait()
            raise WorkerGone(f"worker {self.pid} ended with status {status}", status in KILLED)
        try:
            for frame in self._reader.feed(data):
                if frame.kind is Kind.HELLO and frame.document[0] == VERSION:
                    self.greeted = True
                elif frame.kind is Kind.OUTCOMES:
                    for outcome in outcomes_of(frame, self.jobs):
                        job = self.jobs.pop(outcome.number)
                        self.waiting -= job.body_cost
                        yield job, outcome
                else:
                    raise FrameError(f"a frame of kind {frame.kind.name} is not for the parent")
        except (FrameError, LookupError, TypeError) as error:
            raise WorkerGone(f"worker {self.pid} answers nonsense: {error}") from error

    def kill(self) -> None:
        """End it now, whatever it does."""
        self._process.kill()
        self.close()

    def close(self) -> None:
        """End it; it goes as soon as it sees the end of its stdin."""
        _close(self._pipes)
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._end.detach()

    def forget(self) -> None:
        """In a forked child: let go of a process that is the parent's."""
        self._end.detach()
        _close(self._pipes)
        self._process.returncode = 0  # or its destructor would warn of a process that still runs

    def _send(self, frame: Frame) -> None:
        problem = _written(self._to, encode(frame), self.interruption)
        if problem == INTERRUPTED:
            raise Interrupted
        if problem:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1)
            raise WorkerGone(f"worker {self.pid} does not listen: {problem}", self._process.returncode in KILLED)


def environment(mine: Mapping[str, str]) -> dict[str, str]:
    """What a worker inherits: nothing of Metaflow's, which it does not know, and nothing that may be a secret.

    What it needs of these, the set to sign with, it is told over the pipe, where nobody else can read it.
    """
    return {
        name: value
        for name, value in mine.items()
        if not name.upper().startswith("METAFLOW_") and not SECRETIVE.search(name)
    }


def _close(pipes: list[int]) -> None:
    while pipes:  # once: the numbers are given out again
        os.close(pipes.pop())


def _abandon(process: "subprocess.Popen[bytes]", pipes: list[int], parent: int) -> None:
    """End a worker that nobody has any more."""
    if os.getpid() == parent:
        process.kill()
        _close(pipes)
        process.wait()


def _pipe(stack: contextlib.ExitStack) -> "tuple[int, int]":
    """Both ends of a pipe, closed with the stack."""
    ends = os.pipe()
    for end in ends:
        stack.callback(os.close, end)
    return ends


def _written(pipe: int, pieces: list[Buffer], interruption: Optional[Interruption]) -> Optional[str]:
    """Write; what went wrong, or None. Raises nothing: a traceback would keep the bytes, maybe credentials."""
    try:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                try:
                    view = view[os.write(pipe, view) :]
                except BlockingIOError:
                    if not wait_to_write(pipe, interruption):
                        return INTERRUPTED
    except OSError as error:
        return str(error)
    return None
