"""The plan that uploads files unless they are already stored.

A listing shows what is stored: 1,000 objects a page, while a HEAD shows one. A different size, or a key that is not
listed, is sufficient. For equal sizes, threads compute the file's MD5 in parallel with the requests, and it is compared
with the ETag. A HEAD decides the remaining cases, because the ETag need not be an MD5. Changed files are uploaded while
others are compared.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Optional

from metaflow_extensions.fasts3.plans.hashing import HashThreads
from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.listings import Listing, Pager
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.refusals import Refusals, is_hopeless
from metaflow_extensions.fasts3.plans.unchanged import has_etag, is_unchanged, is_worth_a_read, marked
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.plans.uploads import Uploads
from metaflow_extensions.fasts3.wire.failures import Code
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.wire.transfers import PutHeaders

FEW = 4  # files: parallel HEADs take no longer than one page
HEADS_FOR_A_PAGE = 10  # HEADs that cost as much time and money as a page
AHEAD = 16_000  # entries that may wait for earlier ones


class ChangedUploads(Uploads):
    """`Plan` that uploads files, except those whose objects have the same contents, or exist and must stay.

    Parameters
    ----------
    uploads : sequence of Upload
        Of files with distinct keys, all with the condition ABSENT or all without one.
    step : int
    hashing : HashThreads
        Reads files.
    refusals : Refusals, optional
        See `Uploads`.
    compare : bool
        Whether to compare with what is stored. Otherwise all files are uploaded.
    listed : sequence of DetailedObject, optional
        All objects that are stored under the files' common prefix. Without it, the plan lists them.
    """

    def __init__(
        self,
        uploads: Sequence[Upload],
        step: int = PART_SIZE,
        *,
        hashing: HashThreads,
        refusals: Optional[Refusals] = None,
        compare: bool = True,
        listed: Optional[Sequence[Any]] = None,
    ) -> None:
        self._files = list(uploads)
        super().__init__(self._files, step, refusals=refusals)
        self._hashing = hashing
        self._open_questions = len(self._files)  # files that are not yet decided
        self._to_look: deque[tuple[int, str]] = deque()  # index, and an ETag that differs from the file's
        self._to_begin: deque[int] = deque()
        self._looks: dict[int, tuple[int, str]] = {}  # by job number
        self._page_numbers = iter(range(-1, -(2**63), -1))
        self._pager: Optional[Pager] = None
        self._unlisted: dict[str, int] = {upload.key: index for index, upload in enumerate(self._files)}
        self._deficit = 0  # cost of unproductive pages, in HEADs
        if not compare:
            self._change_all()
        elif listed is not None:
            self._compare_all(listed)
            self._change_all()
        elif len(self._files) <= FEW or len({upload.bucket for upload in self._files}) > 1:
            self._look_at_all()
        else:
            self._pager = Pager(_listing_of(self._files), ahead=AHEAD)

    def start(self) -> Iterator[Optional[Job]]:
        if self._pager:
            yield from self._pager.jobs(self._page_numbers)
        while self._open_questions:
            self._hashing.settle()
            if self._to_look:
                yield self._look(*self._to_look.popleft())
            elif self._to_begin:
                yield self._begin_changed(self._to_begin.popleft())
            else:
                yield None

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if job.operation == "list_page":
            return self._listed(job, outcome)
        if job.number in self._looks:
            self._looked(job, outcome)
            return ()
        return super().receive(job, outcome)

    def _listed(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        pager = self._pager
        if pager is None:
            return ()  # the listing was abandoned
        try:
            pager.receive(job, outcome)
        except JobFailed as failed:
            self._go_on_without_listing(failed)
            return ()
        hits = self._compare_all(pager.take())
        self._deficit = max(0, self._deficit + HEADS_FOR_A_PAGE - hits)
        if pager.ended:
            self._change_all()
        elif not self._unlisted or self._deficit > len(self._unlisted):  # all found, or too many other objects
            self._look_at_all()
        else:
            return pager.jobs(self._page_numbers)
        self._pager = None
        return ()

    def _compare_all(self, rows: Sequence[Any]) -> int:
        """Compare files with listed objects; return the number of objects that have a file."""
        hits = 0
        for row in rows:
            index = self._unlisted.pop(row.key, None)
            if index is not None:
                hits += 1
                self._compare(index, row.size, row.etag)
        return hits

    def _go_on_without_listing(self, failed: JobFailed) -> None:
        self._pager = None
        if failed.failure.code is Code.NO_BUCKET:  # some servers create the bucket with its first object
            self._change_all()
        elif is_hopeless(failed.job, failed.failure):
            raise failed
        else:  # listing may be denied, and HEAD allowed
            log.debug("can't list what is stored, using a HEAD per object: %s", failed.failure.message)
            self._look_at_all()

    def _change_all(self) -> None:
        """Upload all files that were not listed."""
        for index in self._unlisted.values():
            self._change(index)
        self._unlisted.clear()

    def _look_at_all(self) -> None:
        """Send a HEAD for each file that was not listed."""
        for index in self._unlisted.values():
            if self._files[index].condition:  # such an upload starts with a HEAD
                self._change(index)
            else:
                self._to_look.append((index, ""))
        self._unlisted.clear()

    def _compare(self, index: int, size: int, etag: str) -> None:
        upload = self._files[index]
        if upload.condition:
            self._leave(index)
        elif size != upload.size:
            self._change(index)
        elif is_worth_a_read(etag, size):
            same = partial(has_etag, _path(upload), etag, size, self._step, self._hashing.check)
            self._hashing.give(same, partial(self._hashed, index, etag))
        else:
            self._to_look.append((index, ""))

    def _hashed(self, index: int, etag: str, is_same: bool) -> None:
        if is_same:
            self._leave(index)
        else:
            self._to_look.append((index, etag))

    def _look(self, index: int, refuted: str) -> Job:
        job = self._head(index)
        self._looks[job.number] = index, refuted
        return job

    def _looked(self, job: Job, outcome: Outcome) -> None:
        del self._indices[job.number]
        index, refuted = self._looks.pop(job.number)
        if not outcome.failure:
            upload, check = self._files[index], self._hashing.check
            same = partial(is_unchanged, outcome.reply, _path(upload), upload.size, self._step, refuted, check)
            self._hashing.give(same, partial(self._compared_with_head, index))
        elif outcome.failure.code is not Code.NOT_FOUND and is_hopeless(job, outcome.failure):
            raise JobFailed(job, outcome.failure)
        else:  # the upload will report the problem
            self._change(index)

    def _compared_with_head(self, index: int, is_same: bool) -> None:
        if is_same:
            self._leave(index)
        else:
            self._change(index)

    def _leave(self, index: int) -> None:
        """Record that a file is not uploaded."""
        self._open_questions -= 1
        self._over(index, False)

    def _change(self, index: int) -> None:
        """Upload a file when its mark is computed."""
        upload = self._files[index]
        work = partial(marked, upload.headers, _path(upload), self._hashing.check)
        self._hashing.give(work, partial(self._ready, index))

    def _ready(self, index: int, headers: PutHeaders) -> None:
        self._files[index] = self._files[index]._replace(headers=headers)
        self._to_begin.append(index)

    def _begin_changed(self, index: int) -> Job:
        self._open_questions -= 1
        return self._first(index)


def _listing_of(uploads: Sequence[Upload]) -> Listing:
    """Return the listing of the directory that contains all keys."""
    keys = [upload.key for upload in uploads]
    first, last = min(keys), max(keys)
    alike = next((place for place, (one, other) in enumerate(zip(first, last)) if one != other), len(first))
    return Listing(uploads[0].bucket, first[: first.rfind("/", 0, alike) + 1], details=True)


def _path(upload: Upload) -> str:
    assert upload.path is not None  # noqa: S101  # for the type checker
    return upload.path
