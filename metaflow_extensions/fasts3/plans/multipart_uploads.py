"""How plans of uploads store a large object: a multipart upload, whose parts are sent in parallel."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from metaflow_extensions.fasts3.plans.jobs import Buffer, Job, bytes_moved
from metaflow_extensions.fasts3.plans.pieces import CARRIED, Piece, part_size, pieces
from metaflow_extensions.fasts3.plans.plan import Plan
from metaflow_extensions.fasts3.plans.tally import Tally
from metaflow_extensions.fasts3.plans.upload import Upload


@dataclass
class Multipart:
    """An open multipart upload."""

    upload_id: str
    parts: list[Optional[dict[str, str]]]
    missing: int
    moved: int = 0  # bytes of uploaded parts


class MultipartUploads(Plan):
    """The multipart uploads of a plan, shared by all plans that store objects; `step` is the minimum size of a part."""

    def __init__(self, uploads: Sequence[Upload], step: int) -> None:
        self._uploads = uploads
        self._step = step
        self._carried = min(step, CARRIED)  # for uploads from memory, because a worker holds each part
        self._open: dict[int, Multipart] = {}  # by index in uploads
        self._opening: dict[int, int] = {}  # job number of a running CreateMultipartUpload -> index in uploads
        self._aborting: dict[str, int] = {}  # upload id to abort -> index in uploads
        self._indices: dict[int, int] = {}  # job number -> index in uploads
        self._numbers = itertools.count()  # of jobs
        self.tally = Tally("put", len(uploads), sum(map(self._size_of, range(len(uploads)))))

    def cleanup(self) -> list[Job]:
        for index, open_ in self._open.items():
            self._aborting[open_.upload_id] = index
        return [self._job(index, "abort_upload", upload_id=one) for one, index in self._aborting.items()]

    @property
    def opening(self) -> dict[int, str]:
        """Jobs that open multipart uploads and have no outcome yet: numbers, and URLs of the objects."""
        urls = ((number, self._uploads[index]) for number, index in self._opening.items())
        return {number: f"s3://{upload.bucket}/{upload.key}" for number, upload in urls}

    def _job(self, index: int, operation: str, body: Optional[Buffer] = None, **arguments: Any) -> Job:
        number, upload = next(self._numbers), self._uploads[index]
        self._indices[number] = index
        return Job(number, operation, upload.bucket, upload.key, arguments, body)

    def _step_of(self, upload: Upload) -> int:
        return self._step if upload.path is not None else self._carried

    def _create(self, index: int) -> Job:
        job = self._job(index, "create_upload", headers=self._uploads[index].headers)
        self._opening[job.number] = index
        return job

    def _created(self, index: int, job: Job, upload_id: str) -> Iterable[Job]:
        upload = self._uploads[index]
        cut = list(pieces(0, upload.size, part_size(upload.size, self._step_of(upload))))
        open_ = self._open[index] = Multipart(upload_id, [None] * len(cut), len(cut))
        return self._parts(index, open_, cut)

    def _parts(self, index: int, open_: Multipart, cut: list[Piece]) -> Iterator[Job]:
        for number, piece in enumerate(cut, 1):
            if self._open.get(index) is not open_:
                return  # an abandoned attempt: its other parts are not needed
            yield self._part(index, open_.upload_id, number, piece)

    def _part(self, index: int, upload_id: str, number: int, piece: Piece) -> Job:
        upload = self._uploads[index]
        if upload.path is None:
            return self._job(index, "upload_part", upload.body(piece), upload_id=upload_id, number=number)
        place: dict[str, Any] = {"path": upload.path, "position": piece.first, "length": piece.length}
        return self._job(index, "upload_part", upload_id=upload_id, number=number, version=upload.version, **place)

    def _part_done(self, index: int, job: Job, part: dict[str, str]) -> Iterable[Job]:
        if self._was_restarted(index, job):
            return ()
        open_ = self._open[index]
        open_.parts[job.arguments["number"] - 1] = part
        open_.missing -= 1
        moved = self._bytes_of(job)
        open_.moved += moved
        self.tally.bytes += moved
        return () if open_.missing else [self._combine(index, open_)]

    def _bytes_of(self, job: Job) -> int:
        """Return the bytes of a part."""
        return bytes_moved(job, None)

    def _combine(self, index: int, open_: Multipart) -> Job:
        """Return the next job of an upload whose parts are stored."""
        raise NotImplementedError

    def _abort(self, index: int, open_: Multipart) -> Job:
        self._aborting[open_.upload_id] = index
        return self._job(index, "abort_upload", upload_id=open_.upload_id)

    def _aborted(self, index: int, job: Job, result: object) -> Iterable[Job]:
        self._aborting.pop(job.arguments["upload_id"], None)
        return ()

    def _was_restarted(self, index: int, job: Job) -> bool:
        """Whether a job belongs to a multipart upload that vanished and was restarted."""
        open_ = self._open.get(index)
        return "upload_id" in job.arguments and (open_ is None or open_.upload_id != job.arguments["upload_id"])

    def _size_of(self, index: int) -> int:
        return self._uploads[index].size
