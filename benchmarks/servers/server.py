"""The interface of the servers: start and stop, and store and check objects without the compared clients."""

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Optional

from .place import Place


class Server(ABC):
    """A server with one bucket, for as long as the ``with`` block runs.

    Parameters
    ----------
    scratch : Path
        A writable directory; servers of one kind share their files.
    """

    place: Place

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch

    @abstractmethod
    def __enter__(self) -> "Server":
        """Start it, and return when it responds."""

    @abstractmethod
    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        """Stop it, whatever happened."""

    @abstractmethod
    def fill(self, prefix: str, objects: int, size: int) -> None:
        """Store a set of objects, unless it exists."""

    def check(self, prefix: str, objects: int, size: int) -> None:
        """Raise `benchmarks.calls.WrongResult` unless exactly this set of objects was uploaded."""
        raise NotImplementedError(f"nothing can be uploaded to {type(self).__name__}")

    def remove(self, prefix: str) -> None:
        """Delete a set of objects."""
        raise NotImplementedError(f"nothing can be uploaded to {type(self).__name__}")
