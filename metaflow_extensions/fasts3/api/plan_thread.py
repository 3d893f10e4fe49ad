"""Runs a plan in a thread, beside the user's code."""

import os
import threading
from typing import Callable, Optional

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception
from metaflow_extensions.fasts3.plans.plan import Plan, Unwanted
from metaflow_extensions.fasts3.wire.blocking import Interrupted, Interruption

RunPlan = Callable[[Plan, Optional[Interruption]], None]
"""Runs a plan until its end, or until the `Interruption`."""


class PlanThread:
    """A thread that runs one plan.

    Parameters
    ----------
    run : RunPlan
    plan : Plan
    ended : callable
        Called in the thread at its end, with the error that ended the plan, or None. An interruption is no error, nor
        is `Unwanted`.
    name : str
        Name of the thread.
    """

    def __init__(self, run: RunPlan, plan: Plan, ended: Callable[[Optional[BaseException]], None], name: str) -> None:
        self._run = run
        self._plan = plan
        self._ended = ended
        self._interruption = Interruption()
        self._process = os.getpid()
        # A daemon, because the process must not wait at exit for a server. Created before it starts: an exception may
        # interrupt any line, and `stop` has to find the thread.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    @property
    def is_ours(self) -> bool:
        """Whether this process began it; a forked child has a copy without the thread."""
        return self._process == os.getpid()

    @property
    def is_alive(self) -> bool:
        """Whether it has begun and not ended, in this process."""
        return self._thread.is_alive()

    def start(self, purpose: str, instead: str) -> None:
        """Start the thread.

        Parameters
        ----------
        purpose, instead : str
            For the message of the exception: what it is for, and what to use without it.

        Raises
        ------
        MetaflowS3Exception
            No thread can be started.
        """
        try:
            self._thread.start()
        except RuntimeError as error:
            if type(error) is not RuntimeError:  # a signal's handler may raise anything
                raise
            raise MetaflowS3Exception(
                f"Could not start a thread for {purpose} ({error}). End other threads, or use {instead}."
            ) from error

    def stop(self) -> None:
        """End the plan soon; see `join`."""
        if self.is_ours:  # a child has the pipe that wakes its parent's thread
            self._interruption.set()

    def join(self, seconds: float) -> bool:
        """Wait for the end of the thread for at most so many seconds; return whether it has ended."""
        if self.is_ours and self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        error: Optional[BaseException] = None
        try:
            with self._interruption:
                self._run(self._plan, self._interruption)
        except (Interrupted, Unwanted):
            pass
        except BaseException as raised:  # raised in the thread of the user's code
            error = raised
        ended = self._ended
        del self._ended, self._run  # what they refer to may refer to this object
        ended(error)
