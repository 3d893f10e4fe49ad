"""Downloads objects ahead of a loop: a thread runs the plan while the loop processes the results."""

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Callable, NamedTuple, Optional, Union

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception
from metaflow_extensions.fasts3.api.plan_thread import PlanThread, RunPlan
from metaflow_extensions.fasts3.api.unnamed_files import MemoryFiles
from metaflow_extensions.fasts3.machine.threads import get_within
from metaflow_extensions.fasts3.plans.download import Download, Downloaded, path_of_restart
from metaflow_extensions.fasts3.plans.download_stream import DownloadStream, StreamedDownload
from metaflow_extensions.fasts3.plans.look_ahead import LookAhead
from metaflow_extensions.fasts3.plans.object_downloads import RESTARTS
from metaflow_extensions.fasts3.workers.interruptible import SIGNAL_CHECK_INTERVAL

TAKEN_AT_A_TIME = 2  # requests, while a result is ready for the loop; several, so that more and more are ahead
LEAVE_AFTER = 1.0  # seconds for the thread to end once the loop is over


class Requested(NamedTuple):
    """One object to download for the loop."""

    root: Optional[str]  # the `prefix` of the result
    url: str
    download: Download


class Received(NamedTuple):
    """The result of a request; None for a missing key."""

    requested: Requested
    result: Optional[Downloaded]


class _End(NamedTuple):
    """The thread has ended, perhaps with an error."""

    error: Optional[BaseException] = None


