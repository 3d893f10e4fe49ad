"""A worker process from its parent's side: the process, two pipes and its jobs."""

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
LIVENESS_CHECK_INTERVAL = 1.0  # seconds of silence before checking whether a worker can still respond
# Size in bytes of the pipe for outcomes, where Linux allows it: with the default 64 KiB, processes switch more often.
# The other pipe keeps the default: there was no measurable difference, and Linux limits a user's pipes to 64 MiB in
# all.
PIPE_SIZE = 2**20
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", 1031)  # Python 3.9 does not define it
KILLED = (-signal.SIGKILL, -signal.SIGTERM)  # exit statuses


class WorkerGone(Exception):
    """The worker died, was stopped, or sent invalid frames.

    Attributes
    ----------
    killed : bool
        It was killed or stopped from outside, for example for lack of memory: its job is probably not the cause.
    """

    def __init__(self, message: str, killed: bool = False) -> None:
        super().__init__(message)
        self.killed = killed


class WorkerProcess:
    """One `s3op.py` subprocess.

    Raises
    ------
    OSError
        Processes, memory or descriptors are exhausted; or see `interpreter.why_no_workers`.

    Attributes
    ----------
    jobs : dict of int to Job
        Unfinished jobs, by number.
    begun : dict of int to Outcome
        The reports of those among them that have begun, by number.
    waiting : int
        Bytes of memory that their bodies occupy; see `Job.body_cost`.
    greeted : bool
        Whether it has sent HELLO; dying before that is a failure to start.
    alone : bool
        It gets no other job while it has one, because workers have died during this job.
    interruption : Interruption or None
        Ends waits for this worker.
    inherited : tuple
        What it inherited from its parent at its start; see `inherited.inherited`.
    """

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.begun: dict[int, Outcome] = {}
        self.waiting = 0
        self.greeted = False
        self.alone = False
        self.interruption: Optional[Interruption] = None
        self.inherited = inherited()
        self._stopped_since: Optional[float] = None  # according to the last check
        self._setup: Any = None
        self._templates: dict[tuple[str, str], Any] = {}  # known to the worker, by operation and bucket
        self._reader = FrameReader()
        unable = why_no_workers()
        if unable:
            raise OSError(errno.ENOEXEC, unable)
        with contextlib.ExitStack() as pipes:
            worker_reads, self._to = _pipe(pipes)
            self._from, worker_writes = _pipe(pipes)
            if sys.platform == "linux":
                with contextlib.suppress(OSError):  # above the system's or the user's limit
                    fcntl.fcntl(self._from, _SET_PIPE_SIZE, PIPE_SIZE)
            # Frames have their own descriptors, because code that runs at an interpreter's start may print or read
            # stdin. It has its own session, because Ctrl-C in a terminal is for the parent, which decides how the call
            # ends.
            self._process = subprocess.Popen(
                command(SCRIPT, os.getpid(), worker_reads, worker_writes),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None if _has_stderr() else subprocess.DEVNULL,
                pass_fds=(worker_reads, worker_writes),
                start_new_session=True,
                env=environment(os.environ),
            )
            pipes.pop_all()
        os.close(worker_reads)
        os.close(worker_writes)
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._pipes = [self._to, self._from]
        self._end = weakref.finalize(self, _end, self._process, self._pipes, os.getpid())
        self._end.atexit = False  # it ends with its parent, and a daemon thread may still use it

    def __repr__(self) -> str:
        return f"<WorkerProcess {self.pid}, {len(self.jobs)} jobs>"

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        """Return the pipe that outcomes arrive on, for a selector."""
        return self._from

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def is_ready(self) -> bool:
        """Whether it has started: HELLO or the end of its pipe can be read."""
        if not self.greeted:
            poll = select.poll()
            poll.register(self._from, select.POLLIN)
            return bool(poll.poll(0))
        return True

    def send_setup(self, setup: Any) -> None:
        """Send the setup for the jobs that follow, unless it is the same as before."""
        setup = [*setup, import_path()]
        if setup != self._setup:
            self._send(Frame(Kind.SETUP, setup))
            self._setup = setup

    def send_templates(self, templates: "Mapping[tuple[str, str], Any]") -> None:
        """Send the request templates that it does not have."""
        news = [(*name, template) for name, template in templates.items() if self._templates.get(name) != template]
        if news:
            self._send(Frame(Kind.TEMPLATES, news))
            self._templates.update({(operation, bucket): template for operation, bucket, template in news})

    def send_credentials(self, credentials: Optional[Sequence[Any]]) -> None:
        """Send the credentials to sign with from now on."""
        self._send(Frame(Kind.CREDENTIALS, credentials))
        if self._setup is not None:
            self._setup = [self._setup[0], credentials, *self._setup[2:]]

    def send_jobs(self, jobs: Sequence[Job]) -> None:
        """Send jobs."""
        for job in jobs:
            self.jobs[job.number] = job
            self.waiting += job.body_cost
        for frame in jobs_frames(jobs):
            self._send(frame)

    def outcomes(self) -> Iterator["tuple[Job, Outcome]"]:
        """Yield received outcomes with their jobs.

        Raises
        ------
        WorkerGone
            It can send nothing more.
        """
        trouble = self._trouble()  # before the last data is read
        try:
            data = os.read(self._from, READ_SIZE)
        except BlockingIOError:
            if trouble:
                raise trouble from None
            return
        if not data:
            raise self._gone("has closed its pipe")
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
            raise WorkerGone(f"worker {self.pid} sent an invalid frame: {error}") from error

    def close_pipes(self) -> None:
        """Close its pipes, which ends it."""
        _close(self._pipes)

    def close(self) -> None:
        """End it, and wait for its end."""
        self.close_pipes()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        self.kill()

    def kill(self) -> None:
        """Kill it if it has not ended."""
        self._end()
        self._process.returncode = self._process.returncode or 0  # a process that can't be killed is left behind

    def forget(self) -> None:
        """In a forked child: release a process that belongs to the parent."""
        self._end.detach()
        _close(self._pipes)
        self._process.returncode = 0  # else its destructor would warn about a running process

    def _send(self, frame: Frame) -> None:
        problem = self._written(encode(frame))
        if problem == INTERRUPTED:
            raise Interrupted
        if problem:
            raise self._gone(f"does not read its pipe: {problem}")

    def _written(self, pieces: list[Buffer]) -> Optional[str]:
        """Write; return the error or None. Raises nothing: a traceback would hold the bytes, perhaps credentials."""
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
        """Wait until its pipe has room; return an error if it never will, else None."""
        while True:
            try:
                return None if wait_to_write(self._to, self.interruption, LIVENESS_CHECK_INTERVAL) else INTERRUPTED
            except TimeoutError:
                trouble = self._trouble()
                if trouble:
                    return str(trouble)

    def _gone(self, symptom: str) -> WorkerGone:
        """Return why its pipe is closed: usually because it is about to end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        return self._trouble() or WorkerGone(f"worker {self.pid} {symptom}")

    def _trouble(self) -> Optional[WorkerGone]:
        """Return why it can do nothing more: it has ended, or has been stopped for a while. None if it seems fine.

        The end of its pipe is not sufficient: another forked process may hold the other end.
        """
        if not self.is_alive():
            status = self._process.returncode
            return WorkerGone(f"worker {self.pid} ended with status {status}", status in KILLED)
        if not _is_stopped(self.pid):
            self._stopped_since = None
            return None
        now = time.monotonic()
        self._stopped_since = self._stopped_since or now
        # Not at once: a parent and its workers may be stopped and continued one after the other.
        if now - self._stopped_since < LIVENESS_CHECK_INTERVAL:
            return None
        return WorkerGone(f"worker {self.pid} is stopped by a signal", killed=True)


def _close(pipes: list[int]) -> None:
    while pipes:  # only once: descriptors are reused
        os.close(pipes.pop())


def _end(process: "subprocess.Popen[bytes]", pipes: list[int], parent: int) -> None:
    if os.getpid() == parent:
        with contextlib.suppress(PermissionError):  # it may run as another user; closing its pipe ends it
            process.kill()
        _close(pipes)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)


def _is_stopped(pid: int) -> bool:
    """Whether a child process is stopped by a signal."""
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except (OSError, AttributeError):  # it has ended, or the system lacks waitid
        return False


def _has_stderr() -> bool:
    """Whether descriptor 2 is stderr. If that was closed at the interpreter's start, it may be a user's file."""
    if sys.__stderr__ is None:
        return False
    try:
        os.fstat(2)
    except OSError:
        return False
    return True


def _pipe(stack: contextlib.ExitStack) -> "tuple[int, int]":
    """Create a pipe, closed with the stack; never on the standard streams' numbers, which may be free here."""
    ends = []
    for made in os.pipe():
        end = made
        if made <= 2:
            end = fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, 3)
            os.close(made)
        stack.callback(os.close, end)
        ends.append(end)
    return ends[0], ends[1]
