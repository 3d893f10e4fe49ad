"""A terminal of 80 columns that records its output."""

import fcntl
import os
import pty
import struct
import termios


class Terminal:
    """One end is `descriptor`, for a stream or a child; the other is the test's."""

    def __init__(self):
        self._ours, self.descriptor = pty.openpty()
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hang_up()
        os.close(self._ours)

    def hang_up(self):
        """Close the end for writing; a child has its own."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def read_until(self, wanted):
        """Return the output up to this text, or all output when the last writer has ended."""
        text = ""
        while not text or wanted not in text:
            try:
                came = os.read(self._ours, 65536)
            except OSError:  # Linux raises this if no process has the other end open
                return text
            text += came.decode(errors="replace")
        return text

    def rest(self):
        """All output until no process has the other end open."""
        self.hang_up()
        return self.read_until("\0 is never written")
