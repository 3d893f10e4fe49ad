"""The package's logger, `metaflow_fasts3`. A log record that can't be written is dropped: no call fails for it."""

import contextlib
import logging


class _Forgiving(logging.Logger):
    """Ignores handlers' exceptions. Python's default handler raises if stderr is closed."""

    def handle(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            super().handle(record)


log = logging.getLogger("metaflow_fasts3")
log.__class__ = _Forgiving  # users may already have a reference, so it can't be created with this class
