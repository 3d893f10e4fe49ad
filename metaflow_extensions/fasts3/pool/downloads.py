"""The plan of downloads: one GET for a small object, more ranges in parallel once a large one is known to be large.

The first reply tells the size. What it does not bring is asked for in pieces, each with If-Match, so that no file is
ever put together from two versions of an object; an object that changes meanwhile is begun again, in a new file.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

from metaflow_extensions.fasts3.pool.messages import Job, Outcome
from metaflow_extensions.fasts3.pool.plan import JobFailed
from metaflow_extensions.fasts3.pool.planning import MAX_OBJECT, PART_SIZE, Piece, pieces
from metaflow_extensions.fasts3.wire.checksums import crc32_of_all, crc32_text
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import GetReply

RESTARTS = 3  # an object that changes during four downloads in a row is being written all the time


class Download(NamedTuple):
    """An object, or a range of one, that is wanted."""

    bucket: str
    key: str
    byte_range: Optional[str] = None  # a Range header; None: the whole object
    nothing_at: Optional[int] = None  # no bytes, from this offset: HTTP has no empty range, so HEAD is asked


class Downloaded(NamedTuple):
    """What became of it."""

    path: str
    reply: GetReply


@dataclass
class _Large:
    """An object that is being downloaded in pieces."""

    result: Downloaded
    missing: int  # pieces that have not come yet
    checksums: dict[int, tuple[Optional[int], int]]  # offset of each piece -> its CRC-32 and its length
    restarts: int = 0


class Downloads:
    """`Plan` for downloads.

    Parameters
    ----------
    wanted : sequence of Download
    paths : sequence of str
        The local file of each.
    missing_ok : bool
        Whether a key that is not there is a result, None, rather than a failure.
    step : int
        Bytes of a piece.

    Attributes
    ----------
    results : list of Downloaded or None
        One for each wanted, in the same order; None while it has not come and where the key is missing.
    unproven : set of str
        Buckets of which a bare 404 left open whether they exist.
    """

    def __init__(
        self, wanted: Sequence[Download], paths: Sequence[str], missing_ok: bool = False, step: int = PART_SIZE
    ) -> None:
        self._wanted = wanted
        self._paths = paths
        self._missing_ok = missing_ok
        self._step = step
        self._large: dict[int, _Large] = {}
        self._pieces: dict[int, tuple[int, _Large]] = {}  # job number -> index in wanted, the try it belongs to
        self._number = len(wanted)  # job numbers below are first requests, the others are pieces
        self.results: list[Optional[Downloaded]] = [None] * len(wanted)
        self.unproven: set[str] = set()

    def compared(self) -> str:
        """What of the results was compared with what S3 told, as a phrase for the log."""
        counts = Counter(result.reply.verified or "length alone" for result in self.results if result)
        return ", ".join(f"{name} of {count}" for name, count in sorted(counts.items())) or "nothing"

    def start(self) -> Iterator[Job]:
        return (self._first_job(index, path) for index, path in enumerate(self._paths))

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if job.number in self._pieces:
            return self._receive_piece(job, outcome)
        return self._receive_first(job, outcome)

    def cleanup(self) -> list[Job]:
        return []

    def _first_job(self, index: int, path: str) -> Job:
        wanted = self._wanted[index]
        if wanted.nothing_at is not None:
            return Job(index, "head", wanted.bucket, wanted.key)
        arguments: dict[str, Any] = {"path": path, "limit": self._step}
        if wanted.byte_range:
            arguments["byte_range"] = wanted.byte_range
        return Job(index, "get", wanted.bucket, wanted.key, arguments)

    def _receive_first(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        wanted = self._wanted[job.number]
        if outcome.failure:
            if outcome.failure.code is Code.NOT_FOUND and self._missing_ok:
                if outcome.failure.s3_code != "NoSuchKey":
                    self.unproven.add(job.bucket)
                return ()
            raise JobFailed(job, outcome.failure)
        if wanted.nothing_at is not None:
            info = outcome.reply
            if wanted.nothing_at > info.size:
                told = f"the object has {info.size} bytes, none at offset {wanted.nothing_at}"
                raise JobFailed(job, Failure(Code.INVALID_RANGE, told))
            self.results[job.number] = Downloaded(self._paths[job.number], GetReply(info, wanted.nothing_at, 0, 0))
            return ()
        reply = outcome.reply
        result = Downloaded(job.arguments["path"], reply)
        if reply.received == reply.length:
            self.results[job.number] = result
            return ()
        if reply.info.size > MAX_OBJECT:
            raise JobFailed(job, Failure(Code.BROKEN, f"S3 says that the object has {reply.info.size} bytes"))
        missing = -(-(reply.length - reply.received) // self._step)
        before = self._large.get(job.number)
        beginning = {reply.first: (reply.crc, reply.received)}
        large = _Large(result, missing, beginning, before.restarts if before else 0)
        self._large[job.number] = large
        return self._rest(job.number, large)

    def _rest(self, index: int, large: _Large) -> Iterator[Job]:
        reply = large.result.reply
        for piece in pieces(reply.first + reply.received, reply.first + reply.length, self._step):
            if self._large.get(index) is not large:
                return  # a try that was given up: the others would be fetched in vain
            yield self._piece_job(index, large, piece)

    def _piece_job(self, index: int, large: _Large, piece: Piece) -> Job:
        number = self._number
        self._number += 1
        self._pieces[number] = (index, large)
        reply = large.result.reply
        arguments = {
            "path": large.result.path,
            "position": piece.first - reply.first,
            "byte_range": piece.byte_range,
            "if_match": reply.info.etag or None,
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
        if large.missing:
            return ()
        compared = _compared(large)
        if compared and compared[0] != compared[1]:
            told = f"the object's crc32 is {compared[0]} and that of the bytes that came {compared[1]}"
            return self._begin_again(job, index, large, told)
        path, reply = large.result
        self.results[index] = Downloaded(path, reply._replace(verified="crc32" if compared else None))
        del self._large[index]
        return ()

    def _begin_again(self, job: Job, index: int, large: _Large, mismatch: str = "") -> Iterable[Job]:
        if large.restarts == RESTARTS:
            told = mismatch or f"the object changed during each of {RESTARTS + 1} downloads"
            raise JobFailed(job, Failure(Code.BROKEN if mismatch else Code.PRECONDITION, told, tries=RESTARTS + 1))
        large = _Large(large.result, 0, {}, large.restarts + 1)
        self._large[index] = large
        # A new file: pieces of the old try may still be written to the old one.
        return [self._first_job(index, f"{self._paths[index]}.{large.restarts}")]


def _compared(large: _Large) -> Optional[tuple[str, str]]:
    """The CRC-32 that S3 keeps of an object that came in pieces, and that of the bytes; None where one is not known."""
    told = large.result.reply.whole_crc
    pieces = [(crc, length) for _, (crc, length) in sorted(large.checksums.items()) if crc is not None]
    if told is None or len(pieces) < len(large.checksums):
        return None
    return told, crc32_text(crc32_of_all(pieces))
