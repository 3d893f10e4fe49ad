"""An object as a file that is written: its parts are uploaded while it is written, and `close` stores it.

Only `close` stores the object: nothing is stored if the `with` block raises, if the file is lost (garbage collected),
or if the process ends. The upload is then aborted, if this process still can.
"""

import atexit
import contextlib
import io
import os
import sys
import uuid
from typing import TYPE_CHECKING, Any, Optional

from metaflow_extensions.fasts3.api.errors import (
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3ObjectExists,
    shown,
)
from metaflow_extensions.fasts3.api.object_reader import NO_CLIENT
from metaflow_extensions.fasts3.api.plan_thread import PlanThread, RunPlan
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.plans.upload_stream import UploadStream, size_of_part
from metaflow_extensions.fasts3.plans.uploads import Uploads
from metaflow_extensions.fasts3.wire.conditions import MARK
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.workers.interruptible import SIGNAL_CHECK_INTERVAL

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MOST_HELD = 64 * 2**20  # bytes of full parts that are not stored yet
LEAVE_AFTER = 3.0  # seconds for an upload to be aborted, usually milliseconds: S3 charges for one that stays open
_uploads: "dict[UploadStream, PlanThread]" = {}  # under way, to be aborted at the end of the process


@atexit.register
def _abort_all() -> None:
    ours = [(stream, thread) for stream, thread in list(_uploads.items()) if thread.is_ours]
    for stream, _ in ours:
        stream.stop()
    for _, thread in ours:
        _leave(thread)


def _leave(thread: PlanThread) -> None:
    """Wait until an upload that was stopped is aborted; if that takes long, do not wait for running requests."""
    if not thread.join(LEAVE_AFTER):
        thread.stop()
        thread.join(LEAVE_AFTER)


