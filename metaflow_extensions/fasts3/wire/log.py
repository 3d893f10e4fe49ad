"""The log of this package, `metaflow_fasts3`. What can't be written is lost: no call fails for it."""

import contextlib
import logging


class _Forgiving(logging.Logger):
    """Ignores what handlers raise. The one that Python uses by default raises where stderr is closed."""

    def handle(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            super().handle(record)


log = logging.getLogger("metaflow_fasts3")
log.__class__ = _Forgiving  # users may have got it before, so it can't be made as one
