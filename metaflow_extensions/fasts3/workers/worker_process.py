"""A worker as its parent sees it: a process, two pipes and the jobs that it has."""

import contextlib
import errno
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

from metaflow_extensions.fasts3.plans.jobs import Buffer, Job, Outcome
from metaflow_extensions.fasts3.wire.blocking import Interrupted, Interruption, wait_to_write
from metaflow_extensions.fasts3.workers.frames import (
    VERSION,
    Frame,
    FrameError,
    FrameReader,
    Kind,
    encode,
    jobs_frames,
    outcomes_of,
)
from metaflow_extensions.fasts3.workers.inherited import inherited
from metaflow_extensions.fasts3.workers.interpreter import SCRIPT, command, environment, import_path, why_no_workers

INTERRUPTED = "interrupted"
READ_SIZE = 2**20  # bytes
LOOK = 1.0  # seconds of silence after which to look whether a worker can still answer
# Bytes of the pipe that answers come on, where Linux allows it: with the default 64 KiB, processes switch more often.
# The other pipe stays as it is: no difference was measured, and Linux allows a user 64 MiB for all pipes.
PIPE_SIZE = 2**20
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", 1031)  # Python 3.9 has no name for it
KILLED = (-signal.SIGKILL, -signal.SIGTERM)  # as exit statuses


class WorkerGone(Exception):
    """The worker died, was stopped, or said what makes no sense.

    Attributes
    ----------
    killed : bool
        Or stopped, from outside, by the machine that is short of memory for one: it says little of the worker itself.
    """

    def __init__(self, message: str, killed: bool = False) -> None:
        super().__init__(message)
        self.killed = killed


