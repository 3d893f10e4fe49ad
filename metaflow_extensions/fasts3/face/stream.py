"""Downloads that are ahead of a loop: a thread sees to them while the loop works with what has come."""

import contextlib
import os
import threading
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Callable, NamedTuple, Optional, Union

from metaflow_extensions.fasts3.face.memory_files import MemoryFiles
from metaflow_extensions.fasts3.pool.download_stream import DownloadStream, Wanted
from metaflow_extensions.fasts3.pool.downloads import Download, Downloaded
from metaflow_extensions.fasts3.pool.look_ahead import LookAhead
from metaflow_extensions.fasts3.pool.plan import Plan
from metaflow_extensions.fasts3.wire.blocking import Interrupted, Interruption

LOOK = 0.1  # seconds between two looks for signals, and whether the thread is still there
LEAVE_AFTER = 1.0  # seconds for the thread to end once nobody wants anything more


class Requested(NamedTuple):
    """One object that the loop is to get."""

    root: Optional[str]  # the `prefix` of the result
    url: str
    download: Download


class Received(NamedTuple):
    """What became of it: None where the key is missing."""

    requested: Requested
    result: Optional[Downloaded]


class _End(NamedTuple):
    """The thread is done, or has failed."""

    error: Optional[BaseException] = None


class Stream:
    """The objects of one loop; an iterator of `Received`, to be closed.

    Requests are taken in the loop's own thread, as the loop goes on: they may come from a generator of the user's.

    Parameters
    ----------
    run : callable
        Carries out a plan, with the `Interruption` that ends it.
    requests : iterator of Requested
    name : callable
        Gives a path for the file of a key; None: in memory.
    spare_name : callable
        Gives a path for a file, where the system has none in memory.
    ordered : bool
        In the order of the requests, rather than as they come.
    look_ahead, look_ahead_objects : int
        Bytes and objects that may be ahead of the loop.
    missing_ok : bool
        Whether a key that is not there is a result rather than a failure.
    step : int
        Bytes of a piece.
    """

    def __init__(
        self,
        run: Callable[[Plan, str, Interruption], None],
        requests: Iterator[Requested],
        name: Optional[Callable[[str], str]],
        spare_name: Callable[[str], str],
        ordered: bool,
        look_ahead: int,
        look_ahead_objects: int,
        missing_ok: bool,
        step: int,
    ) -> None:
        self._run = run
        self._requests = requests
        self._name = name
        self._ordered = ordered
        self._most = look_ahead_objects
        self._ahead = LookAhead(look_ahead)
        self._files = MemoryFiles(spare_name)
        self._arrived: SimpleQueue[Union[tuple[int, Optional[Downloaded]], _End]] = SimpleQueue()
        self._plan = DownloadStream(self._put, self._ahead, missing_ok, step, self._files)
        self._interruption = Interruption()
        self._thread: Optional[threading.Thread] = None
        self._process = os.getpid()
        self._count = 0  # of requests taken
        self._all_taken = False
        self._outstanding: dict[int, Requested] = {}
        self._paths: dict[int, str] = {}  # of these
        self._waiting: dict[int, Optional[Downloaded]] = {}  # come, but not their turn yet
        self._in_hand: Optional[int] = None  # what the loop works with

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Received:
        if self._in_hand is not None:
            self._ahead.forget(self._in_hand)
            self._in_hand = None
        self._take_requests()
        if not self._outstanding:
            raise StopIteration
        number = next(iter(self._outstanding)) if self._ordered else None
        while number is None or number not in self._waiting:
            if number is None and self._waiting:
                number = next(iter(self._waiting))
            else:
                self._wait()
        self._in_hand = number
        self._paths.pop(number, None)
        return Received(self._outstanding.pop(number), self._waiting.pop(number))

    @property
    def unproven(self) -> "tuple[str, ...]":
        """Buckets of which a bare 404 left open whether they exist."""
        return tuple(self._plan.unproven)

    def close(self) -> None:
        """Stop what is under way, and remove what nobody has taken."""
        if self._process != os.getpid():
            return
        self._interruption.set()
        if self._thread:
            self._thread.join(LEAVE_AFTER)
        self._files.__exit__()
        for path in self._paths.values():
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _take_requests(self) -> None:
        while not self._all_taken and len(self._outstanding) < self._most:
            requested = next(self._requests, None)
            if requested is None:
                self._all_taken = True
                self._plan.end()
            else:
                number, self._count = self._count, self._count + 1
                self._outstanding[number] = requested
                path = self._name(requested.download.key) if self._name else None
                if path is not None:
                    self._paths[number] = path
                self._plan.want(Wanted(number, requested.download, path))
        if self._thread is None and self._outstanding:
            bucket = next(iter(self._outstanding.values())).download.bucket
            self._thread = threading.Thread(target=self._work, args=(bucket,), name="fasts3-stream", daemon=True)
            self._thread.start()

    def _wait(self) -> None:
        """Take one more of what has come."""
        if self._process != os.getpid():
            raise RuntimeError("This loop over S3 was begun before a fork. Begin it in the process that needs it.")
        with contextlib.suppress(Empty):
            # Not for ever: a signal that comes right before a thread falls asleep does not wake it.
            arrived = self._arrived.get(timeout=LOOK)
            if isinstance(arrived, _End):
                raise arrived.error or RuntimeError("the downloads ended before all had come")
            number, result = arrived
            self._waiting[number] = result

    def _put(self, number: int, result: Optional[Downloaded]) -> None:
        self._arrived.put((number, result))

    def _work(self, bucket: str) -> None:
        error: Optional[BaseException] = None
        try:
            self._run(self._plan, bucket, self._interruption)
        except Interrupted:
            pass
        except BaseException as raised:  # whoever waits for it raises it
            error = raised
        self._arrived.put(_End(error))