class ObjectWriter(io.BufferedIOBase):
    """An object to be written.

    Parameters
    ----------
    run : RunPlan
        With an `Interruption`, it runs the plan in the calling thread.
    upload : Upload
        What to store, without its bytes.
    step : int
        Bytes of a part; an object of at most so many bytes is stored by one PUT in `close`.
    mode : str
    """

    def __init__(self, run: RunPlan, upload: Upload, step: int, mode: str = "wb") -> None:
        super().__init__()
        self.name = f"s3://{upload.bucket}/{upload.key}"
        self.mode = mode
        self._run = run
        self._upload = upload
        self._step = step
        self._part = bytearray()  # the next part
        self._count = 0  # of earlier ones
        self._before = 0  # bytes of earlier parts
        self._stream: Optional[UploadStream] = None  # of the parts, if there are several
        self._thread: Optional[PlanThread] = None
        self._process = os.getpid()
        self._why_broken = ""  # why it can no longer be stored

    def __repr__(self) -> str:
        return f"<ObjectWriter {shown(self.name)}>"

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        """Return the number of bytes written."""
        self._check_open()
        return self._before + len(self._part)

    def flush(self) -> None:
        """Do nothing: S3 stores whole parts, and shows nothing of an object before `close`."""
        self._check_open()

    def write(self, data: "ReadableBuffer") -> int:
        """Take bytes, and upload them as soon as they fill a part. Waits while many parts are not stored yet."""
        self._check_open()
        self._check_whole()
        with memoryview(data) as given, given.cast("B") as view:
            try:
                taken = 0
                while taken < len(view):
                    room = size_of_part(self._count + 1, self._step) - len(self._part)
                    if not room:
                        self._send()
                        continue
                    self._part += view[taken : taken + room]
                    taken += room
            except OverflowError:
                self.break_off("it has too many parts")
                raise MetaflowS3InvalidObject(
                    f"{shown(self.name)} has more parts than S3 allows. Use a larger part_size: S3(part_size=...)."
                ) from None
            except BaseException:
                self.break_off("a write failed")  # perhaps only a piece of the data was taken
                raise
            return len(view)

    def close(self) -> None:
        """Store the object.

        Raises
        ------
        MetaflowS3ObjectExists
            The object must not be overwritten, and exists.
        MetaflowException
            As for `put`.
        """
        if self.closed:
            return
        try:
            self._check_whole()
            if not self._store():
                raise exists(self.name)
        except BaseException:
            self.break_off("close failed")
            raise
        finally:
            super().close()

    def finish(self) -> bool:
        """Store the object, as `close` does; return False if it must not be overwritten, and exists."""
        with contextlib.suppress(MetaflowS3ObjectExists):
            self.close()
            return True
        return False

    def abort(self) -> None:
        """Close the file without storing the object; aborts its upload."""
        if not self.closed:
            self.break_off("it was aborted")
            super().close()
            if self._thread:
                _leave(self._thread)

    def abandon(self) -> None:
        """Abort the upload because the client is closed; later calls raise."""
        if not self.closed and not self._why_broken:
            self.break_off(NO_CLIENT)
            if self._thread:
                _leave(self._thread)

    def break_off(self, why: str) -> None:
        """Stop the upload; its object can no longer be stored."""
        self._why_broken = self._why_broken or why
        self._part = bytearray()
        if self._stream and self._thread and self._thread.is_ours:
            self._stream.stop()

    def lose(self) -> None:
        """Handle the loss of the last reference to this file, or to the text file on it."""
        if self.closed:
            return
        if self._process == os.getpid() and not sys.is_finalizing():
            log.warning("S3: %s was not closed, so it was not stored. Use a `with` block.", shown(self.name))
        self.break_off("it was lost")
        super().close()

    def __del__(self) -> None:
        if hasattr(self, "_why_broken"):  # otherwise `__init__` was interrupted
            self.lose()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None:
            self.abort()
        self.close()

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"{self!r} can't be pickled or copied: two files would store the same object.")

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _check_whole(self) -> None:
        if self._process != os.getpid():
            raise MetaflowS3Exception(
                f"{shown(self.name)} was opened before a fork. Write it in the process that opened it."
            )
        if self._why_broken:
            raise MetaflowS3Exception(f"{shown(self.name)} is not stored: {self._why_broken}.")

    def _send(self) -> None:
        """Give the next part to the upload, as soon as there is room."""
        if self._stream is None:
            self._stream = UploadStream(_marked(self._upload), max(self._step, MOST_HELD))
            self._start(self._stream)
        while not self._stream.give(self._part, SIGNAL_CHECK_INTERVAL):
            pass
        self._before += len(self._part)
        self._count += 1
        self._part = bytearray()

    def _start(self, stream: UploadStream) -> None:
        def ended(error: Optional[BaseException]) -> None:
            _uploads.pop(stream, None)
            stream.ended(error)

        self._thread = thread = PlanThread(self._run, stream, ended, "fasts3-file")
        _uploads[stream] = thread
        try:
            thread.start("a file of several parts", "put")
        except BaseException:
            ended(None)
            raise

    def _store(self) -> bool:
        """Store the object; return False if it exists, and must not be overwritten."""
        if self._stream is None:
            data = bytes(self._part)
            plan = Uploads([self._upload._replace(size=len(data), data=data)], max(len(data), 1))
            self._run(plan, None)
            return plan.stored[0]
        if self._part:
            self._send()
        self._stream.end()
        while not self._stream.wait(SIGNAL_CHECK_INTERVAL):
            pass
        stored = self._stream.stored[0]
        if not stored and self._stream.was_stopped:  # by another thread that closed the client
            self.break_off("its upload was stopped")
            self._check_whole()
        return stored


class TextWriter(io.TextIOWrapper):
    """A text file on an `ObjectWriter`, with its rules."""

    def close(self) -> None:
        if not self.closed:
            try:
                self.flush()
            except BaseException:
                # TextIOWrapper's own `close` would forget the text that was not written, and store the object.
                self._writer().abort()
                raise
        super().close()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None:
            self._writer().abort()
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(ValueError, AttributeError):  # detached, or `__init__` was interrupted
            self._writer().lose()

    def _writer(self) -> ObjectWriter:
        writer: Any = self.buffer
        found: ObjectWriter = writer
        return found


def _marked(upload: Upload) -> Upload:
    """An upload with a mark by which a HEAD recognizes it; see `UploadStream`."""
    if upload.mark:
        return upload
    metadata = {**(upload.headers.metadata or {}), MARK: uuid.uuid4().hex}
    return upload._replace(headers=upload.headers._replace(metadata=metadata))


def exists(url: str) -> MetaflowS3ObjectExists:
    """The exception for an object that exists although it should be created."""
    error = MetaflowS3ObjectExists(f"{shown(url)} exists. Open it in mode 'w' or 'wb' to replace it.")
    error.url = url
    return error
