"""The progress of a call: as values for programs, and as text."""

from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.api.formatting import UNITS, counted, duration, in_step, readable, step_of


class Progress(NamedTuple):
    """
    Progress of a call; the argument of the function given as `S3(progress=...)`.

    Attributes
    ----------
    operation : str
        'get', 'put', 'list', 'info', ... A call that lists objects and then downloads them reports two operations, one
        after the other, each from start to end.
    objects : int
        Number of finished objects.
    total_objects : int or None
        Number of all objects, without duplicates; None while it is not known (listings).
    bytes : int
        Bytes of object data transferred, including unfinished objects.
    total_bytes : int or None
        Bytes of all objects; None while it is not known: for downloads, until S3 has sent the size of each object.
    retries : int
        Number of retries.
    seconds : float
        Seconds since the start of the operation.
    done : bool
        Whether the call has succeeded. A call that fails raises and sends no last `Progress`.
    rate : float
        Bytes per second: an average over the last seconds that weights recent ones more.
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
        """Completed fraction, 0 to 1, of the bytes, or of the objects if no bytes are transferred; None if unknown."""
        if self.total_bytes:
            return min(1.0, self.bytes / self.total_bytes)
        if self.total_objects:
            return min(1.0, self.objects / self.total_objects)
        return None

    @property
    def seconds_left(self) -> Optional[float]:
        """Estimated seconds to the end at the current rate; None if unknown."""
        if self.done:
            return 0.0
        if self.total_bytes and self.rate >= 1:  # a lower rate gives no useful estimate
            return max(0, self.total_bytes - self.bytes) / self.rate
        if self.total_objects and self.objects:
            return (self.total_objects - self.objects) * self.seconds / self.objects
        return None


def in_words(progress: Progress) -> str:
    """The progress as text: '312/1,000 objects, 1.2/4.1 GiB, 98.1 MiB/s, 31.0 s left, 2 retries'."""
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
        parts.append(counted(progress.retries, "retry", "retries"))
    return ", ".join(parts)


def _objects(progress: Progress) -> str:
    total = progress.total_objects
    shown = f"{progress.objects:,}" if progress.done or total is None else f"{progress.objects:,}/{total:,}"
    is_one = (progress.objects if total is None else total) == 1
    if progress.operation == "list":  # listings include directories
        return f"{shown} {'entry' if is_one else 'entries'}"
    return f"{shown} {'object' if is_one else 'objects'}"


def _bytes(progress: Progress) -> str:
    if progress.done or progress.total_bytes is None:
        return readable(progress.bytes)
    step = step_of(progress.total_bytes)
    return f"{in_step(progress.bytes, step)}/{in_step(progress.total_bytes, step)} {UNITS[step]}"
