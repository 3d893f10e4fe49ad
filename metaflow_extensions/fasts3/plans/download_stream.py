"""The plan of downloads that somebody takes one after the other: it is ahead of them, and not too far."""

from collections import deque
from collections.abc import Iterator
from typing import Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.plans.download import Download, Downloaded, Spill
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.look_ahead import LookAhead
from metaflow_extensions.fasts3.plans.object_downloads import ObjectDownloads
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE, Piece
from metaflow_extensions.fasts3.wire.transfers import GetReply


class Wanted(NamedTuple):
    """One object of a stream."""

    number: int  # its place in the stream, counted from 0
    download: Download
    path: Optional[str]  # the local file; None: in memory


class DownloadStream(ObjectDownloads):
    """`Plan` for downloads that become known one after the other.

    Another thread says what is wanted, `want`, that this is all, `end`, and that a result was taken, `look_ahead`.

    Parameters
    ----------
    done : callable
        Takes the index of an object, and what became of it: None where the key is missing.
    look_ahead : LookAhead
    missing_ok : bool
    step : int
    spill : Spill, optional
        See `ObjectDownloads`.
    """

    def __init__(
        self,
        done: Callable[[int, Optional[Downloaded]], None],
        look_ahead: LookAhead,
        missing_ok: bool = False,
        step: int = PART_SIZE,
        spill: Optional[Spill] = None,
    ) -> None:
        self._downloads: dict[int, Download] = {}  # of those under way
        self._begun: deque[int] = deque()  # their indices as they were begun; the first is of one that is under way
        self._local: dict[int, Optional[str]] = {}
        super().__init__(self._downloads, self._local, missing_ok, step, spill)
        self._done = done
        self._ahead = look_ahead
        self._waiting: deque[Wanted] = deque()
        self._ended = False
        self._count_begun = 0

    def want(self, wanted: Wanted) -> None:
        """Ask for one more object."""
        self._waiting.append(wanted)

    def end(self) -> None:
        """There are no more."""
        self._ended = True

    def start(self) -> Iterator[Optional[Job]]:
        while True:
            ended = self._ended  # before the look at what waits: the other thread puts there, and then ends
            if self._waiting and self._ahead.begin(self._waiting[0].number):
                index, download, path = self._waiting.popleft()
                self._downloads[index], self._local[index] = download, path
                self._begun.append(index)
                self._expect(download)
                self._count_begun += 1
                yield self._first_job(index, path)
            elif self._waiting or not ended:
                yield None
            else:
                self._expect_no_more(self._count_begun)
                return

    def _finish(self, index: int, result: Optional[Downloaded]) -> None:
        del self._downloads[index], self._local[index]
        while self._begun and self._begun[0] not in self._downloads:
            self._begun.popleft()
        self._done(index, result)

    def _limit(self, index: int) -> int:
        return min(super()._limit(index), self._ahead.limit())

    def _note_reply(self, index: int, reply: GetReply) -> None:
        self._ahead.begun(index, reply.received, reply.length)

    def _admits(self, index: int, piece: Piece) -> bool:
        # The first that is missing goes on in any case, or nobody would ever be done.
        return self._ahead.go_on(index, piece.length, first=index == self._begun[0])
