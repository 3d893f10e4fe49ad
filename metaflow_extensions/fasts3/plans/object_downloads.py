"""Downloads each object of a plan: a small one with one GET, a large one with parallel GETs for ranges.

The head of the first response states the size. That response continues with its share of the bytes. The rest is
requested at once in pieces, each with If-Match, so that no file combines two versions of an object. An object that
changes meanwhile is downloaded again, to a new file.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Optional, Protocol, TypeVar

from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.plans.download import Download, Downloaded, LargeObject, Spill, path_of_restart
from metaflow_extensions.fasts3.plans.jobs import Job, Outcome, of_version
from metaflow_extensions.fasts3.plans.pieces import MAX_OBJECT, PART_SIZE, Piece, pieces
from metaflow_extensions.fasts3.plans.plan import JobFailed, Plan
from metaflow_extensions.fasts3.plans.tally import Tally
from metaflow_extensions.fasts3.wire.conditions import strong
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import UNKNOWN_LENGTH, GetResponse, ObjectInfo

T_co = TypeVar("T_co", covariant=True)

# Approximate number of parallel responses for each processor; an object's first response brings a share that fits it.
SIDE_BY_SIDE = 8
RESTARTS = 3  # an object that changes during four downloads is written continuously


class _Indexed(Protocol[T_co]):
    """Has an item per index: a list, or a dict of unfinished downloads."""

    def __getitem__(self, index: int, /) -> T_co: ...

    def __len__(self) -> int: ...


class ObjectDownloads(Plan):
    """How plans of downloads get an object, shared by all of them.

    `paths` are local files; None: in memory. With `missing_ok`, a missing key results in None instead of a failure. A
    piece has `step` bytes. `spill` creates files for objects that are requested in memory and larger than a piece.
    `unverified_buckets` may not exist: the 404 of a HEAD has no error code.
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
        self._pieces: dict[int, tuple[int, LargeObject]] = {}  # job number -> index in wanted, and the attempt
        self._reading: dict[int, LargeObject] = {}  # index -> the attempt whose first response continues
        self._side_by_side = SIDE_BY_SIDE * processors()
        self._number = 0  # first requests have their index as number; pieces have negative numbers
        self.unverified_buckets: set[str] = set()
        self._unsized = 0  # objects of unknown size
        self._expected = 0  # bytes of the other objects
        self.tally = Tally("get")

    def _finish(self, index: int, result: Optional[Downloaded]) -> None:
        """Take an object's result: None if the key does not exist."""
        raise NotImplementedError

    def _expect(self, wanted: Download) -> None:
        """Count another expected object."""
        if wanted.size is None:
            self._unsized += 1
        else:
            self._expected += wanted.size

    def _expect_no_more(self, count: int) -> None:
        """Record that all objects were counted."""
        self.tally.total_objects = count
        if not self._unsized:
            self.tally.total_bytes = self._expected

    def _limit(self, index: int) -> int:
        """Return the bytes of the first request; objects in memory pass through a pipe, and must fit into a frame."""
        return self._step if self._paths[index] is not None else min(self._step, PART_SIZE)

    def _ways(self) -> int:
        """Return the number of responses that share an object; 0: the first one ends at its limit."""
        return max(1, self._side_by_side // len(self._wanted))

    def _note_response(self, index: int, response: GetResponse) -> None:
        """Receive the first response, which states the size."""

    def _admits(self, index: int, piece: Piece) -> bool:
        """Whether a piece may be requested now."""
        return True

    def _is_recorded(self, index: int) -> bool:
        """Whether the pieces of an object are recorded, with their CRC-32s."""
        return False

    def _note_begun(self, index: int, large: LargeObject) -> None:
        """Receive an object that arrives in pieces."""

    def _note_piece(self, index: int, response: GetResponse) -> None:
        """Receive a complete piece of it."""

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        if job.number in self._pieces:
            return self._receive_piece(job, outcome)
        return self._receive_first(job, outcome)

    def _first_job(self, index: int, path: Optional[str]) -> Job:
        wanted = self._wanted[index]
        version = of_version(wanted.version_id)
        if wanted.nothing_at is not None:
            return Job(index, "head", wanted.bucket, wanted.key, version)
        arguments: dict[str, Any] = {"limit": self._limit(index), **version}
        if path is not None:
            arguments.update(path=path, ways=self._ways())
        if self._is_recorded(index):
            arguments["crc"] = True
        if wanted.byte_range:
            arguments["byte_range"] = wanted.byte_range
        return Job(index, "get", wanted.bucket, wanted.key, arguments)

    def _receive_first(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        index, response = job.number, outcome.result
        large = self._reading.get(index) if outcome.begun else self._reading.pop(index, None)
        if large:
            return self._receive_share(job, large, outcome)
        if outcome.failure:
            return self._receive_failure(job, outcome.failure)
        nothing_at = self._wanted[index].nothing_at
        if nothing_at is not None:
            return self._receive_nothing(job, nothing_at, response)
        path = job.arguments.get("path")
        if response.length == UNKNOWN_LENGTH:
            return self._all_to_a_file(job, response)
        self._note_response(index, response)
        if response.received < response.length:
            return self._begin(job, outcome)
        self._count(index, response.length, response.received)
        self._large.pop(index, None)
        if path is not None and self._paths[index] is None:  # see `_all_to_a_file`
            path, response = None, response._replace(body=self._taken(path)[: response.length])
        self._finish(index, Downloaded(path, response))
        return ()

    def _receive_failure(self, job: Job, failure: Failure) -> Iterable[Job]:
        if failure.code is not Code.NOT_FOUND or not self._missing_ok:
            raise JobFailed(job, failure)
        if failure.s3_code != "NoSuchKey":
            self.unverified_buckets.add(job.bucket)
        self._count(job.number, 0, 0)
        self._finish(job.number, None)
        return ()

    def _begin(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        """Request the bytes that the first response will not bring or has not brought."""
        index, response, path = job.number, outcome.result, job.arguments.get("path")
        before = self._large.get(index)
        large = LargeObject(Downloaded(path, response), before.restarts if before else 0)
        if outcome.begun:
            self._reading[index] = large
        if response.info.size > MAX_OBJECT:
            message = f"the response has an impossible size of {response.info.size} bytes"
            raise JobFailed(job, Failure(Code.BROKEN, message))
        self._count(index, response.length, 0)
        if path is None:
            assert self._spill is not None  # noqa: S101  # for the type checker
            large.result = Downloaded(self._spill.make(response), response._replace(body=None))
        self._large[index] = large
        self._note_begun(index, large)
        rest = self._rest(index, large, response.first + response.received, response.first + response.length)
        return rest if outcome.begun else chain(self._receive_share(job, large, outcome), rest)

    def _receive_share(self, job: Job, large: LargeObject, outcome: Outcome) -> Iterable[Optional[Job]]:
        """Take the result of a large object's first response, which has ended."""
        index, response = job.number, outcome.result
        if outcome.begun or self._large.get(index) is not large:  # reported twice, or of an abandoned attempt
            return ()
        large.reading = False
        if large.spoiled:
            return self._begin_again(*large.spoiled, index, large)
        if outcome.failure:
            raise JobFailed(job, outcome.failure)
        if not large.is_of(response):
            return self._begin_again(job, "", index, large)
        end = large.result.response.first + large.result.response.received
        lost = self._rest(index, large, response.first + response.received, end)
        return chain(lost, self._take(job, index, large, response))

    def _receive_nothing(self, job: Job, offset: int, info: ObjectInfo) -> Iterable[Job]:
        """Take the HEAD's result for an empty range."""
        if info.size is not None and offset > info.size:
            message = f"the object has {info.size} bytes, none at offset {offset}"
            raise JobFailed(job, Failure(Code.INVALID_RANGE, message))
        path = self._paths[job.number]
        nothing = GetResponse(info, offset, 0, 0, body=b"" if path is None else None)
        self._count(job.number, 0, 0)
        self._finish(job.number, Downloaded(path, nothing))
        return ()

    def _all_to_a_file(self, job: Job, response: GetResponse) -> Iterable[Job]:
        """Download a large object of unknown length to a file, although it was requested in memory."""
        assert self._spill is not None  # noqa: S101  # for the type checker
        path = self._spill.make(response._replace(length=0, body=None))
        return [job._replace(arguments={**job.arguments, "path": path})]

    def _count(self, index: int, length: int, received: int) -> None:
        """Count the size in the first response, in place of the expected one."""
        tally = self.tally
        tally.bytes += received
        if received == length:
            tally.objects += 1
        before = self._large.get(index) if self._large else None
        expected = before.result.response.length if before else self._wanted[index].size
        if expected is None:
            self._unsized -= 1
            self._expected += length
        elif expected != length:
            self._expected += length - expected
        if not self._unsized and tally.total_objects is not None:
            tally.total_bytes = self._expected

    def _give_up(self, index: int) -> None:
        """Continue without an object, and without waiting for its pieces."""
        large = self._large.get(index)
        if large:
            self.tally.bytes -= large.received
        self._count(index, 0, 0)
        self._large.pop(index, None)

    def _rest(self, index: int, large: LargeObject, first: int, end: int) -> Iterator[Optional[Job]]:
        """Return jobs for more bytes of an object, and count them as missing."""
        large.missing += -(-(end - first) // self._step)
        return self._jobs(index, large, first, end)

    def _jobs(self, index: int, large: LargeObject, first: int, end: int) -> Iterator[Optional[Job]]:
        for piece in pieces(first, end, self._step):
            while self._goes_on(index, large) and not self._admits(index, piece):
                yield None
            if not self._goes_on(index, large):
                return  # abandoned: the other pieces are not needed
            yield self._piece_job(index, large, piece)

    def _goes_on(self, index: int, large: LargeObject) -> bool:
        return self._large.get(index) is large and not large.spoiled

    def _piece_job(self, index: int, large: LargeObject, piece: Piece) -> Job:
        self._number = number = self._number - 1
        self._pieces[number] = (index, large)
        response, wanted = large.result.response, self._wanted[index]
        arguments: dict[str, Any] = {
            "path": large.result.path,
            "position": piece.first - response.first,
            "byte_range": piece.byte_range,
            "if_match": strong(response.info.etag),
            **of_version(wanted.version_id),
        }
        if response.whole_crc or self._is_recorded(index):
            arguments["crc"] = True
        if piece.first == response.first:  # the first response, which created the file, brought nothing
            arguments["keep"] = True
        return Job(number, "get", wanted.bucket, wanted.key, arguments)

    def _receive_piece(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        index, large = self._pieces.pop(job.number)
        if not self._goes_on(index, large):
            return ()  # of an abandoned attempt
        if outcome.failure:
            if outcome.failure.code in (Code.PRECONDITION, Code.NOT_FOUND, Code.INVALID_RANGE):
                return self._begin_again(job, "", index, large)
            raise JobFailed(job, outcome.failure)
        if not large.is_of(outcome.result):
            return self._begin_again(job, "", index, large)
        return self._take(job, index, large, outcome.result)

    def _take(self, job: Job, index: int, large: LargeObject, response: GetResponse) -> Iterable[Job]:
        """Take the result of one response, which may complete the object."""
        large.take(response)
        self._note_piece(index, response)
        self.tally.bytes += response.received
        if large.missing:
            return ()
        compared = large.compared()
        if compared and compared[0] != compared[1]:
            mismatch = f"CRC32 checksum mismatch: expected {compared[0]}, received {compared[1]}"
            return self._begin_again(job, mismatch, index, large)
        path, response = large.result
        response = response._replace(verified="crc32" if compared else None)
        if self._paths[index] is None:
            path, response = None, response._replace(body=self._taken(path))
        del self._large[index]
        self.tally.objects += 1
        self._finish(index, Downloaded(path, response))
        return ()

    def _taken(self, path: Optional[str]) -> bytes:
        assert self._spill is not None  # noqa: S101  # for the type checker
        assert path is not None  # noqa: S101
        return self._spill.take(path)

    def _begin_again(self, job: Job, mismatch: str, index: int, large: LargeObject) -> Iterable[Job]:
        if large.reading:  # the new first job will have its number
            large.spoiled = (job, mismatch)
            return ()
        if large.restarts == RESTARTS:
            message = mismatch or f"the object changed during each of {RESTARTS + 1} downloads"
            raise JobFailed(job, Failure(Code.BROKEN if mismatch else Code.PRECONDITION, message, tries=RESTARTS + 1))
        self.tally.bytes -= large.received
        again = self._large[index] = LargeObject(large.result, large.restarts + 1)
        # A new file: the old attempt's pieces may still be written to the old one.
        path = self._paths[index]
        if path is None and self._spill and large.result.path:
            self._spill.drop(large.result.path)
        return [self._first_job(index, path and path_of_restart(path, again.restarts))]
