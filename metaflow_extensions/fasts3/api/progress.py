"""How far a call has come: as values for programs, and as a few words for people."""

from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.api.formatting import UNITS, duration, in_step, readable, step_of


class Progress(NamedTuple):
    """
    How far a call has come; what the callable given as `S3(progress=...)` is called with.

    Attributes
    ----------
    operation : str
        What is done: 'get', 'put', 'list', 'info', ... A call that lists first what it then downloads reports one
        after the other, each from its beginning to its end.
    objects : int
        Objects that are finished.
    total_objects : int or None
        Objects in all, each once however often it is asked for; None where that is not known yet (listings).
    bytes : int
        Bytes of objects that were moved, pieces of unfinished ones included.
    total_bytes : int or None
        Bytes in all; None where that is not known yet: of downloads, until S3 has sent the size of each object.
    retries : int
        Requests that were sent once more.
    seconds : float
        Since the beginning.
    done : bool
        The call has succeeded. A call that fails reports that by its exception only.
    rate : float
        Bytes per second: the average of the last seconds, in which later ones count more.
    """

    operation: str
    objects: int
    total_objects: Optional[int]
    bytes: int
    total_bytes: Optional[int]
    retries: int
    seconds: float
    done: bool
    rate: float = 0.0

    @property
    def fraction(self) -> Optional[float]:
        """How much of it is done, 0 to 1: of the bytes, or of the objects where no bytes are moved; None: not known."""
        if self.total_bytes:
            return min(1.0, self.bytes / self.total_bytes)
        if self.total_objects:
            return min(1.0, self.objects / self.total_objects)
        return None

    @property
    def seconds_left(self) -> Optional[float]:
        """Seconds to the end if it goes on like that; None: not known."""
        if self.done:
            return 0.0
        if self.total_bytes and self.rate >= 1:  # less would give no useful number
            return max(0, self.total_bytes - self.bytes) / self.rate
        if self.total_objects and self.objects:
            return (self.total_objects - self.objects) * self.seconds / self.objects
        return None


def in_words(progress: Progress) -> str:
    """What is done and left, in words: '312/1,000 objects, 1.2/4.1 GiB, 98.1 MiB/s, 31.0 s left, 2 retries'."""
    parts = [_objects(progress)]
    if progress.bytes or progress.total_bytes:
        rate = progress.bytes / progress.seconds if progress.done and progress.seconds else progress.rate
        parts += [_bytes(progress), f"{readable(rate)}/s"]
    left = progress.seconds_left
    if progress.done:
        parts.append(f"in {duration(progress.seconds)}")
    elif left is not None:
        parts.append(f"{duration(left)} left")
    if progress.retries:
        parts.append(f"{progress.retries:,} {'retry' if progress.retries == 1 else 'retries'}")
    return ", ".join(parts)


def _objects(progress: Progress) -> str:
    total = progress.total_objects
    shown = f"{progress.objects:,}" if progress.done or total is None else f"{progress.objects:,}/{total:,}"
    is_one = (progress.objects if total is None else total) == 1
    if progress.operation == "list":  # of directories, too
        return f"{shown} {'entry' if is_one else 'entries'}"
    return f"{shown} {'object' if is_one else 'objects'}"


def _bytes(progress: Progress) -> str:
    if progress.done or progress.total_bytes is None:
        return readable(progress.bytes)
    step = step_of(progress.total_bytes)
    return f"{in_step(progress.bytes, step)}/{in_step(progress.total_bytes, step)} {UNITS[step]}"
