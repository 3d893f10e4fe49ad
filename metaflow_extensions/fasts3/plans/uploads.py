"""The plan of uploads: one PUT for a small object, a multipart upload with parallel parts for a large one.

With a condition (`wire.conditions`), a HEAD comes first, and the upload carries If-None-Match: * or If-Match, so that
it does not overwrite another client's object even in a race. An upload starts only after 404 or the expected ETag. If
the HEAD is denied, If-None-Match alone decides. If the condition fails, the object may be this client's own, from an
attempt whose response was lost: another HEAD shows that by the mark of each conditional upload.

Some servers ignore conditions. So there is another HEAD before parts are combined, and one after an object was
replaced, which detects another upload that replaced the same version at the same time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.multipart_uploads import Multipart, MultipartUploads
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE, Piece
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.refusals import Refusals
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.wire.conditions import MARK, same_etag, stale
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo

CONFLICT = 409  # S3's status while another client writes the object
RESTARTS = 2  # of an upload that vanished on the server, or that it refuses although HEAD finds no object

_ABOUT_CONDITIONS = (Code.PRECONDITION, Code.NOT_IMPLEMENTED)
_CONTRADICTION = (
    "S3 rejects the upload because the object exists, but a HEAD returns 404: there may be a directory of that name, "
    "whose URL ends in a slash"
)
_CONTRADICTION_OF_ETAGS = "S3 rejects the upload because the ETag differs, but a HEAD returns the expected ETag"
_GONE = "the object to replace (if_match) does not exist"
_OVERWRITTEN = (
    "another upload replaced the same version of the object at the same moment and overwrote this one: the server does "
    "not enforce If-Match"
)
_UNSURE = "an earlier attempt, whose response was lost, may have stored it, and S3 denies the HEAD that would show this"
_NO_IF_NONE_MATCH = "the server does not support If-None-Match and denies HEAD, so nothing was stored"
_WHERE_CONDITIONS_HOLD = "The documentation of conditional writes lists the servers that support conditions."
_NO_IF_MATCH = "the server does not support If-Match, so nothing was stored"


class Uploads(MultipartUploads):
    """`Plan` for uploads.

    An object of at most `step` bytes is one PUT; that is also the minimum size of a part. `refusals` records the
    failures of single uploads; without it, the first failure ends the plan. `stored` has one bool per upload, in the
    same order: True when stored, False if the key existed or the upload failed; `refused` has the indices of those that
    failed.
    """

    def __init__(self, uploads: Sequence[Upload], step: int = PART_SIZE, refusals: Optional[Refusals] = None) -> None:
        super().__init__(uploads, step)
        self._refusals = refusals
        self._unconditional: set[int] = set()  # uploads to servers without conditions, where HEAD decides
        self._head_denied: set[int] = set()  # uploads whose HEAD is denied, where the condition decides
        self._unsure: set[int] = set()  # uploads that an earlier attempt may have stored
        self._unquoted: set[int] = set()  # uploads with If-Match without quotes, for Ceph 16 and 18
        self._conflicts: dict[int, JobFailed] = {}  # uploads that conflicted with others, at each attempt
        self._replaced: set[int] = set()  # stored uploads whose final HEAD is not done
        self._restarts: Counter[int] = Counter()
        self._compared: Counter[int] = Counter()  # limits HEADs, because a server may contradict itself repeatedly
        self.stored: list[bool] = [False] * len(uploads)
        self.refused: set[int] = set()
        self._expected = self.tally.total_bytes or 0

    def start(self) -> Iterator[Optional[Job]]:
        return map(self._first, range(len(self._uploads)))

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        index = self._indices.pop(job.number)
        self._opening.pop(job.number, None)
        try:
            return self._received(index, job, outcome)
        except JobFailed as failed:
            if self._refusals is None:
                raise
            self._refusals.note(failed.job, failed.failure)
            self.refused.add(index)
            return self._end_and_abort(index)

    def _received(self, index: int, job: Job, outcome: Outcome) -> Iterable[Job]:
        if outcome.failure:
            return self._failed(index, job, outcome)
        if job.operation == "put":  # the usual case, for each object
            return self._done(index, job, outcome.result)
        follow: dict[str, Callable[[int, Job, Any], Iterable[Job]]] = {
            "head": self._exists,
            "copy": self._done,
            "create_upload": self._created,
            "upload_part": self._part_done,
            "copy_part": self._part_done,
            "complete_upload": self._done,
            "abort_upload": self._aborted,
        }
        return follow[job.operation](index, job, outcome.result)

    def _first(self, index: int) -> Job:
        return self._head(index) if self._needs_head(index) else self._begin(index)

    def _needs_head(self, index: int) -> bool:
        return bool(self._uploads[index].condition) and index not in self._head_denied

    def _head(self, index: int) -> Job:
        return self._job(index, "head")

    def _begin(self, index: int) -> Job:
        upload = self._uploads[index]
        if upload.size > self._step_of(upload):
            return self._create(index)
        return self._store(index)

    def _store(self, index: int) -> Job:
        """Return the job that stores an object with one request."""
        upload = self._uploads[index]
        arguments: dict[str, Any] = {"headers": upload.headers, **self._condition(index)}
        if upload.path is not None:
            return self._job(index, "put", path=upload.path, **arguments)
        return self._job(index, "put", upload.body(Piece(0, upload.size)), **arguments)

    def _combine(self, index: int, open_: Multipart) -> Job:
        # Uploading parts takes time, and many servers ignore the condition when combining them.
        return self._head(index) if self._needs_head(index) else self._complete(index, open_)

    def _complete(self, index: int, open_: Multipart) -> Job:
        arguments = {"upload_id": open_.upload_id, "parts": open_.parts, **self._condition(index)}
        return self._job(index, "complete_upload", **arguments)

    def _condition(self, index: int) -> dict[str, Any]:
        condition = self._uploads[index].condition
        if not condition or index in self._unconditional:
            return {}
        return {"condition": condition.strip('"') if index in self._unquoted else condition}

    def _continue(self, index: int) -> Job:
        """Continue after a HEAD that found nothing against the upload."""
        if index in self._conflicts:
            raise self._conflicts[index]
        return self._complete(index, self._open[index]) if index in self._open else self._begin(index)

    def _done(self, index: int, job: Job, result: object) -> Iterable[Job]:
        if self._uploads[index].replaces:
            self._replaced.add(index)
            return [self._head(index)]
        self._end(index, True)
        return ()

    def _exists(self, index: int, job: Job, info: ObjectInfo) -> Iterable[Job]:
        """Handle an existing object: the one to replace, another client's, or ours, if a response was lost."""
        mark, found = self._uploads[index].mark, info.metadata.get(MARK)
        ours = mark is not None and found == mark
        if index in self._replaced:
            if mark and found and not ours and _replaced_by(found) == _replaced_by(mark):
                raise JobFailed(job, Failure(Code.STALE, _OVERWRITTEN, "PreconditionFailed"))
            self._end(index, True)
            return ()
        replaces = self._uploads[index].replaces
        if replaces and not ours:
            if same_etag(info.etag, replaces):
                return [self._continue(index)]
            raise JobFailed(job, stale("the object has been changed since", info.etag, replaces))
        return self._end_and_abort(index, ours)

    def _end(self, index: int, stored: bool) -> Optional[Multipart]:
        """Record the end of an upload; return its multipart upload, if one is open."""
        open_ = self._open.pop(index, None)
        if stored and self._refusals:
            self._refusals.note_success()
        size = self._size_of(index)
        self.stored[index] = stored
        self._expect(0 if stored else -size)
        self.tally.bytes += (size if stored else 0) - (open_.moved if open_ else 0)
        self.tally.objects += 1
        return open_

    def _expect(self, more: int) -> None:
        """Count more bytes to store, or fewer."""
        self._expected += more
        self.tally.total_bytes = self._expected

    def _failed(self, index: int, job: Job, outcome: Outcome) -> Iterable[Job]:
        assert outcome.failure is not None  # noqa: S101  # for the type checker
        code = outcome.failure.code
        if self._was_restarted(index, job):
            return ()
        if job.operation == "head":
            return self._head_failed(index, job, outcome.failure)
        if job.operation == "abort_upload":
            return ()  # the other upload won in any case; `cleanup` tries again
        if "condition" in job.arguments and (code in _ABOUT_CONDITIONS or outcome.failure.status == CONFLICT):
            if outcome.retried:
                self._unsure.add(index)
            return [self._refused(index, job, outcome.failure)]
        if code is Code.NO_UPLOAD and "upload_id" in job.arguments and self._restarts[index] < RESTARTS:
            self.tally.bytes -= self._open.pop(index).moved
            self._restarts[index] += 1
            # An attempt whose response was lost may have completed it, and other clients may have replaced it since.
            return [self._first(index)]
        raise JobFailed(job, outcome.failure)

    def _head_failed(self, index: int, job: Job, failure: Failure) -> Iterable[Job]:
        """Handle a failed HEAD: the object does not exist, or S3 does not say."""
        if index in self._replaced:  # it was stored, whatever happened to it since
            self._end(index, True)
            return ()
        replaces = self._uploads[index].replaces
        if failure.code is Code.NOT_FOUND:
            if replaces:
                raise JobFailed(job, failure._replace(message=_GONE))
            return [self._continue(index)]
        if failure.code is not Code.ACCESS_DENIED or replaces:
            raise JobFailed(job, failure)
        self._head_denied.add(index)
        if not self._compared[index]:
            return [self._continue(index)]
        if index in self._unsure:
            raise JobFailed(job, failure._replace(message=_UNSURE))
        return self._end_and_abort(index)

    def _end_and_abort(self, index: int, ours: bool = False) -> Iterable[Job]:
        """End an upload that was not stored: the object exists, or it failed."""
        open_ = self._end(index, ours)  # aborting a completed upload has no effect
        return [self._abort(index, open_)] if open_ else ()

    def _refused(self, index: int, job: Job, failure: Failure) -> Job:
        """Handle a failed condition, or a server without conditions."""
        replaces = self._uploads[index].replaces
        if failure.code is Code.NOT_IMPLEMENTED:
            headers = self._uploads[index].headers
            if replaces and (headers.encryption or headers.others):
                raise JobFailed(job, failure)  # the server may lack the encryption or a header: its message says so
            if replaces or index in self._head_denied:
                message = _NO_IF_MATCH if replaces else _NO_IF_NONE_MATCH
                raise JobFailed(job, failure._replace(message=message, remedy=_WHERE_CONDITIONS_HOLD))
            self._unconditional.add(index)  # HEAD must be sufficient for this server
            return self._continue(index)
        if failure.code is not Code.PRECONDITION:
            self._conflicts[index] = JobFailed(job, failure)
        elif self._compared[index] > RESTARTS:
            raise JobFailed(job, failure._replace(message=_CONTRADICTION_OF_ETAGS if replaces else _CONTRADICTION))
        elif replaces:
            self._unquoted ^= {index}  # the next attempt is only sent if the HEAD returns the expected ETag
        self._compared[index] += 1
        return self._head(index)  # another client was faster, or an earlier attempt of this upload


def _replaced_by(mark: str) -> str:
    """Return the ETag that an upload with this mark should replace."""
    return mark.partition(" ")[2].strip('"')
