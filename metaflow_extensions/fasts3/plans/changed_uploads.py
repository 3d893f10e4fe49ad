"""The plan that uploads files unless they are already stored.

A listing shows what is stored: 1,000 objects a page, while a HEAD shows one. A different size, or a key that is not
listed, is sufficient. For equal sizes, threads compute the file's MD5 in parallel with the requests, and it is compared
with the ETag; small files need no thread. A HEAD decides the remaining cases, because the ETag need not be an MD5.
Changed files are uploaded while others are compared.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.plans.hashing import SMALL, HashThreads
from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.listings import Listing, Pager, common_prefix
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.refusals import Refusals, is_hopeless
from metaflow_extensions.fasts3.plans.unchanged import (
    FILE,
    has_etag,
    has_other_bytes,
    is_unchanged,
    is_worth_a_read,
    with_state,
)
from metaflow_extensions.fasts3.plans.upload import Upload, UploadsOnDemand
from metaflow_extensions.fasts3.plans.uploads import Uploads
from metaflow_extensions.fasts3.wire.failures import Code
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.wire.transfers import PutHeaders

FEW = 4  # files: parallel HEADs take no longer than one page
HEADS_FOR_A_PAGE = 10  # HEADs that cost as much time and money as a page
AHEAD = 16_000  # entries that may wait for earlier ones
MOST_TOGETHER = 64  # files that a thread compares at a time: handing them over one by one would take as long
ENOUGH = 4 * 2**20  # bytes of these files


class Candidate(NamedTuple):
    """A file that may be uploaded; an `Upload` has the same attributes."""

    bucket: str
    key: str
    size: int  # bytes
    path: str
    condition: Optional[str] = None  # for storing it: `wire.conditions`


class ChangedUploads(Uploads):
    """`Plan` that uploads files, except those whose objects have the same contents, or exist and must stay.

    The files have distinct keys, and all have the condition ABSENT, or none has one. `make` returns the upload of the
    file with an index. Without `compare`, all files are uploaded. `listed` has all objects under the files' common
    prefix; without it, the plan lists them. A dry run uploads nothing: `stored` says what would be.
    """

    def __init__(
        self,
        files: Sequence[Candidate],
        step: int = PART_SIZE,
        *,
        make: Callable[[int], Upload],
        hashing: HashThreads,
        refusals: Optional[Refusals] = None,
        compare: bool = True,
        listed: Optional[Sequence[Any]] = None,
        dry_run: bool = False,
    ) -> None:
        self._files = files
        self._made = UploadsOnDemand(len(files), make)
        super().__init__(self._made, step, refusals=refusals)
        self._hashing = hashing
        self._dry_run = dry_run
        self._undecided = len(self._files)  # files that are not yet decided
        self._to_compare: deque[tuple[int, str]] = deque()  # index, and an ETag that differs from the file's
        self._to_upload: deque[int] = deque()
        self._to_hash: list[tuple[int, str]] = []  # index, and the ETag of its object
        self._size_to_hash = 0  # bytes of these files
        self._small: deque[list[tuple[int, str]]] = deque()  # small files, compared when no request is to be sent
        self._heads: dict[int, tuple[int, str]] = {}  # by job number
        self._states: dict[int, str] = {}  # of files that are marked with their SHA-256, when it was computed
        self._page_numbers = iter(range(-1, -(2**63), -1))
        self._pager: Optional[Pager] = None
        self._unlisted: dict[str, int] = {file.key: index for index, file in enumerate(files)}
        self._deficit = 0  # cost of unproductive pages, in HEADs
        if not compare:
            self._upload_all()
        elif listed is not None:
            self._compare_listed(listed)
            self._upload_all()
        elif len(files) <= FEW or len({file.bucket for file in files}) > 1:
            self._compare_all_by_head()
        else:
            self._pager = Pager(_listing_of(files), ahead=AHEAD)

    def start(self) -> Iterator[Optional[Job]]:
        if self._pager:
            yield from self._pager.jobs(self._page_numbers)
        while self._undecided:
            self._hashing.settle()
            if self._to_compare:
                yield self._compare_by_head(*self._to_compare.popleft())
            elif self._to_upload:
                yield self._begin_upload(self._to_upload.popleft())
            elif self._small:
                some = self._small.popleft()
                self._hashing.give_small(partial(self._have_etags, some), partial(self._hashed, some))
            else:
                yield None

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Job]:
        if job.operation == "list_page":
            return self._listed(job, outcome)
        if job.number in self._heads:
            self._received_head(job, outcome)
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
        hits = self._compare_listed(pager.take())
        self._deficit = max(0, self._deficit + HEADS_FOR_A_PAGE - hits)
        if pager.ended:
            self._upload_all()
        elif not self._unlisted or self._deficit > len(self._unlisted):  # all found, or too many other objects
            self._compare_all_by_head()
        else:
            return pager.jobs(self._page_numbers)
        self._pager = None
        return ()

    def _compare_listed(self, rows: Sequence[Any]) -> int:
        """Compare files with listed objects; return the number of objects that have a file."""
        hits = 0
        for row in rows:
            index = self._unlisted.pop(row.key, None)
            if index is not None:
                hits += 1
                self._compare(index, row.size, row.etag)
        self._hash()
        return hits

    def _go_on_without_listing(self, failed: JobFailed) -> None:
        self._pager = None
        if failed.failure.code is Code.NO_BUCKET:  # some servers create the bucket with its first object
            self._upload_all()
        elif is_hopeless(failed.job, failed.failure):
            raise failed
        else:  # listing may be denied, and HEAD allowed
            log.debug("can't list what is stored, using a HEAD per object: %s", failed.failure.message)
            self._compare_all_by_head()

    def _upload_all(self) -> None:
        """Upload all files that were not listed."""
        for index in self._unlisted.values():
            self._upload(index)
        self._unlisted.clear()

    def _compare_all_by_head(self) -> None:
        """Send a HEAD for each file that was not listed."""
        for index in self._unlisted.values():
            if self._files[index].condition and not self._dry_run:  # such an upload starts with a HEAD
                self._upload(index)
            else:
                self._to_compare.append((index, ""))
        self._unlisted.clear()

    def _compare(self, index: int, size: int, etag: str) -> None:
        file = self._files[index]
        if file.condition:
            self._skip(index)
        elif size != file.size:
            self._upload(index)
        elif is_worth_a_read(etag, size):
            self._to_hash.append((index, etag))
            self._size_to_hash += size
            if len(self._to_hash) >= MOST_TOGETHER or self._size_to_hash >= ENOUGH:
                self._hash()
        else:
            self._to_compare.append((index, ""))

    def _hash(self) -> None:
        """Compare files with ETags."""
        some, size = self._to_hash, self._size_to_hash
        self._to_hash, self._size_to_hash = [], 0
        if some and size <= SMALL * len(some):
            self._small.append(some)
        elif some:
            self._hashing.give(partial(self._have_etags, some), partial(self._hashed, some))

    def _have_etags(self, some: list[tuple[int, str]]) -> list[bool]:
        files, check = self._files, self._hashing.check
        return [has_etag(files[index].path, etag, files[index].size, self._step, check) for index, etag in some]

    def _hashed(self, some: list[tuple[int, str]], same: list[bool]) -> None:
        for (index, etag), is_same in zip(some, same):
            if is_same:
                self._skip(index)
            else:
                self._to_compare.append((index, etag))

    def _compare_by_head(self, index: int, refuted: str) -> Job:
        job = self._head(index)
        self._heads[job.number] = index, refuted
        return job

    def _received_head(self, job: Job, outcome: Outcome) -> None:
        del self._indices[job.number]
        index, refuted = self._heads.pop(job.number)
        if not outcome.failure and self._files[index].condition:
            self._skip(index)
        elif not outcome.failure:
            file, check = self._files[index], self._hashing.check
            same = partial(is_unchanged, outcome.result, file.path, file.size, self._step, refuted, check)
            self._hashing.give(same, partial(self._compared_with_head, index))
        elif outcome.failure.code is not Code.NOT_FOUND and is_hopeless(job, outcome.failure):
            raise JobFailed(job, outcome.failure)
        else:  # the upload will report the problem
            self._upload(index)

    def _compared_with_head(self, index: int, is_same: bool) -> None:
        if is_same:
            self._skip(index)
        else:
            self._upload(index)

    def _skip(self, index: int) -> None:
        """Record that a file is not uploaded."""
        self._undecided -= 1
        self._end(index, False)

    def _upload(self, index: int) -> None:
        """Upload a file when its mark is computed."""
        if self._dry_run:
            self._undecided -= 1
            self._end(index, True)
            return
        work = partial(with_state, self._made[index].headers, self._files[index].path, self._hashing.check)
        self._hashing.give(work, partial(self._marked, index))

    def _marked(self, index: int, found: "tuple[PutHeaders, Optional[str]]") -> None:
        headers, state = found
        self._made.replace(index, headers)
        if state and not self._files[index].condition:
            self._states[index] = state
        self._to_upload.append(index)

    def _done(self, index: int, job: Job, result: object) -> Iterable[Job]:
        file, state = self._files[index], self._states.pop(index, None)
        if state is None or job.operation != "put" or not has_other_bytes(file.path, file.size, state):
            return super()._done(index, job, result)
        # Other bytes may be stored than those of the mark. If the file got these again, it would seem to be stored.
        headers = self._made[index].headers
        metadata = {name: value for name, value in headers.metadata.items() if name != FILE}
        self._made.replace(index, headers._replace(metadata=metadata))
        return [self._begin(index)]

    def _size_of(self, index: int) -> int:
        return self._files[index].size

    def _begin_upload(self, index: int) -> Job:
        self._undecided -= 1
        return self._first(index)


def _listing_of(files: Sequence[Candidate]) -> Listing:
    """Return the listing of the directory that contains all keys."""
    shared = common_prefix([file.key for file in files])
    return Listing(files[0].bucket, shared[: shared.rfind("/") + 1], details=True)
