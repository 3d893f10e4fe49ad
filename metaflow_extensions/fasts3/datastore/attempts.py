"""Loads the objects that Metaflow reads when it opens a task's data together, instead of one after another.

`TaskDataStore` checks the attempts (0.attempt.json, 1.attempt.json, ...) until one is missing, then whether the last
one is done (0.DONE.lock), then loads 0.data.json. Most tasks have one attempt, so the first check implies all four.
"""

import re
import time
from collections.abc import Mapping
from typing import Optional

from metaflow_extensions.fasts3.datastore.blobs import Blob

FIRST = re.compile(r"(.*/)0\.attempt\.json")
NEXT = ("0.attempt.json", "1.attempt.json", "0.DONE.lock", "0.data.json")
VALID = 2.0  # seconds; the next checks follow immediately


def opened_with(path: str) -> list[str]:
    """Return the objects that Metaflow reads in sequence, beginning with this one; none if it is not the first."""
    first = FIRST.fullmatch(path)
    return [first[1] + name for name in NEXT] if first else []


class Preloaded:
    """Objects loaded in advance, by path; None for missing ones. Each is used once; a second read requests it again."""

    def __init__(self, objects: Mapping[str, Optional[Blob]]) -> None:
        self._objects = dict(objects)
        self._until = time.monotonic() + VALID

    def exists(self, path: str) -> Optional[bool]:
        """Whether an object exists; None if a request is needed."""
        if not self._knows(path):
            return None
        return self._objects.pop(path) is not None

    def content(self, path: str) -> Optional[Blob]:
        """Return an object; None if a request is needed, also for a missing one, which may exist by now."""
        return self._objects.pop(path, None) if self._knows(path) else None

    def _knows(self, path: str) -> bool:
        return path in self._objects and time.monotonic() < self._until
