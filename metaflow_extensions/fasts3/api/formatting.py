"""Formats numbers, bytes and seconds for people, in the same units everywhere."""

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
MOST = 2**1000  # bytes that a float can hold; a server may send any number
MINUTE = 59.95  # seconds: longer times would read 60.0 s; they read 1:00 instead


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun: '1 object', '1,000 objects'. The plural of the noun ends in s unless it is given."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def step_of(count: float) -> int:
    """The index in UNITS of the unit for a number of bytes."""
    step = 0
    while step < len(UNITS) - 1 and count >= (1023.95 * 1024**step if step else 1024):  # 1024.0 is 1.0 of the next
        step += 1
    return step


def in_step(count: float, step: int) -> str:
    """A number of bytes in the unit with an index, without the unit's name."""
    if isinstance(count, int) and count >= MOST:
        return f"{count // 1024**step:,}"
    return f"{count / 1024**step:,.1f}" if step else f"{count:.0f}"


def readable(count: float) -> str:
    """A number of bytes: '1 byte', '1.5 MiB'."""
    if isinstance(count, int) and count >= MOST:
        return f"{count:,} bytes"
    step = step_of(count)
    shown = in_step(count, step)
    return f"{shown} {'byte' if shown == '1' and not step else UNITS[step]}"


def duration(seconds: float) -> str:
    """A duration: '4.2 s', '1:05', '2:01:07'."""
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
