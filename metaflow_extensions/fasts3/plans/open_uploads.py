"""The plans that list open multipart uploads and abort them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.plan import JobFailed, Plan
from metaflow_extensions.fasts3.wire.failures import TRANSIENT, Code, Failure
from metaflow_extensions.fasts3.wire.transfers import OpenUpload, UploadsPage


class PageOfUploads(Plan):
    """`Plan` of one page of the open uploads whose keys begin with a prefix, after the page `before`.

    `next` is the next page; None if this is the last one.
    """

    def __init__(self, bucket: str, prefix: str, before: "Optional[PageOfUploads]" = None) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._after = before.page.after if before else None
        self.page: UploadsPage = UploadsPage([], None)
        self.next: Optional[PageOfUploads] = None

    def start(self) -> Iterator[Job]:
        yield Job(0, "list_uploads", self._bucket, self._prefix, {"after": self._after})

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if outcome.failure:
            raise JobFailed(job, outcome.failure)
        self.page = outcome.result
        if self.page.after is not None:
            self.next = PageOfUploads(self._bucket, self._prefix, self)
        return ()


class Refused(NamedTuple):
    """An upload that S3 did not abort."""

    upload: OpenUpload
    failure: Failure


class Aborts(Plan):
    """`Plan` that aborts uploads. S3's refusals are recorded in `refused`, and do not stop the others."""

    def __init__(self, bucket: str, uploads: Sequence[OpenUpload]) -> None:
        self._bucket = bucket
        self._uploads = uploads
        self.refused: list[Refused] = []

    def start(self) -> Iterator[Job]:
        for number, upload in enumerate(self._uploads):
            yield Job(number, "abort_upload", self._bucket, upload.key, {"upload_id": upload.upload_id})

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        failure = outcome.failure
        if failure and (failure.code in TRANSIENT or not failure.status):  # the others would fail too
            raise JobFailed(job, failure)
        if failure and failure.code is not Code.NO_UPLOAD:  # it is open no longer: a response may have been lost
            self.refused.append(Refused(self._uploads[job.number], failure))
        return ()
