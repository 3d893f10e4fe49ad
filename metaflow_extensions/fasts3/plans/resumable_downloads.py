"""The plan of downloads that continue what an interrupted one has left, and leave what they have when interrupted."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Callable, NamedTuple, Optional, Protocol

from metaflow_extensions.fasts3.plans.download import Download, Downloaded, LargeObject
from metaflow_extensions.fasts3.plans.downloads import Downloads
from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.refusals import Refusals
from metaflow_extensions.fasts3.wire.transfers import GetResponse


class Kept(NamedTuple):
    """What an interrupted download has left."""

    path: str  # the file with the pieces
    response: GetResponse  # the head of its first response; `received` is 0
    pieces: dict[int, tuple[int, int]]  # offset -> CRC-32 and length of each, fewer bytes than the object has


class Record(Protocol):
    """Keeps the pieces of one object for the case of an interruption."""

    data: str  # the path for its bytes
    kept: Optional[Kept]

    def begin(self, path: str, response: GetResponse) -> None:
        """Take the first response to a new download into a file."""

    def note(self, first: int, length: int, crc: int) -> None:
        """Take a complete piece: its offset, length and CRC-32."""


class ResumableDownloads(Downloads):
    """`Plan` for downloads of whole objects into files, of which large ones are recorded.

    The pieces that an interrupted download has left are not requested. Those that are carry If-Match with the ETag of
    the first response, as in any download in pieces. So if the object has changed, it is downloaded again. `record_of`
    returns the record of an object, by its index; None for one that is not worth it. `refusals`
    records the failures of single objects; without it, the first failure ends the plan.
    """

    def __init__(
        self,
        wanted: Sequence[Download],
        paths: Sequence[str],
        record_of: Callable[[int], Optional[Record]],
        step: int = PART_SIZE,
        refusals: Optional[Refusals] = None,
    ) -> None:
        self._files: list[Optional[str]] = list(paths)
        super().__init__(wanted, self._files, step=step)
        self._refusals = refusals
        self._record_of = record_of
        self._records: dict[int, Record] = {}  # of unfinished objects

    def start(self) -> Iterator[Optional[Job]]:
        for index in range(len(self._files)):
            record = self._record_of(index)
            if record:
                self._records[index] = record
                self._files[index] = record.data
            if record and record.kept:
                yield from self._resume(index, record.kept)
            else:
                yield self._first_job(index, self._files[index])

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        index = self._pieces[job.number][0] if job.number in self._pieces else job.number
        try:
            return super().receive(job, outcome)
        except JobFailed as failed:
            if self._refusals is None:
                raise
            self._refusals.note(failed.job, failed.failure)
            self._give_up(index)
            return ()

    def _resume(self, index: int, kept: Kept) -> Iterator[Optional[Job]]:
        large = LargeObject(Downloaded(kept.path, kept.response), missing=0, checksums=dict(kept.pieces), reading=False)
        self._count(index, kept.response.length, large.received)
        self._large[index] = large
        ends = [first + length for first, (_, length) in sorted(kept.pieces.items())]
        gaps = [gap for gap in zip([0, *ends], [*sorted(kept.pieces), kept.response.length]) if gap[0] < gap[1]]
        for jobs in [self._rest(index, large, first, end) for first, end in gaps]:
            yield from jobs

    def _is_recorded(self, index: int) -> bool:
        return index in self._records

    def _note_begun(self, index: int, large: LargeObject) -> None:
        record = self._records.get(index)
        if record and large.result.path:
            record.begin(large.result.path, large.result.response)

    def _note_piece(self, index: int, response: GetResponse) -> None:
        record = self._records.get(index)
        if record and response.received and response.crc is not None:
            record.note(response.first, response.received, response.crc)

    def _finish(self, index: int, result: Optional[Downloaded]) -> None:
        self._records.pop(index, None)
        super()._finish(index, result)
        if self._refusals:
            self._refusals.note_success()
