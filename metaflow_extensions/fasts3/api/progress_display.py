"""Where progress is shown: a bar, a line that rewrites itself, lines of a task's log, or by a user's callable.

What writes to the terminal never fails: a call does not end because nobody looks at its bar any more.
"""

import contextlib
import os
import sys
import threading
import warnings
from typing import Any, Callable, Optional, Protocol, Union

from metaflow.metaflow_current import current

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception
from metaflow_extensions.fasts3.api.progress import Progress, told

Setting = Union[bool, None, Callable[[Progress], None]]
"""What users give as `S3(progress=...)`."""

PATIENCE = 2.0  # seconds that a call may take before a bar appears
REFRESH = 0.1  # seconds between two states of a bar, and between two calls of a callable
LOG_INTERVAL = 10.0  # seconds between two lines of a log
NARROW = 80  # columns of a terminal that does not tell
BAR = "S3 {operation}: {{percentage:3.0f}}%|{{bar}}| {{desc}}"
NO_BAR = "S3 {operation}: {{desc}}"


class Display(Protocol):
    """Shows the progress of one plan."""

    first: float  # seconds before it is shown for the first time; 0: also that of a call that is over before
    interval: float  # seconds between two looks

    def show(self, progress: Progress) -> None: ...

    def set_aside(self) -> None:
        """Make room for a line that somebody else is about to print."""

    def close(self) -> None:
        """Nothing more will be shown; the cursor is to stand on a line of its own. May come from any thread."""


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
        return Told(setting)
    stream = sys.stderr
    if stream is None or getattr(stream, "closed", False):
        return None
    if _in_kernel(stream) or _is_terminal(stream):
        return Bar(stream, 0.0 if setting else PATIENCE)
    if setting or current.is_running_flow:
        return LogLines(stream, 0.0 if setting else LOG_INTERVAL)
    return None


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, OSError, ValueError):  # hardly a stream at all
        return False


def _in_kernel(stream: Any) -> bool:
    """Whether this is the kernel of a notebook, and no forked child of it, which must not speak to the notebook."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython is not None else None
    return getattr(shell, "kernel", None) is not None and getattr(stream, "_master_pid", os.getpid()) == os.getpid()


class Told:
    """Calls a callable. What it raises ends the call, and is what the user gets."""

    first = 0.0
    interval = REFRESH

    def __init__(self, call: Callable[[Progress], None]) -> None:
        self._call = call

    def show(self, progress: Progress) -> None:
        self._call(progress)

    def set_aside(self) -> None:
        pass

    def close(self) -> None:
        pass


class LogLines:
    """Lines in a log, one now and then, for those who read it later."""

    interval = LOG_INTERVAL

    def __init__(self, stream: Any, first: float) -> None:
        self.first = first
        self._stream = Forgiving(stream)

    def show(self, progress: Progress) -> None:
        fraction = progress.fraction
        percent = "" if fraction is None or progress.done else f"{fraction:.0%}, "
        self._stream.write(f"S3 {progress.operation}: {percent}{told(progress)}\n")
        self._stream.flush()

    def set_aside(self) -> None:
        pass

    def close(self) -> None:
        pass


class Bar:
    """A bar on a terminal or in a notebook: tqdm's where it is installed, else a line that rewrites itself."""

    interval = REFRESH

    def __init__(self, stream: Any, first: float) -> None:
        self.first = first
        self._stream = Forgiving(stream)
        self._drawn: Union[_Tqdm, _Line, None] = None
        self._closed = False
        self._lock = threading.Lock()  # a stopped call is closed by one thread while another is still at work

    def show(self, progress: Progress) -> None:
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._closed:
                return
            if self._drawn is None:
                self._drawn = _drawn(self._stream, progress)
            self._drawn.draw(progress)
            if self._closed:  # meanwhile, by somebody who could not wait
                self._drawn.close()
        except Exception:
            self._closed = True  # a bar that can't be drawn is missed less than the call
        finally:
            self._lock.release()

    def set_aside(self) -> None:
        if self._drawn is not None and not self._closed:
            with contextlib.suppress(Exception):
                self._drawn.clear()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        taken = self._lock.acquire(timeout=REFRESH)  # not for ever: a terminal may have been stopped by Ctrl-S
        try:
            if self._drawn is not None:
                self._drawn.close()
        except Exception:
            self._drawn = None
        finally:
            if taken:
                self._lock.release()


def _drawn(stream: Any, progress: Progress) -> "Union[_Tqdm, _Line]":
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of notebooks without widgets; they get a bar of text
            from tqdm.auto import tqdm
    except Exception:  # not installed, or not for this Python
        return _Line(stream)
    return _Tqdm(tqdm, stream, progress)


class _Tqdm:
    """A bar of tqdm's, which counts from 0 to 1; all that it says in words is ours."""

    def __init__(self, tqdm: Any, stream: Any, progress: Progress) -> None:
        # Its thread would redraw the bars of those who do so too rarely.
        without_monitor: Any = type("Bar", (tqdm,), {"monitor_interval": 0})
        fraction = progress.fraction
        self._bar = without_monitor(
            desc=told(progress),
            total=None if fraction is None else 1.0,
            initial=fraction or 0.0,
            file=stream,
            dynamic_ncols=True,
            bar_format=(NO_BAR if fraction is None else BAR).format(operation=progress.operation),
        )

    def draw(self, progress: Progress) -> None:
        bar = self._bar
        bar.n = (progress.fraction or 0.0) if bar.total else progress.objects
        bar.set_description_str(told(progress))  # and refreshes it

    def clear(self) -> None:
        self._bar.clear()

    def close(self) -> None:
        self._bar.close()


class _Line:
    """A line that rewrites itself."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._width = 0  # characters that are there

    def draw(self, progress: Progress) -> None:
        fraction = progress.fraction
        percent = "" if fraction is None else f"{fraction:4.0%}, "
        self._write(f"S3 {progress.operation}: {percent}{told(progress)}")

    def clear(self) -> None:
        self._write("")
        self._stream.write("\r")

    def close(self) -> None:
        self._stream.write("\n")
        self._stream.flush()

    def _write(self, text: str) -> None:
        cut = text[: self._columns() - 1]  # a line that wraps can't be rewritten
        self._stream.write("\r" + cut.ljust(self._width))
        self._stream.flush()
        self._width = len(cut)

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or NARROW
        except (AttributeError, OSError, ValueError):  # of a notebook, for one
            return NARROW


class Forgiving:
    """A stream that takes it lightly when it can't be written to: closed, or nobody at the other end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        self._try("write", text)

    def flush(self) -> None:
        self._try("flush")

    def _try(self, what: str, *arguments: str) -> None:
        # ValueError: closed, or an encoding that lacks a character.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            getattr(self._stream, what)(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