class WorkerProcess:
    """One `s3op.py` subprocess.

    Raises
    ------
    OSError
        The system gives no more processes, memory, or descriptors for the pipes; or see `interpreter.why_no_workers`.

    Attributes
    ----------
    jobs : dict of int to Job
        What it was given and has not answered, by number.
    begun : dict of int to Outcome
        What it has told of those that have begun, by number.
    waiting : int
        Bytes of memory that the bodies among them take, see `Job.body_cost`.
    greeted : bool
        Whether it has said hello: before, its death is a failure to start.
    alone : bool
        It gets no other job until it has none, because one is waiting, or at work, that several workers died over.
    interruption : Interruption or None
        Ends its user's waits for it.
    inherited : tuple
        What it got from its parent when it was started; see `inherited.inherited`.
    """

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.begun: dict[int, Outcome] = {}
        self.waiting = 0
        self.greeted = False
        self.alone = False
        self.interruption: Optional[Interruption] = None
        self.inherited = inherited()
        self._stopped_since: Optional[float] = None  # as far as it was looked at
        self._setup: Any = None
        self._templates: dict[tuple[str, str], Any] = {}  # as the worker has them, by operation and bucket
        self._reader = FrameReader()
        unable = why_no_workers()
        if unable:
            raise OSError(errno.ENOEXEC, unable)
        with contextlib.ExitStack() as pipes:
            hears, self._to = _pipe(pipes)
            self._from, says = _pipe(pipes)
            if sys.platform == "linux":
                with contextlib.suppress(OSError):  # over the system's limit, or the user's
                    fcntl.fcntl(self._from, _SET_PIPE_SIZE, PIPE_SIZE)
            # Descriptors of its own for frames: what runs when an interpreter starts may print, or read stdin.
            # A session of its own: Ctrl-C in a terminal is for the parent, which decides what becomes of the work.
            self._process = subprocess.Popen(
                command(SCRIPT, os.getpid(), hears, says),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None if _has_stderr() else subprocess.DEVNULL,
                pass_fds=(hears, says),
                start_new_session=True,
                env=environment(os.environ),
            )
            pipes.pop_all()
        os.close(hears)
        os.close(says)
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
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

    def is_ready(self) -> bool:
        """Whether it has started: it has said hello, or its end can be read."""
        if not self.greeted:
            poll = select.poll()
            poll.register(self._from, select.POLLIN)
            return bool(poll.poll(0))
        return True

    def prepare(self, setup: Any) -> None:
        """Tell it how to do the jobs that follow, unless it was told just that before."""
        setup = [*setup, import_path()]
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
        """What it has answered, with the jobs that it was asked.

        Raises
        ------
        WorkerGone
            There is nothing, and nothing will come.
        """
        trouble = self._trouble()  # before its last words are read
        try:
            data = os.read(self._from, READ_SIZE)
        except BlockingIOError:
            if trouble:
                raise trouble from None
            return
        if not data:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1)
            raise self._trouble() or WorkerGone(f"worker {self.pid} has closed its pipe")
        try:
            for frame in self._reader.feed(data):
                if frame.kind is Kind.HELLO and frame.document[0] == VERSION:
                    self.greeted = True
                elif frame.kind is Kind.OUTCOMES:
                    for outcome in outcomes_of(frame, self.jobs):
                        if outcome.begun:
                            self.begun[outcome.number] = outcome
                            yield self.jobs[outcome.number], outcome
                            continue
                        job = self.jobs.pop(outcome.number)
                        self.begun.pop(outcome.number, None)
                        self.waiting -= job.body_cost
                        yield job, outcome
                else:
                    raise FrameError(f"a frame of kind {frame.kind.name} is not for the parent")
        except (FrameError, LookupError, TypeError) as error:
            raise WorkerGone(f"worker {self.pid} answers nonsense: {error}") from error

    def kill(self) -> None:
        """End it now, whatever it does."""
        _kill(self._process)
        self.close()

    def hang_up(self) -> None:
        """Have it end; it goes as soon as it sees the end of its pipe."""
        _close(self._pipes)

    def close(self) -> None:
        """End it, and wait until it has."""
        self.hang_up()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            _kill(self._process)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=2)
        self._end.detach()
        self._process.returncode = self._process.returncode or 0  # one that can't be killed is left to itself

    def forget(self) -> None:
        """In a forked child: let go of a process that is the parent's."""
        self._end.detach()
        _close(self._pipes)
        self._process.returncode = 0  # or its destructor would warn of a process that still runs

    def _send(self, frame: Frame) -> None:
        problem = self._written(encode(frame))
        if problem == INTERRUPTED:
            raise Interrupted
        if problem:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1)
            raise self._trouble() or WorkerGone(f"worker {self.pid} does not listen: {problem}")

    def _written(self, pieces: list[Buffer]) -> Optional[str]:
        """Write; what went wrong, or None. Raises nothing: a traceback would keep the bytes, maybe credentials."""
        try:
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    try:
                        view = view[os.write(self._to, view) :]
                    except BlockingIOError:
                        problem = self._wait_to_write()
                        if problem:
                            return problem
        except OSError as error:
            return str(error)
        return None

    def _wait_to_write(self) -> Optional[str]:
        """Wait until its pipe has room; why it never will, or None."""
        while True:
            try:
                return None if wait_to_write(self._to, self.interruption, LOOK) else INTERRUPTED
            except TimeoutError:
                trouble = self._trouble()
                if trouble:
                    return str(trouble)

    def _trouble(self) -> Optional[WorkerGone]:
        """Why it will do nothing more: it has ended, or was stopped a while ago. None where nothing says so.

        The end of its pipe is not enough: a process that was forked, by whatever code, may have the other end as well.
        """
        if not self.is_alive():
            status = self._process.returncode
            return WorkerGone(f"worker {self.pid} ended with status {status}", status in KILLED)
        if not _is_stopped(self.pid):
            self._stopped_since = None
            return None
        now = time.monotonic()
        self._stopped_since = self._stopped_since or now
        # Not at once: whoever stops a parent and its workers lets them go on one after the other.
        if now - self._stopped_since < LOOK:
            return None
        return WorkerGone(f"worker {self.pid} is stopped by a signal", killed=True)


def _close(pipes: list[int]) -> None:
    while pipes:  # once: the numbers are given out again
        os.close(pipes.pop())


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(PermissionError):  # it has rights that this process has given up; it ends with its pipe
        process.kill()


def _abandon(process: "subprocess.Popen[bytes]", pipes: list[int], parent: int) -> None:
    """End a worker that nobody has any more."""
    if os.getpid() == parent:
        _kill(process)
        _close(pipes)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)


def _is_stopped(pid: int) -> bool:
    """Whether a child of this process was stopped by a signal, and not continued."""
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except (OSError, AttributeError):  # it has ended meanwhile; not on every system
        return False


def _has_stderr() -> bool:
    """Whether descriptor 2 is stderr. Where that was closed when the interpreter started, it may be a user's file."""
    if sys.__stderr__ is None:
        return False
    try:
        os.fstat(2)
    except OSError:
        return False
    return True


def _pipe(stack: contextlib.ExitStack) -> "tuple[int, int]":
    """Both ends of a pipe, closed with the stack; never among the standard streams, which may be closed here."""
    ends = []
    for made in os.pipe():
        end = made
        if made <= 2:
            end = fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, 3)
            os.close(made)
        stack.callback(os.close, end)
        ends.append(end)
    return ends[0], ends[1]
