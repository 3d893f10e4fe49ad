"""The plan of uploads: one PUT for a small object, a multipart upload with parallel parts for a large one.

With `only_if_absent` a HEAD comes first, and the upload itself carries If-None-Match: *, so that nothing is overwritten
even in a race. Only 'not there' lets an upload begin; any other answer than 'there' is a failure. Where If-None-Match
does not hold, what is there may be ours, of a try whose reply was lost: a second HEAD tells by the ETag.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.pool.etags import etag_of_bytes, etag_of_file, etag_of_parts
from metaflow_extensions.fasts3.pool.messages import Buffer, Job, Outcome
from metaflow_extensions.fasts3.pool.plan import JobFailed
from metaflow_extensions.fasts3.pool.planning import PART_SIZE, Piece, part_size, pieces
from metaflow_extensions.fasts3.wire.failures import Code
from metaflow_extensions.fasts3.wire.local_files import Version
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo, PutHeaders

RESTARTS = 2  # of an upload that vanished on the server, or that it refuses for an object that it does not know

_CONTRADICTION = "S3 will not store it because it exists, and says that it does not exist"


class Upload(NamedTuple):
    """An object to be stored, from a file or from memory."""

    bucket: str
    key: str
    size: int  # bytes
    headers: PutHeaders = PutHeaders()
    path: Optional[str] = None  # the local file; or
    data: Optional[bytes] = None  # the bytes; or
    read: Optional[Callable[[Piece], Buffer]] = None  # what gives them
    version: Optional[Version] = None  # of the local file; parts of two versions must not become one object


@dataclass
class _Multipart:
    """A multipart upload that is open on the server."""

    upload_id: str
    parts: list[Optional[dict[str, str]]]
    missing: int


class Uploads:
    """`Plan` for uploads.

    Parameters
    ----------
    uploads : sequence of Upload
    only_if_absent : bool
        Leave alone what exists.
    step : int
        Bytes up to which an object is one PUT, and the least size of a part.

    Attributes
    ----------
    stored : list of bool
        One for each upload, in the same order: True once it is stored, False where the key existed.
    """

    def __init__(self, uploads: Sequence[Upload], only_if_absent: bool = False, step: int = PART_SIZE) -> None:
        self._uploads = uploads
        self._absent = only_if_absent
        self._conditional = [only_if_absent] * len(uploads)  # False once the server said that it can't
        self._step = step
        self._open: dict[int, _Multipart] = {}
        self._restarts: Counter[int] = Counter()
        self._compared: Counter[int] = Counter()  # a server may say that it is there, and that it is not, for ever
        self._indices: dict[int, int] = {}  # job number -> index in uploads
        self._whose: dict[int, str] = {}  # job number of a HEAD that compares -> the ETag that would be ours
        self._number = 0
        self.stored: list[bool] = [False] * len(uploads)

    def start(self) -> Iterator[Job]:
        first = self._head if self._absent else self._begin
        return (first(index) for index in range(len(self._uploads)))

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        index = self._indices.pop(job.number)
        if outcome.failure:
            return self._failed(index, job, outcome)
        follow: dict[str, Callable[[int, Job, Any], Iterable[Job]]] = {
            "head": self._exists,
            "put": self._done,
            "create_upload": self._created,
            "upload_part": self._part_done,
            "complete_upload": self._done,
            "abort_upload": lambda *_: (),
        }
        return follow[job.operation](index, job, outcome.reply)

    def cleanup(self) -> list[Job]:
        return [self._job(index, "abort_upload", upload_id=open_.upload_id) for index, open_ in self._open.items()]

    def _job(self, index: int, operation: str, body: Optional[Buffer] = None, **arguments: Any) -> Job:
        number = self._number
        self._number += 1
        self._indices[number] = index
        upload = self._uploads[index]
        return Job(number, operation, upload.bucket, upload.key, arguments, body)

    def _head(self, index: int) -> Job:
        return self._job(index, "head")

    def _begin(self, index: int) -> Job:
        upload = self._uploads[index]
        if upload.size > self._step:
            return self._job(index, "create_upload", headers=upload.headers)
        arguments: dict[str, Any] = {"headers": upload.headers}
        if self._conditional[index]:
            arguments["only_if_absent"] = True
        if upload.path is not None:
            return self._job(index, "put", path=upload.path, **arguments)
        return self._job(index, "put", _body(upload, Piece(0, upload.size)), **arguments)

    def _created(self, index: int, job: Job, upload_id: str) -> Iterable[Job]:
        upload = self._uploads[index]
        cut = list(pieces(0, upload.size, part_size(upload.size, self._step)))
        open_ = self._open[index] = _Multipart(upload_id, [None] * len(cut), len(cut))
        return self._parts(index, open_, cut)

    def _parts(self, index: int, open_: _Multipart, cut: list[Piece]) -> Iterator[Job]:
        for number, piece in enumerate(cut, 1):
            if self._open.get(index) is not open_:
                return  # a try that was given up: the others would be sent in vain
            yield self._part(index, open_.upload_id, number, piece)

    def _part(self, index: int, upload_id: str, number: int, piece: Piece) -> Job:
        upload = self._uploads[index]
        if upload.path is None:
            job = self._job(index, "upload_part", _body(upload, piece), upload_id=upload_id, number=number)
        else:
            place: dict[str, Any] = {"path": upload.path, "position": piece.first, "length": piece.length}
            job = self._job(index, "upload_part", upload_id=upload_id, number=number, version=upload.version, **place)
        return job

    def _part_done(self, index: int, job: Job, told: dict[str, str]) -> Iterable[Job]:
        if self._was_given_up(index, job):
            return ()
        open_ = self._open[index]
        open_.parts[job.arguments["number"] - 1] = told
        open_.missing -= 1
        return () if open_.missing else [self._complete(index, open_)]

    def _complete(self, index: int, open_: _Multipart) -> Job:
        condition: dict[str, Any] = {"only_if_absent": True} if self._conditional[index] else {}
        return self._job(index, "complete_upload", upload_id=open_.upload_id, parts=open_.parts, **condition)

    def _done(self, index: int, job: Job, reply: object) -> Iterable[Job]:
        self._open.pop(index, None)
        self.stored[index] = True
        return ()

    def _exists(self, index: int, job: Job, info: ObjectInfo) -> Iterable[Job]:
        """It is there: somebody else's, or ours, of a try whose reply was lost."""
        ours = self._whose.pop(job.number, "")
        self.stored[index] = bool(ours) and (info.size, info.etag.strip('"')) == (self._uploads[index].size, ours)
        open_ = self._open.pop(index, None)  # gone, if that is what was completed: then aborting it does nothing
        return [self._job(index, "abort_upload", upload_id=open_.upload_id)] if open_ else ()

    def _compare(self, index: int, job: Job) -> Job:
        upload, open_ = self._uploads[index], self._open.get(index)
        if open_:
            ours = etag_of_parts(part["ETag"] for part in open_.parts if part)
        else:
            ours = etag_of_file(upload.path) if upload.path is not None else etag_of_bytes(job.body or b"")
        self._compared[index] += 1
        head = self._head(index)
        self._whose[head.number] = ours
        return head

    def _failed(self, index: int, job: Job, outcome: Outcome) -> Iterable[Job]:
        assert outcome.failure is not None  # noqa: S101  # for the type checker
        code = outcome.failure.code
        if self._was_given_up(index, job):
            return ()
        if job.operation == "head" and code is Code.NOT_FOUND:
            self._whose.pop(job.number, None)
            return [self._complete(index, self._open[index]) if index in self._open else self._begin(index)]
        if job.operation == "abort_upload":
            return ()  # the race was lost all the same; S3's lifecycle rules are there for what stays behind
        if job.arguments.get("only_if_absent"):
            if code is Code.PRECONDITION:  # somebody else was faster, or an earlier try of ours
                if self._compared[index] > RESTARTS:
                    raise JobFailed(job, outcome.failure._replace(message=_CONTRADICTION))
                return [self._compare(index, job)]
            if code is Code.NOT_IMPLEMENTED:  # the HEAD has to be enough for this server
                self._conditional[index] = False
                return [self._complete(index, self._open[index]) if index in self._open else self._begin(index)]
        if code is Code.NO_UPLOAD and "upload_id" in job.arguments and self._restarts[index] < RESTARTS:
            del self._open[index]
            self._restarts[index] += 1
            return [self._begin(index)]
        raise JobFailed(job, outcome.failure)

    def _was_given_up(self, index: int, job: Job) -> bool:
        """Whether a job belongs to a multipart upload that vanished, and that another has replaced."""
        open_ = self._open.get(index)
        return "upload_id" in job.arguments and (open_ is None or open_.upload_id != job.arguments["upload_id"])


def _body(upload: Upload, piece: Piece) -> Buffer:
    if upload.data is not None:
        return memoryview(upload.data)[piece.first : piece.first + piece.length]
    return upload.read(piece) if upload.read and piece.length else b""
