"""Reads an iterator ahead: a thread computes the next items while the caller processes the current one."""

import threading
import time
from collections.abc import Iterator
from queue import Empty, Full, Queue
from typing import Generic, Optional, TypeVar, Union

from metaflow_extensions.fasts3.workers.interruptible import SIGNAL_CHECK_INTERVAL

T = TypeVar("T")


class _End:
    """The end of an iterator, and its exception."""

    def __init__(self, error: Optional[BaseException] = None) -> None:
        self.error = error


class ReadAhead(Generic[T]):
    """Reads an iterator ahead; a context manager that stops reading at its end.

    At most `most` items wait for the caller. The iterator's exception is raised after the items before it.
    """

    def __init__(self, items: "Iterator[T]", most: int) -> None:
        self._items = items
        self._waiting: Queue[Union[tuple[T], _End]] = Queue(most)
        self._stopped = threading.Event()
        self._end: Optional[_End] = None
        self._alone = False  # no thread could be started: the caller reads the iterator
        try:
            # A daemon: it may still wait for S3 when the caller leaves.
            threading.Thread(target=self._read, name="fasts3-ahead", daemon=True).start()
        except RuntimeError:
            self._alone = True

    def __enter__(self) -> "ReadAhead[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def __iter__(self) -> "Iterator[T]":
        return self

    def __next__(self) -> T:
        if self._alone:
            return next(self._items)
        while self._end is None:
            # With a timeout: a signal that arrives just before a thread blocks does not wake it.
            for item in self._arrived(SIGNAL_CHECK_INTERVAL):
                return item
        raise self._end.error or StopIteration

    def ready(self, within: float = 0.0) -> "list[T]":
        """Return all items that are ready, or become ready within this many seconds."""
        found: list[T] = []
        until = time.monotonic() + within
        while arrived := self._arrived(max(0.0, until - time.monotonic())):
            found += arrived
        return found

    def _arrived(self, timeout: float) -> "list[T]":
        """Return the next item; nothing if none arrives in time, or at the end."""
        if self._alone or self._end is not None:
            return []
        try:
            one = self._waiting.get(timeout=timeout)
        except Empty:
            return []
        if isinstance(one, _End):
            self._end = one
            return []
        return [one[0]]

    def _read(self) -> None:
        try:
            for item in self._items:
                if not self._put((item,)):
                    return
            self._put(_End())
        except BaseException as error:  # else the caller would wait indefinitely
            self._put(_End(error))

    def _put(self, one: "Union[tuple[T], _End]") -> bool:
        """Add an item; return False if the caller has stopped reading."""
        while not self._stopped.is_set():
            try:
                self._waiting.put(one, timeout=SIGNAL_CHECK_INTERVAL)
            except Full:
                continue
            return True
        return False
