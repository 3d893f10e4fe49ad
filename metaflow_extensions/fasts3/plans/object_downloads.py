"""How each object of a plan is downloaded: a small one by one GET, a large one by more of them, for ranges in parallel.

The head of the first response tells the size. That response goes on with its share of the bytes; the others are asked
for at once in pieces, each with If-Match, so that no file is ever put together from two versions of an object. One that
changes meanwhile is begun again, in a new file.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Optional, Protocol, TypeVar

from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.plans.download import Download, Downloaded, LargeObject, Spill
from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.pieces import MAX_OBJECT, PART_SIZE, Piece, pieces
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.tally import Tally
from metaflow_extensions.fasts3.wire.conditions import strong
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import UNKNOWN_LENGTH, GetReply, ObjectInfo

T_co = TypeVar("T_co", covariant=True)

# Responses that are read side by side, about, so that the first response of each object brings its share and no more.
SIDE_BY_SIDE = 8 * processors()
RESTARTS = 3  # an object that changes during four downloads in a row is being written all the time


class _Indexed(Protocol[T_co]):
    """What has something for each index: a list, or a dict of those that are under way."""

    def __getitem__(self, index: int, /) -> T_co: ...


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
        self._large: dict[int, LargeObject] = {}
        self._pieces: dict[int, tuple[int, LargeObject]] = {}  # job number -> index in wanted, the try it belongs to
        self._reading: dict[int, LargeObject] = {}  # index -> the try whose first response goes on
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

    def _ways(self) -> int:
        """Responses that are to bring one object; 0: the first one ends at its limit in any case."""
        return 0

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
            arguments.update(path=path, ways=self._ways())
        if wanted.byte_range:
            arguments["byte_range"] = wanted.byte_range
        return Job(index, "get", wanted.bucket, wanted.key, arguments)

    def _receive_first(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        index, reply = job.number, outcome.reply
        large = self._reading.get(index) if outcome.begun else self._reading.pop(index, None)
        if large:
            return self._receive_share(job, large, outcome)
        if outcome.failure:
            return self._receive_failure(job, outcome.failure)
        nothing_at = self._wanted[index].nothing_at
        if nothing_at is not None:
            return self._receive_nothing(job, nothing_at, reply)
        path = job.arguments.get("path")
        if reply.length == UNKNOWN_LENGTH:
            return self._all_to_a_file(job, reply)
        self._note_reply(index, reply)
        if reply.received < reply.length:
            return self._begin(job, outcome)
        self._count(index, reply.length, reply.received)
        self._large.pop(index, None)
        if path is not None and self._paths[index] is None:  # see `_all_to_a_file`
            path, reply = None, reply._replace(body=self._taken(path)[: reply.length])
        self._finish(index, Downloaded(path, reply))
        return ()

    def _receive_failure(self, job: Job, failure: Failure) -> Iterable[Job]:
        if failure.code is not Code.NOT_FOUND or not self._missing_ok:
            raise JobFailed(job, failure)
        if failure.s3_code != "NoSuchKey":
            self.unproven.add(job.bucket)
        self._count(job.number, 0, 0)
        self._finish(job.number, None)
        return ()

    def _begin(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        """Have others get what the first response will not bring, or has not brought."""
        index, reply, path = job.number, outcome.reply, job.arguments.get("path")
        before = self._large.get(index)
        large = LargeObject(Downloaded(path, reply), before.restarts if before else 0)
        if outcome.begun:
            self._reading[index] = large
        if reply.info.size > MAX_OBJECT:
            raise JobFailed(job, Failure(Code.BROKEN, f"S3 says that the object has {reply.info.size} bytes"))
        self._count(index, reply.length, 0)
        if path is None:
            assert self._spill is not None  # noqa: S101  # for the type checker
            large.result = Downloaded(self._spill.make(reply), reply._replace(body=None))
        self._large[index] = large
        rest = self._rest(index, large, reply.first + reply.received, reply.first + reply.length)
        return rest if outcome.begun else chain(self._receive_share(job, large, outcome), rest)

    def _receive_share(self, job: Job, large: LargeObject, outcome: Outcome) -> Iterable[Optional[Job]]:
        """Take what the first response of a large object brought, now that it is at its end."""
        index, reply = job.number, outcome.reply
        if outcome.begun or self._large.get(index) is not large:  # told twice; or of a try that was given up
            return ()
        large.reading = False
        if large.spoiled:
            return self._begin_again(*large.spoiled, index, large)
        if outcome.failure:
            raise JobFailed(job, outcome.failure)
        if not large.is_of(reply):
            return self._begin_again(job, "", index, large)
        end = large.result.reply.first + large.result.reply.received
        lost = self._rest(index, large, reply.first + reply.received, end)
        return chain(lost, self._take(job, index, large, reply))

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
            self.tally.bytes -= large.received
        self._count(index, 0, 0)
        self._large.pop(index, None)

    def _rest(self, index: int, large: LargeObject, first: int, end: int) -> Iterator[Optional[Job]]:
        """The jobs for some bytes of an object, which are missing from now on."""
        large.missing += -(-(end - first) // self._step)
        return self._jobs(index, large, first, end)

    def _jobs(self, index: int, large: LargeObject, first: int, end: int) -> Iterator[Optional[Job]]:
        for piece in pieces(first, end, self._step):
            while self._goes_on(index, large) and not self._admits(index, piece):
                yield None
            if not self._goes_on(index, large):
                return  # a try that was given up: the others would be fetched in vain
            yield self._piece_job(index, large, piece)

    def _goes_on(self, index: int, large: LargeObject) -> bool:
        return self._large.get(index) is large and not large.spoiled

    def _piece_job(self, index: int, large: LargeObject, piece: Piece) -> Job:
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
        if piece.first == reply.first:  # the first response, which made the file, brought nothing
            arguments["keep"] = True
        return Job(number, "get", self._wanted[index].bucket, self._wanted[index].key, arguments)

    def _receive_piece(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        index, large = self._pieces.pop(job.number)
        if not self._goes_on(index, large):
            return ()  # of a try that was given up
        if outcome.failure:
            if outcome.failure.code in (Code.PRECONDITION, Code.NOT_FOUND, Code.INVALID_RANGE):
                return self._begin_again(job, "", index, large)
            raise JobFailed(job, outcome.failure)
        if not large.is_of(outcome.reply):
            return self._begin_again(job, "", index, large)
        return self._take(job, index, large, outcome.reply)

    def _take(self, job: Job, index: int, large: LargeObject, reply: GetReply) -> Iterable[Job]:
        """Take what one response brought of an object, which may be all that was missing."""
        large.take(reply)
        self.tally.bytes += reply.received
        if large.missing:
            return ()
        compared = large.compared()
        if compared and compared[0] != compared[1]:
            told = f"the object's crc32 is {compared[0]} and that of the bytes that came {compared[1]}"
            return self._begin_again(job, told, index, large)
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

    def _begin_again(self, job: Job, mismatch: str, index: int, large: LargeObject) -> Iterable[Job]:
        if large.reading:  # its job's number is that of the job to come
            large.spoiled = (job, mismatch)
            return ()
        if large.restarts == RESTARTS:
            told = mismatch or f"the object changed during each of {RESTARTS + 1} downloads"
            raise JobFailed(job, Failure(Code.BROKEN if mismatch else Code.PRECONDITION, told, tries=RESTARTS + 1))
        self.tally.bytes -= large.received
        again = self._large[index] = LargeObject(large.result, large.restarts + 1)
        # A new file: pieces of the old try may still be written to the old one.
        path = self._paths[index]
        if path is None and self._spill and large.result.path:
            self._spill.drop(large.result.path)
        return [self._first_job(index, path and f"{path}.{again.restarts}")]


def ways_of(objects: int) -> int:
    """Responses that are to bring each of so many objects."""
    return max(1, SIDE_BY_SIDE // max(1, objects))
