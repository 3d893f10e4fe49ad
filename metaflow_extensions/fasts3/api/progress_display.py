"""The displays of progress: a tqdm bar, lines on stderr, or the user's function.

Errors of stderr are ignored: a call does not fail because its bar can't be drawn.
"""

import contextlib
import importlib.util
import os
import sys
import threading
import warnings
from typing import Any, Callable, Optional, Union

from metaflow.metaflow_current import current

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception
from metaflow_extensions.fasts3.api.progress import Progress, in_words
from metaflow_extensions.fasts3.api.standard_error import is_terminal, write_line

Setting = Union[bool, None, Callable[[Progress], None]]
"""The type of `S3(progress=...)`."""

PATIENCE = 2.0  # seconds until a terminal or a notebook shows the progress of a call
REFRESH = 0.1  # seconds between two updates of a bar, and between two calls of a function
LINE_INTERVAL = 10.0  # seconds between two lines
BAR = "S3 {operation}: {{percentage:3.0f}}%|{{bar}}| {{desc}}"
NO_BAR = "S3 {operation}: {{desc}}"


class Display:
    """Displays the progress of one call."""

    first: float  # seconds until the first update; 0: every call has at least one
    interval: float  # seconds between two updates

    def show(self, progress: Progress) -> None:
        """Update the display."""
        raise NotImplementedError

    def make_room(self) -> None:
        """Clear the line of the cursor, before another line is printed."""

    def close(self) -> None:
        """End the display, with the cursor on an empty line. Any thread may call it."""


def checked(progress: Any) -> Setting:
    """Validate the argument `progress`; raises MetaflowS3Exception if it is none of the possible values."""
    if progress is None or isinstance(progress, bool) or callable(progress):
        setting: Setting = progress
        return setting
    raise MetaflowS3Exception(
        f"S3(progress={progress!r}) is invalid. Give None to report the progress of long calls, True for all calls, "
        "False for none, or a function that takes a Progress."
    )


def display_for(setting: Setting) -> Optional[Display]:
    """The display for a call that begins now; None if nothing is displayed."""
    if setting is False:
        return None
    if callable(setting):
        return Callback(setting)
    stream = sys.stderr
    if stream is None or getattr(stream, "closed", False):
        return None
    if is_terminal() or _is_notebook(stream):
        first = 0.0 if setting else PATIENCE
        # tqdm is imported only when a bar appears: its import takes longer than most calls.
        return Bar(stream, first) if importlib.util.find_spec("tqdm") else Lines(first)
    if setting or current.is_running_flow:
        return Lines(0.0 if setting else LINE_INTERVAL)
    return None


def _is_notebook(stream: Any) -> bool:
    """Whether this process is the kernel of a notebook, not a forked child, which must not write to it."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython is not None else None
    return getattr(shell, "kernel", None) is not None and getattr(stream, "_master_pid", os.getpid()) == os.getpid()


class Callback(Display):
    """Calls the user's function. An exception that it raises ends the call."""

    first = 0.0
    interval = REFRESH

    def __init__(self, call: Callable[[Progress], None]) -> None:
        self._call = call

    def show(self, progress: Progress) -> None:
        self._call(progress)


class Lines(Display):
    """Writes a line at each interval: in logs, and on terminals without tqdm."""

    interval = LINE_INTERVAL

    def __init__(self, first: float) -> None:
        self.first = first

    def show(self, progress: Progress) -> None:
        fraction = progress.fraction
        percent = "" if fraction is None or progress.done else f"{fraction:.0%}, "
        write_line(f"S3 {progress.operation}: {percent}{in_words(progress)}")


class Bar(Display):
    """A tqdm bar on a terminal or in a notebook. It counts from 0 to 1; its text comes from `in_words`."""

    interval = REFRESH

    def __init__(self, stream: Any, first: float) -> None:
        self.first = first
        self._stream = _IgnoresErrors(stream)
        self._bar: Any = None
        self._closed = False
        self._lock = threading.Lock()  # one thread closes a stopped call while another may still draw

    def show(self, progress: Progress) -> None:
        with self._lock:
            if not self._closed:
                self._try(lambda: self._draw(progress))
            if self._closed:  # in the meantime, by `close`, whose wait is limited
                self._try(self._end)

    def make_room(self) -> None:
        if self._bar is not None and not self._closed:
            self._try(self._bar.clear)

    def close(self) -> None:
        self._closed = True
        if self._lock.acquire(timeout=REFRESH):  # with a timeout: Ctrl-S may have stopped the terminal
            self._try(self._end)
            self._lock.release()

    def _draw(self, progress: Progress) -> None:
        fraction = progress.fraction
        if self._bar is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a notebook without widgets gets a bar of text
                from tqdm.auto import tqdm
            # Without tqdm's monitor thread, which would redraw bars that are updated rarely.
            without_monitor: Any = type("Bar", (tqdm,), {"monitor_interval": 0})
            self._bar = without_monitor(
                desc=in_words(progress),
                total=None if fraction is None else 1.0,
                initial=fraction or 0.0,
                bar_format=(NO_BAR if fraction is None else BAR).format(operation=progress.operation),
                file=self._stream,
                dynamic_ncols=True,
            )
        self._bar.n = (fraction or 0.0) if self._bar.total else progress.objects
        self._bar.set_description_str(in_words(progress))  # and refreshes it

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _try(self, draw: Callable[[], None]) -> None:
        """Draw; after an error, disable the bar and let the call continue."""
        try:
            draw()
        except Exception:
            self._closed = True
            with contextlib.suppress(Exception):
                self._bar.disable = True  # otherwise it would write when it is garbage-collected


class _IgnoresErrors:
    """A stream that ignores errors. After an error tqdm would keep the lock of all bars."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(Exception):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(Exception):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
