"""An object as a file that is read."""

import io
import os
from typing import TYPE_CHECKING, Any, Optional

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception, shown
from metaflow_extensions.fasts3.api.plan_thread import PlanThread, RunPlan
from metaflow_extensions.fasts3.plans.file_reads import FileReads
from metaflow_extensions.fasts3.wire.transfers import GetResponse
from metaflow_extensions.fasts3.workers.interruptible import SIGNAL_CHECK_INTERVAL

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

NO_CLIENT = "the S3 client was closed before this file. Close files before their client"


class ObjectReader(io.RawIOBase):
    """One version of an object, as a raw file: `io.BufferedReader` makes small reads fast.

    Parameters
    ----------
    run : RunPlan
    bucket, key : str
    first : GetResponse
        The response to the first request.
    look_ahead, step : int
        See `plans.read_window.ReadWindow`.
    version_id : str, optional
        None: the current version.
    """

    mode = "rb"

    def __init__(
        self,
        run: RunPlan,
        bucket: str,
        key: str,
        first: GetResponse,
        look_ahead: int,
        step: int,
        version_id: Optional[str] = None,
    ) -> None:
        super().__init__()
        self.name = f"s3://{bucket}/{key}"
        self._run = run
        self._reads_of = (bucket, key, first, look_ahead, step, version_id)
        self._size = first.info.size or 0
        self._position = 0
        self._client_closed = False
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._reads = FileReads(*self._reads_of)
        self._thread: Optional[PlanThread] = None

    def __repr__(self) -> str:
        return f"<ObjectReader {shown(self.name)}>"

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        self._check()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._check()
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}.get(whence)
        if start is None:
            raise ValueError(f"whence is {whence!r}; it must be os.SEEK_SET, os.SEEK_CUR or os.SEEK_END")
        if start + offset < 0:
            raise ValueError(f"negative seek position {start + offset}")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill a buffer, and return the number of bytes: fewer than its length only at the end of the object."""
        self._check()
        with memoryview(buffer) as given, given.cast("B") as view:
            end = min(self._position + len(view), self._size)
            start = position = self._position
            if position >= end:
                return 0
            if self._process != os.getpid():
                self._begin()  # a forked child has no thread, and its parent's locks may be taken
            reads = self._reads
            reads.begin(position, end)
            while position < end:
                got = reads.take(position, end)
                if got is None:
                    self._wait(reads, position)
                    continue
                view[position - start : position - start + len(got)] = got
                position += len(got)
            self._start_if_needed(reads)  # for what follows, while the user's code works on these bytes
            self._position = position
            return position - start

    def readall(self) -> bytes:
        """Read all bytes up to the end of the object."""
        self._check()
        # The bytes of a BytesIO become its value without a copy.
        memory = io.BytesIO(bytes(max(0, self._size - self._position)))
        with memory.getbuffer() as view:
            self.readinto(view)
        return memory.getvalue()

    def close(self) -> None:
        """Stop running requests, and forget what was read ahead."""
        if not self.closed:
            super().close()
            self._stop()

    def abandon(self) -> None:
        """Stop running requests because the client is closed; later reads raise."""
        self._client_closed = True
        self._stop()

    def _stop(self) -> None:
        thread = getattr(self, "_thread", None)  # `__init__` may have been interrupted
        if thread and thread.is_ours:
            thread.stop()
            self._reads.stop()  # wakes the thread

    def _check(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if self._client_closed:
            raise MetaflowS3Exception(f"{shown(self.name)} can't be read: {NO_CLIENT}.")

    def _wait(self, reads: FileReads, position: int) -> None:
        self._start_if_needed(reads)
        # With a timeout: a signal that arrives just before a thread sleeps does not wake it.
        reads.wait(position, SIGNAL_CHECK_INTERVAL)
        self._check()

    def _start_if_needed(self, reads: FileReads) -> None:
        if reads.needs_runner and not (self._thread and self._thread.is_alive):
            self._thread = PlanThread(self._run, reads, reads.ended, "fasts3-file")
            self._thread.start("an open file", "get")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"{self!r} can't be pickled. Pickle its client and its URL, and open it there.")
