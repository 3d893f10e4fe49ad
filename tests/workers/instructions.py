"""Interrupts the main thread before any of its instructions, as Ctrl-C and a timeout may."""

import sys
from contextlib import suppress


class Stopped(Exception):
    """Raised in the main thread."""


def stopped_before(instruction, modules, function):
    """Call a function, and raise `Stopped` before the n-th instruction of these modules in this thread.

    Returns
    -------
    bool
        Whether it came to that.
    """
    files = {module.__file__ for module in modules}
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if frame.f_code.co_filename not in files:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            count += 1
            if count == instruction:
                raise Stopped
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(Stopped):
            function()
    finally:
        sys.settrace(before)
    return count >= instruction
