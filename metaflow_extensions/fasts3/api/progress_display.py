"""Where progress is shown: a bar of tqdm's, lines on stderr, or by a user's callable.

Errors of stderr are ignored: a call does not fail because its bar can't be drawn.
"""

import contextlib
import importlib.util
import os
import sys
import threading
import warnings
from typing import Any, Callable, Optional, Protocol, Union

from metaflow.metaflow_current import current

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception
from metaflow_extensions.fasts3.api.progress import Progress, in_words
from metaflow_extensions.fasts3.api.standard_error import is_terminal, write_line

Setting = Union[bool, None, Callable[[Progress], None]]
"""What users give as `S3(progress=...)`."""

PATIENCE = 2.0  # seconds that a call may take before a terminal or a notebook shows it
REFRESH = 0.1  # seconds between two states of a bar, and between two calls of a callable
LINE_INTERVAL = 10.0  # seconds between two lines
BAR = "S3 {operation}: {{percentage:3.0f}}%|{{bar}}| {{desc}}"
NO_BAR = "S3 {operation}: {{desc}}"


class Display(Protocol):
    """Shows the progress of one call."""

    first: float  # seconds before it is shown for the first time; 0: also that of a call that is over before
    interval: float  # seconds between two states

    def show(self, progress: Progress) -> None: ...

    def make_room(self) -> None:
        """Clear the line of the cursor: another line is about to be printed."""

    def close(self) -> None:
        """Show nothing more, and leave the cursor on a line of its own. May be called in any thread."""


def checked(progress: Any) -> Setting:
    """What a user gave as `progress`.

    Raises
    ------
    MetaflowS3Exception
        It is none of what can be given.
    """
    if progress is None or isinstance(progress, bool) or callable(progress):
        setting: Setting = progress
        return setting
    raise MetaflowS3Exception(
        f"S3(progress={progress!r}): give None to see how far long calls have come where somebody looks, True to see "
        "it of all calls, False not to see it, or a function that takes a Progress."
    )


def display_for(setting: Setting) -> Optional[Display]:
    """The display of a call that begins now; None where nothing is to be shown."""
    if setting is False:
        return None
    if callable(setting):
        return Callback(setting)
    stream = sys.stderr
    if stream is None or getattr(stream, "closed", False):
        return None
    if is_terminal() or _is_notebook(stream):
        first = 0.0 if setting else PATIENCE
        # Not imported before it is shown: that takes longer than most calls.
        return Bar(stream, first) if importlib.util.find_spec("tqdm") else Lines(first)
    if setting or current.is_running_flow:
        return Lines(0.0 if setting else LINE_INTERVAL)
    return None


def _is_notebook(stream: Any) -> bool:
    """Whether this is the kernel of a notebook, and no forked child of it, which must not speak to the notebook."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython is not None else None
    return getattr(shell, "kernel", None) is not None and getattr(stream, "_master_pid", os.getpid()) == os.getpid()


class Callback:
    """Calls a user's callable. What it raises ends the call, and is what the user gets."""

    first = 0.0
    interval = REFRESH

    def __init__(self, call: Callable[[Progress], None]) -> None:
        self.show = call

    def make_room(self) -> None:
        pass

    def close(self) -> None:
        pass


class Lines:
    """Writes a line now and then: in logs, and on terminals without tqdm."""

    interval = LINE_INTERVAL

    def __init__(self, first: float) -> None:
        self.first = first

    def show(self, progress: Progress) -> None:
        fraction = progress.fraction
        percent = "" if fraction is None or progress.done else f"{fraction:.0%}, "
        write_line(f"S3 {progress.operation}: {percent}{in_words(progress)}")

    def make_room(self) -> None:
        pass

    def close(self) -> None:
        pass


class Bar:
    """A bar of tqdm's on a terminal or in a notebook. It counts from 0 to 1; all that it says in words is ours."""

    interval = REFRESH

    def __init__(self, stream: Any, first: float) -> None:
        self.first = first
        self._stream = _Forgiving(stream)
        self._bar: Any = None
        self._closed = False
        self._lock = threading.Lock()  # a stopped call is closed by one thread while another is still at work

    def show(self, progress: Progress) -> None:
        with self._lock:
            if not self._closed:
                self._try(lambda: self._draw(progress))
            if self._closed:  # meanwhile, by `close`, which could not wait
                self._try(self._end)

    def make_room(self) -> None:
        if self._bar is not None and not self._closed:
            self._try(self._bar.clear)

    def close(self) -> None:
        self._closed = True
        if self._lock.acquire(timeout=REFRESH):  # not without a limit: a terminal may have been stopped by Ctrl-S
            self._try(self._end)
            self._lock.release()

    def _draw(self, progress: Progress) -> None:
        fraction = progress.fraction
        if self._bar is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of notebooks without widgets; they get a bar of text
                from tqdm.auto import tqdm
            # tqdm's monitor thread would redraw the bars of those who do so too rarely.
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
        """Draw; a bar that can't be drawn is given up, because the call matters more."""
        try:
            draw()
        except Exception:
            self._closed = True
            with contextlib.suppress(Exception):
                self._bar.disable = True  # nor does it write when it is collected


class _Forgiving:
    """A stream whose errors are lost. tqdm would keep the lock of all bars when one comes."""

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
