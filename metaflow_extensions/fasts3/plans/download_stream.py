"""The plan of downloads that a caller consumes in order: it downloads ahead, within a limit."""

from collections import deque
from collections.abc import Iterator
from typing import Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.plans.download import Download, Downloaded, Spill
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.look_ahead import LookAhead
from metaflow_extensions.fasts3.plans.object_downloads import ObjectDownloads
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE, Piece
from metaflow_extensions.fasts3.wire.transfers import GetResponse


class StreamedDownload(NamedTuple):
    """One object of a stream."""

    number: int  # position in the stream, from 0
    download: Download
    path: Optional[str]  # the local file; None: in memory


class DownloadStream(ObjectDownloads):
    """`Plan` for downloads that become known one by one.

    Another thread calls `want` for each object, `end` after the last one, and reports consumed results to `look_ahead`.
    `done` takes an object's index and result; the result is None if the key does not exist.
    """

    def __init__(
        self,
        done: Callable[[int, Optional[Downloaded]], None],
        look_ahead: LookAhead,
        missing_ok: bool = False,
        step: int = PART_SIZE,
        spill: Optional[Spill] = None,
    ) -> None:
        self._downloads: dict[int, Download] = {}  # unfinished downloads
        self._begun: deque[int] = deque()  # indices in starting order; the first one is always unfinished
        self._local: dict[int, Optional[str]] = {}
        super().__init__(self._downloads, self._local, missing_ok, step, spill)
        self._done = done
        self._ahead = look_ahead
        self._waiting: deque[StreamedDownload] = deque()
        self._ended = False
        self._count_begun = 0

    def want(self, wanted: StreamedDownload) -> None:
        """Request another object."""
        self._waiting.append(wanted)

    def end(self) -> None:
        """Declare that no more objects follow."""
        self._ended = True

    def start(self) -> Iterator[Optional[Job]]:
        while True:
            ended = self._ended  # read before checking the queue: the other thread appends, then ends
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

    def _ways(self) -> int:
        return 0  # the look-ahead admits each piece on its own

    def _note_response(self, index: int, response: GetResponse) -> None:
        self._ahead.begun(index, response.received, response.length)

    def _admits(self, index: int, piece: Piece) -> bool:
        # The first missing object always proceeds, or the stream would stall.
        return self._ahead.go_on(index, piece.length, first=index == self._begun[0])