class Prefetch:
    """The objects of one loop; an iterator of `Received` that must be closed.

    It takes requests in the loop's own thread, during the loop, because the user's generator may produce them. None in
    place of a request announces that the next one takes time; running downloads are awaited first.

    `name` returns a path for the file of a key, or None for a download into memory. `spare_name` returns a path for a
    file on systems without files in memory. If `ordered`, results come in the order of the requests, rather than as
    they complete. `look_ahead` and `look_ahead_objects` are the maximum bytes and objects ahead of the loop. With
    `missing_ok`, a missing key is a result rather than a failure. A range has `step` bytes.
    """

    def __init__(
        self,
        run: RunPlan,
        requests: Iterator[Optional[Requested]],
        name: Optional[Callable[[str], str]],
        spare_name: Callable[[str], str],
        ordered: bool,
        look_ahead: int,
        look_ahead_objects: int,
        missing_ok: bool,
        step: int,
    ) -> None:
        self._requests = requests
        self._name = name
        self._ordered = ordered
        self._most = look_ahead_objects
        self._ahead = LookAhead(look_ahead)
        self._files = MemoryFiles(spare_name)
        self._arrived: SimpleQueue[Union[tuple[int, Optional[Downloaded]], _End]] = SimpleQueue()
        self._plan = DownloadStream(self._put, self._ahead, missing_ok, step, self._files)
        self._thread = PlanThread(run, self._plan, self._put_end, "fasts3-stream")
        self._started = False
        self._count = 0  # of requests taken
        self._all_taken = False
        self._problem: Optional[BaseException] = None  # from the iterator of requests; earlier ones come first
        self._outstanding: dict[int, Requested] = {}
        self._paths: dict[int, str] = {}  # of these
        self._waiting: dict[int, Optional[Downloaded]] = {}  # complete, but not yielded yet
        # The next results. Not the first key of a dict: finding it skips all keys that were removed before it.
        self._next_number = 0  # ordered: the number of the next
        self._completed: deque[int] = deque()  # unordered: the numbers of complete ones
        self._current: Optional[int] = None  # the object that the loop processes
        self._closed = False

    def __iter__(self) -> "Prefetch":
        return self

    def __next__(self) -> Received:
        self._check()
        if self._current is not None:
            self._ahead.forget(self._current)
            self._current = None
        number = self._next()
        self._current = number
        requested, result = self._outstanding.pop(number), self._waiting.pop(number)
        if self._ordered:
            self._next_number += 1
        else:
            self._completed.popleft()
        path = self._paths.pop(number, None)
        if path is not None:
            _remove_tries(path, but=result.path if result else None)
        return Received(requested, result)

    @property
    def is_ours(self) -> bool:
        """Whether this process began the loop; a forked child has a copy, but does not own its parent's files."""
        return self._thread.is_ours

    @property
    def unverified_buckets(self) -> "tuple[str, ...]":
        """Buckets that may not exist: a 404 of theirs had no error code."""
        return tuple(self._plan.unverified_buckets)

    def close(self) -> None:
        """Stop running downloads, and remove the files that were not yielded."""
        if not self.is_ours:
            return
        self._closed = True
        self._thread.stop()
        try:
            self._thread.join(LEAVE_AFTER)
        finally:
            self._files.__exit__()
            for path in self._paths.values():
                _remove_tries(path)

    def _check(self) -> None:
        if not self.is_ours:
            raise RuntimeError("This loop over S3 began before a fork. Begin it in the process that uses it.")
        if self._closed:
            raise MetaflowS3Exception(
                "The S3 client was closed during a loop over its objects. Close it after the loop."
            )

    def _next(self) -> int:
        """The number of the next object; raises StopIteration. Meanwhile, takes more requests that need no time."""
        taken = 0
        at_once = True  # the next request takes no time
        while True:
            while self._collect(wait=False):
                pass
            ready = self._next_number in self._waiting if self._ordered else bool(self._completed)
            may_take = self._may_take and (at_once or not self._outstanding)
            if may_take and (not ready or taken < TAKEN_AT_A_TIME):
                at_once = self._take_request()
                taken += 1
            elif ready:
                return self._next_number if self._ordered else self._completed[0]
            elif self._outstanding:
                self._check()
                self._collect(wait=True)
            elif self._problem is not None:
                raise self._problem
            else:
                raise StopIteration

    @property
    def _may_take(self) -> bool:
        return not self._all_taken and len(self._outstanding) < self._most

    def _take_request(self) -> bool:
        """Take one more request, if any; return whether the next one takes no time."""
        try:
            requested = next(self._requests)
        except StopIteration:
            return self._end()
        except Exception as error:
            self._problem = error
            return self._end()
        if requested is None:
            return False
        number, self._count = self._count, self._count + 1
        self._outstanding[number] = requested
        path = self._name(requested.download.key) if self._name else None
        if path is not None:
            self._paths[number] = path
        self._plan.want(StreamedDownload(number, requested.download, path))
        if not self._started:
            self._started = True
            self._thread.start("a loop over S3", "get_many")
        return True

    def _end(self) -> bool:
        self._all_taken = True
        self._plan.end()
        return True

    def _collect(self, wait: bool) -> bool:
        """Take one more result; return whether there was one."""
        try:
            # With a timeout: a signal that arrives just before a thread sleeps does not wake it.
            arrived = get_within(self._arrived, SIGNAL_CHECK_INTERVAL if wait else 0.0)
        except Empty:
            return False
        if isinstance(arrived, _End):
            self._check()
            if arrived.error or len(self._waiting) < len(self._outstanding):
                raise arrived.error or RuntimeError("the downloads ended before all objects arrived")
            return False
        number, result = arrived
        self._waiting[number] = result
        if not self._ordered:
            self._completed.append(number)
        return True

    def _put(self, number: int, result: Optional[Downloaded]) -> None:
        self._arrived.put((number, result))

    def _put_end(self, error: Optional[BaseException]) -> None:
        if self._closed:  # `close` did not wait for the end
            self._files.__exit__()
        self._arrived.put(_End(error))


def _remove_tries(path: str, but: Optional[str] = None) -> None:
    """Remove the files of an object but one; there are several if its download restarted."""
    if but != path:
        for one in (path, *(path_of_restart(path, number) for number in range(1, RESTARTS + 1))):
            if one != but:
                with contextlib.suppress(OSError):
                    os.unlink(one)
