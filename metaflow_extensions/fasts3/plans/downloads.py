"""The plan of downloads: one GET for a small object, more ranges in parallel once a large one is known to be large.

The first reply tells the size. What it does not bring is asked for in pieces, each with If-Match, so that no file is
ever put together from two versions of an object; an object that changes meanwhile is begun again, in a new file.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional, Protocol, TypeVar

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.pieces import MAX_OBJECT, PART_SIZE, Piece, pieces
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.refusals import Refusals
from metaflow_extensions.fasts3.plans.tally import Tally
from metaflow_extensions.fasts3.wire.checksums import crc32_of_all, crc32_text
from metaflow_extensions.fasts3.wire.conditions import strong
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import UNKNOWN_LENGTH, GetReply, ObjectInfo

T_co = TypeVar("T_co", covariant=True)

RESTARTS = 3  # an object that changes during four downloads in a row is being written all the time


class Download(NamedTuple):
    """An object, or a range of one, that is wanted."""

    bucket: str
    key: str
    byte_range: Optional[str] = None  # a Range header; None: the whole object
    nothing_at: Optional[int] = None  # no bytes, from this offset: HTTP has no empty range, so HEAD is asked
    size: Optional[int] = None  # bytes of it, where a listing told; for those who watch


class Downloaded(NamedTuple):
    """What became of it."""

    path: Optional[str]  # None: its bytes are in the reply
    reply: GetReply


class _Indexed(Protocol[T_co]):
    """What has something for each index: a list, or a dict of those that are under way."""

    def __getitem__(self, index: int, /) -> T_co: ...


class Spill(Protocol):
    """Files for objects that are wanted in memory and come in pieces."""

    def make(self, reply: GetReply) -> str:
        """Make one for all of an object, with the bytes of the first reply in it; its path."""

    def take(self, path: str) -> bytes:
        """All bytes of one, which is no more then."""

    def drop(self, path: str) -> None:
        """Let one go."""


@dataclass
class _Large:
    """An object that is being downloaded in pieces."""

    result: Downloaded
    missing: int  # pieces that have not come yet
    checksums: dict[int, tuple[Optional[int], int]]  # offset of each piece -> its CRC-32 and its length
    restarts: int = 0


class ObjectDownloads:
    """What plans of downloads have in common: how an object is fetched, whichever they are and whoever wants them.

    Parameters
    ----------
    wanted : indexed Download
    paths : indexed str or None
        The local file of each; None where its bytes are wanted in memory.
    missing_ok : bool
        Whether a key that is not there is a result, None, rather than a failure.
    step : int
        Bytes of a piece.
    spill : Spill, optional
        Where objects come together that are wanted in memory and are larger than a piece.

    Attributes
    ----------
    unproven : set of str
        Buckets of which a bare 404 left open whether they exist.
    """

    def __init__(
        self,
        wanted: _Indexed[Download],
        paths: _Indexed[Optional[str]],
        missing_ok: bool,
        step: int,
        spill: Optional[Spill] = None,
    ) -> None:
        self._wanted = wanted
        self._paths = paths
        self._missing_ok = missing_ok
        self._step = step
        self._spill = spill
        self._large: dict[int, _Large] = {}
        self._pieces: dict[int, tuple[int, _Large]] = {}  # job number -> index in wanted, the try it belongs to
        self._number = 0  # numbers of first requests are indices; those of pieces are below zero
        self.unproven: set[str] = set()
        self._unsized = 0  # objects whose size nobody has told yet
        self._expected = 0  # bytes of the others
        self.tally = Tally("get")

    def _finish(self, index: int, result: Optional[Downloaded]) -> None:
        """Take what became of one that was wanted: None where the key is missing."""
        raise NotImplementedError

    def _expect(self, wanted: Download) -> None:
        """Count on one more."""
        if wanted.size is None:
            self._unsized += 1
        else:
            self._expected += wanted.size

    def _expect_no_more(self, count: int) -> None:
        """Those that were counted on are all."""
        self.tally.total_objects = count
        if not self._unsized:
            self.tally.total_bytes = self._expected

    def _limit(self, index: int) -> int:
        """Bytes that the first request may bring; in memory they pass through a pipe, where they have to fit."""
        return self._step if self._paths[index] is not None else min(self._step, PART_SIZE)

    def _note_reply(self, index: int, reply: GetReply) -> None:
        """See the first reply, which tells the size."""

    def _admits(self, index: int, piece: Piece) -> bool:
        """Whether a piece may be asked for now."""
        return True

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        if job.number in self._pieces:
            return self._receive_piece(job, outcome)
        return self._receive_first(job, outcome)

    def cleanup(self) -> list[Job]:
        return []

    def _first_job(self, index: int, path: Optional[str]) -> Job:
        wanted = self._wanted[index]
        if wanted.nothing_at is not None:
            return Job(index, "head", wanted.bucket, wanted.key)
        arguments: dict[str, Any] = {"limit": self._limit(index)}
        if path is not None:
            arguments["path"] = path
        if wanted.byte_range:
            arguments["byte_range"] = wanted.byte_range
        return Job(index, "get", wanted.bucket, wanted.key, arguments)

    def _receive_first(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        wanted = self._wanted[job.number]
        if outcome.failure:
            if outcome.failure.code is Code.NOT_FOUND and self._missing_ok:
                if outcome.failure.s3_code != "NoSuchKey":
                    self.unproven.add(job.bucket)
                self._count(job.number, 0, 0)
                self._finish(job.number, None)
                return ()
            raise JobFailed(job, outcome.failure)
        if wanted.nothing_at is not None:
            return self._receive_nothing(job, wanted.nothing_at, outcome.reply)
        reply = outcome.reply
        path = job.arguments.get("path")
        if reply.length == UNKNOWN_LENGTH:
            return self._all_to_a_file(job, reply)
        self._note_reply(job.number, reply)
        self._count(job.number, reply.length, reply.received)
        if reply.received == reply.length:
            self._large.pop(job.number, None)
            if path is not None and self._paths[job.number] is None:  # see `_all_to_a_file`
                path, reply = None, reply._replace(body=self._taken(path)[: reply.length])
            self._finish(job.number, Downloaded(path, reply))
            return ()
        if reply.info.size > MAX_OBJECT:
            raise JobFailed(job, Failure(Code.BROKEN, f"S3 says that the object has {reply.info.size} bytes"))
        if path is None:
            assert self._spill is not None  # noqa: S101  # for the type checker
            path, reply = self._spill.make(reply), reply._replace(body=None)
        missing = -(-(reply.length - reply.received) // self._step)
        before = self._large.get(job.number)
        beginning = {reply.first: (reply.crc, reply.received)}
        large = _Large(Downloaded(path, reply), missing, beginning, before.restarts if before else 0)
        self._large[job.number] = large
        return self._rest(job.number, large)

    def _receive_nothing(self, job: Job, offset: int, info: ObjectInfo) -> Iterable[Job]:
        """Take what HEAD said of an object of which no bytes are wanted."""
        if info.size is not None and offset > info.size:
            told = f"the object has {info.size} bytes, none at offset {offset}"
            raise JobFailed(job, Failure(Code.INVALID_RANGE, told))
        path = self._paths[job.number]
        nothing = GetReply(info, offset, 0, 0, body=b"" if path is None else None)
        self._count(job.number, 0, 0)
        self._finish(job.number, Downloaded(path, nothing))
        return ()

    def _all_to_a_file(self, job: Job, reply: GetReply) -> Iterable[Job]:
        """Get an object into a file that is wanted in memory, is large, and whose length the server does not say."""
        assert self._spill is not None  # noqa: S101  # for the type checker
        path = self._spill.make(reply._replace(length=0, body=None))
        return [job._replace(arguments={**job.arguments, "path": path})]

    def _count(self, index: int, length: int, received: int) -> None:
        """Count what the first reply told of an object, in place of what was expected of it."""
        tally = self.tally
        tally.bytes += received
        if received == length:
            tally.objects += 1
        before = self._large.get(index) if self._large else None
        told = before.result.reply.length if before else self._wanted[index].size
        if told is None:
            self._unsized -= 1
            self._expected += length
        elif told != length:
            self._expected += length - told
        if not self._unsized and tally.total_objects is not None:
            tally.total_bytes = self._expected

    def _give_up(self, index: int) -> None:
        """Go on without an object; pieces of it that are under way are not waited for."""
        large = self._large.get(index)
        if large:
            self.tally.bytes -= sum(length for _, length in large.checksums.values())
        self._count(index, 0, 0)
        self._large.pop(index, None)

    def _rest(self, index: int, large: _Large) -> Iterator[Optional[Job]]:
        reply = large.result.reply
        for piece in pieces(reply.first + reply.received, reply.first + reply.length, self._step):
            while self._large.get(index) is large and not self._admits(index, piece):
                yield None
            if self._large.get(index) is not large:
                return  # a try that was given up: the others would be fetched in vain
            yield self._piece_job(index, large, piece)

    def _piece_job(self, index: int, large: _Large, piece: Piece) -> Job:
        self._number = number = self._number - 1
        self._pieces[number] = (index, large)
        reply = large.result.reply
        arguments = {
            "path": large.result.path,
            "position": piece.first - reply.first,
            "byte_range": piece.byte_range,
            "if_match": strong(reply.info.etag),
        }
        if reply.whole_crc:
            arguments["crc"] = True
        return Job(number, "get", self._wanted[index].bucket, self._wanted[index].key, arguments)

    def _receive_piece(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        index, large = self._pieces.pop(job.number)
        if self._large.get(index) is not large:
            return ()  # of a try that was given up
        if outcome.failure:
            if outcome.failure.code in (Code.PRECONDITION, Code.NOT_FOUND, Code.INVALID_RANGE):
                return self._begin_again(job, index, large)
            raise JobFailed(job, outcome.failure)
        first, now = large.result.reply.info, outcome.reply.info
        if (now.etag, now.size) != (first.etag, first.size):  # a server that does not know If-Match
            return self._begin_again(job, index, large)
        large.checksums[outcome.reply.first] = (outcome.reply.crc, outcome.reply.received)
        large.missing -= 1
        self.tally.bytes += outcome.reply.received
        if large.missing:
            return ()
        compared = _compared(large)
        if compared and compared[0] != compared[1]:
            told = f"the object's crc32 is {compared[0]} and that of the bytes that came {compared[1]}"
            return self._begin_again(job, index, large, told)
        path, reply = large.result
        reply = reply._replace(verified="crc32" if compared else None)
        if self._paths[index] is None:
            path, reply = None, reply._replace(body=self._taken(path))
        del self._large[index]
        self.tally.objects += 1
        self._finish(index, Downloaded(path, reply))
        return ()

    def _taken(self, path: Optional[str]) -> bytes:
        assert self._spill is not None  # noqa: S101  # for the type checker
        assert path is not None  # noqa: S101
        return self._spill.take(path)

    def _begin_again(self, job: Job, index: int, large: _Large, mismatch: str = "") -> Iterable[Job]:
        if large.restarts == RESTARTS:
            told = mismatch or f"the object changed during each of {RESTARTS + 1} downloads"
            raise JobFailed(job, Failure(Code.BROKEN if mismatch else Code.PRECONDITION, told, tries=RESTARTS + 1))
        self.tally.bytes -= sum(length for _, length in large.checksums.values())
        large = _Large(large.result, 0, {}, large.restarts + 1)
        self._large[index] = large
        # A new file: pieces of the old try may still be written to the old one.
        path = self._paths[index]
        if path is None and self._spill and large.result.path:
            self._spill.drop(large.result.path)
        return [self._first_job(index, path and f"{path}.{large.restarts}")]


class Downloads(ObjectDownloads):
    """`Plan` for downloads that are all known, and all kept.

    Parameters
    ----------
    wanted : sequence of Download
    paths : sequence of str or None
    missing_ok : bool
    step : int
    spill : Spill, optional
        See `ObjectDownloads`.
    refusals : Refusals, optional
        Takes the failures of single objects. Without it the first one ends the plan.

    Attributes
    ----------
    results : list of Downloaded or None
        One for each wanted, in the same order; None while it has not come, and where the key is missing or it failed.
    """

    def __init__(
        self,
        wanted: Sequence[Download],
        paths: Sequence[Optional[str]],
        missing_ok: bool = False,
        step: int = PART_SIZE,
        spill: Optional[Spill] = None,
        refusals: Optional[Refusals] = None,
    ) -> None:
        super().__init__(wanted, paths, missing_ok, step, spill)
        self._refusals = refusals
        for one in wanted:
            self._expect(one)
        self._expect_no_more(len(wanted))
        self._all_paths = paths
        self.results: list[Optional[Downloaded]] = [None] * len(wanted)

    def start(self) -> Iterator[Optional[Job]]:
        return (self._first_job(index, path) for index, path in enumerate(self._all_paths))

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

    def _finish(self, index: int, result: Optional[Downloaded]) -> None:
        self.results[index] = result
        if self._refusals:
            self._refusals.note_success()


def compared(results: Iterable[Optional[Downloaded]]) -> str:
    """What of the results was compared with what S3 told, as a phrase for the log."""
    counts = Counter(result.reply.verified or "length alone" for result in results if result)
    return ", ".join(f"{name} of {count}" for name, count in sorted(counts.items())) or "nothing"


def _compared(large: _Large) -> Optional[tuple[str, str]]:
    """The CRC-32 that S3 keeps of an object that came in pieces, and that of the bytes; None where one is not known."""
    told = large.result.reply.whole_crc
    pieces = [(crc, length) for _, (crc, length) in sorted(large.checksums.items()) if crc is not None]
    if told is None or len(pieces) < len(large.checksums):
        return None
    return told, crc32_text(crc32_of_all(pieces))
