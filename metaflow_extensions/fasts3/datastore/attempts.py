"""What Metaflow asks of a task, one object after another, when it opens its data; here it is loaded at once.

`TaskDataStore` looks for the attempts (0.attempt.json, 1.attempt.json, ...) until one is missing, then whether the last
one is done (0.DONE.lock), then loads 0.data.json. Most tasks have one attempt, so with the first question all four are
known to come.
"""

import re
import time
from collections.abc import Mapping
from typing import Optional

from metaflow_extensions.fasts3.datastore.blobs import Blob

FIRST = re.compile(r"(.*/)0\.attempt\.json")
NEXT = ("0.attempt.json", "1.attempt.json", "0.DONE.lock", "0.data.json")
VALID = 2.0  # seconds; the next questions follow at once


def opened_with(path: str) -> list[str]:
    """Give the objects that are asked for one after another, this one first; none if it is not the first of a task."""
    first = FIRST.fullmatch(path)
    return [first[1] + name for name in NEXT] if first else []


class Ahead:
    """Objects that have been loaded, each of which answers one question. Whoever asks again wants to know anew.

    Parameters
    ----------
    objects : mapping of str to Blob or None
        By path; None where there is none.
    """

    def __init__(self, objects: Mapping[str, Optional[Blob]]) -> None:
        self._objects = dict(objects)
        self._until = time.monotonic() + VALID

    def exists(self, path: str) -> Optional[bool]:
        """Whether there is an object; None if that has to be asked."""
        if not self._knows(path):
            return None
        return self._objects.pop(path) is not None

    def content(self, path: str) -> Optional[Blob]:
        """Give an object; None if it has to be loaded, as one that was missing: it may have come meanwhile."""
        return self._objects.pop(path, None) if self._knows(path) else None

    def _knows(self, path: str) -> bool:
        return path in self._objects and time.monotonic() < self._until
