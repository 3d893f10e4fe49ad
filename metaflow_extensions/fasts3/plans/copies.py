"""The plan of copies within S3: a HEAD of each source, then what an upload does, with bytes that S3 copies itself.

The HEAD tells the size, which decides between one CopyObject and parallel UploadPartCopys; the ETag, which the source
must still have when it is copied; and what is stored with it, which parts and replaced headers would otherwise lose.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional
from urllib.parse import urlencode

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome, of_version
from metaflow_extensions.fasts3.plans.pieces import MAX_OBJECT, MOST_PART, Piece
from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.refusals import Refusals
from metaflow_extensions.fasts3.plans.tally import Tally
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.plans.uploads import RESTARTS, Uploads
from metaflow_extensions.fasts3.wire.checksums import HEADER
from metaflow_extensions.fasts3.wire.conditions import MARK, same_etag, stale, strong
from metaflow_extensions.fasts3.wire.copies import Source
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.wire.transfers import KEPT, KMS_KEY, TAG_COUNT, ObjectInfo, PutHeaders

TAGGING = "x-amz-tagging"
# Failures of requests about tags that do not fail a copy: a missing permission, a server without tags.
_NO_TAGS = (Code.ACCESS_DENIED, Code.NOT_IMPLEMENTED)

# Bytes. S3 copies up to 5 GiB with one request, at about 100 MB/s; parts are copied in parallel.
COPY_STEP = 128 * 2**20


class Copy(NamedTuple):
    """An object to copy."""

    source: Source
    bucket: str  # of the copy
    key: str
    if_match: Optional[str] = None  # the ETag that the source must have
    headers: PutHeaders = PutHeaders()  # replace those of the source, as far as given
    condition: Optional[str] = None  # for storing the copy: `wire.conditions`; ABSENT or None
    mark: Optional[str] = None  # identifies this copy's own attempts, if it has a condition
    size: int = 0  # bytes of the source, if listed; for progress


class _SourceHead(NamedTuple):
    """What the HEAD of a source says about its copy."""

    etag: str
    replace: bool  # the headers of the copy replace those of the source
    has_tags: bool  # that the copy should have
    checksums: dict[str, str]  # `checksums.kept`; empty if they are not kept


class Copies(Uploads):
    """`Plan` for copies.

    An object of at most `step` bytes is copied with one request; that is also the minimum size of a part. `implied` is
    the encryption that all objects of this server have at least. It is not requested for copies of objects that have
    it, because the default of the copy's bucket may be stronger. With `keeps_checksums`, copies in parts keep the
    checksum algorithm of their sources. The server has to return the checksums of copied parts; MinIO, for example,
    does not, and then refuses to combine them.
    """

    def __init__(
        self,
        wanted: Sequence[Copy],
        step: int = COPY_STEP,
        refusals: Optional[Refusals] = None,
        implied: Optional[str] = None,
        keeps_checksums: bool = False,
    ) -> None:
        self._wanted = wanted
        self._targets = [Upload(one.bucket, one.key, one.size, condition=one.condition) for one in wanted]
        super().__init__(self._targets, step, refusals=refusals)
        self._implied = implied
        self._keeps_checksums = keeps_checksums
        self._source_heads: set[int] = set()  # job numbers of HEADs of sources
        self._sources: dict[int, _SourceHead] = {}  # by index
        self._with_tags: set[int] = set()  # copies that are created with the tags of their source
        self._refused_copies: set[int] = set()  # by index, until the target or the source shows why
        self._denied: dict[int, tuple[Job, Failure]] = {}  # refused copies whose target can't be seen: the HEADs of it
        self._not_at_once: set[int] = set()  # copies whose condition the server compares with the source
        self._changes: Counter[int] = Counter()  # how often a source changed during its copy
        self._unsized = len(wanted)  # copies whose sources have not been seen
        self.tally = Tally("copy", len(wanted))

    def start(self) -> Iterator[Optional[Job]]:
        return map(self._source_head, range(len(self._wanted)))

    def _source_head(self, index: int) -> Job:
        """Return the HEAD of a source."""
        arguments = {"checksums": True} if self._keeps_checksums else {}
        job = self._of_source(index, "head", **arguments)
        self._source_heads.add(job.number)
        return job

    def _of_source(self, index: int, operation: str, **arguments: Any) -> Job:
        """Return a job that reads something of a source."""
        bucket, key, version_id = self._wanted[index].source
        job = self._job(index, operation, **arguments, **of_version(version_id))
        return job._replace(bucket=bucket, key=key)

    def _received(self, index: int, job: Job, outcome: Outcome) -> Iterable[Job]:
        if job.operation == "get_tags":
            return [self._tagged(index, job, outcome)]
        if job.number not in self._source_heads:
            return super()._received(index, job, outcome)
        self._source_heads.remove(job.number)
        if index not in self._sources:
            self._unsized -= 1
            self._expect(0)
        if outcome.failure:
            raise JobFailed(job, outcome.failure)
        self._note(index, job, outcome.result)
        denied = self._denied.pop(index, None)
        if denied and index in self._not_at_once:  # the source is the same, so the target exists
            return super()._head_failed(index, *denied)
        return [super()._first(index)]

    def _note(self, index: int, job: Job, info: ObjectInfo) -> None:
        """Record what is stored with a source, and what will be with its copy."""
        copy, target = self._wanted[index], self._targets[index]
        if copy.if_match and not same_etag(info.etag, copy.if_match):
            raise JobFailed(job, stale("the source has been changed since", info.etag, copy.if_match))
        if info.size is None or not 0 <= info.size <= MAX_OBJECT:
            raise JobFailed(job, Failure(Code.MALFORMED, f"S3 reports an impossible size of {info.size} bytes"))
        headers = self._headers(copy, info)
        known = self._sources.get(index)
        if copy.condition and known and known.etag == info.etag:
            # CopyObject was refused, although HEAD requests found no object and the source is the same. Swift compares
            # If-None-Match of CopyObject with the source, and of the other uploads with the target, as S3 does.
            self._not_at_once.add(index)
        given = copy.headers
        replace = bool(given.content_type or given.metadata is not None or given.others or copy.mark)
        self._targets[index] = target._replace(size=info.size, headers=headers)
        has_tags = TAG_COUNT in info.others and TAGGING not in (given.others or {})
        checksums = {name: value for name, value in info.others.items() if name.startswith(HEADER)}
        self._sources[index] = _SourceHead(info.etag, replace, has_tags, checksums)
        self._with_tags.discard(index)
        self._expect(info.size - target.size)

    def _headers(self, copy: Copy, info: ObjectInfo) -> PutHeaders:
        """Return all that is stored with a copy: what is given, and otherwise what the source has."""
        given = copy.headers
        metadata = dict(info.metadata if given.metadata is None else given.metadata)
        metadata.pop(MARK, None)  # of the upload that stored the source
        if copy.mark:
            metadata[MARK] = copy.mark
        others = {name: info.others[name] for name in KEPT if name in info.others}
        encryption = given.encryption or info.encryption
        if given.encryption or encryption == self._implied:
            others.pop(KMS_KEY, None)
        if encryption == self._implied and not given.encryption:
            encryption = None
        others.update(given.others or {})
        return PutHeaders(given.content_type or info.content_type, metadata, encryption, others)

    def _expect(self, more: int) -> None:
        super()._expect(more)
        if self._unsized:
            self.tally.total_bytes = None

    def _step_of(self, upload: Upload) -> int:
        return self._step

    def _begin(self, index: int) -> Job:
        # CopyObject copies the tags itself. Parts have none.
        in_parts = self._targets[index].size > self._step or index in self._not_at_once
        if self._sources[index].has_tags and in_parts:
            return self._of_source(index, "get_tags")
        return super()._begin(index)

    def _tagged(self, index: int, job: Job, outcome: Outcome) -> Job:
        """Handle the tags of a source, which its copy in parts should have."""
        if outcome.failure:
            if outcome.failure.code not in _NO_TAGS:
                raise JobFailed(job, outcome.failure)
            return self._without_tags(index)
        self._set_tags(index, outcome.result)
        self._with_tags.add(index)
        return super()._begin(index)

    def _without_tags(self, index: int) -> Job:
        """Return the job that copies an object whose tags may not be read or stored."""
        self._set_tags(index, {})
        if self._targets[index].size <= MOST_PART and index not in self._not_at_once:
            return self._store(index)  # S3 copies them, or refuses
        log.warning(
            "S3: the tags of %s are not copied: this identity may not read or store them",
            url_of(self._wanted[index].source),
        )
        return super()._begin(index)

    def _set_tags(self, index: int, tags: dict[str, str]) -> None:
        target = self._targets[index]
        others = {name: value for name, value in (target.headers.others or {}).items() if name != TAGGING}
        if tags:
            others[TAGGING] = urlencode(tags)
        self._targets[index] = target._replace(headers=target.headers._replace(others=others))
        self._sources[index] = self._sources[index]._replace(has_tags=False)

    def _store(self, index: int) -> Job:
        headers = self._targets[index].headers
        if index in self._not_at_once:
            if self._targets[index].size:
                return self._create(index)
            return self._job(index, "put", b"", headers=headers, **self._condition(index))
        if TAGGING in (headers.others or {}):  # otherwise CopyObject copies the tags of the source
            headers = headers._replace(others={**(headers.others or {}), f"{TAGGING}-directive": "REPLACE"})
        arguments: dict[str, Any] = {"headers": headers, **self._source(index)}
        if self._sources[index].replace:
            arguments["replace"] = True
        return self._job(index, "copy", **arguments, **self._condition(index))

    def _create(self, index: int) -> Job:
        job = super()._create(index)
        headers = self._targets[index].headers
        headers = headers._replace(others={**(headers.others or {}), **self._sources[index].checksums})
        return job._replace(arguments={"headers": headers, "checksums": False})

    def _bytes_of(self, job: Job) -> int:
        first, last = job.arguments["byte_range"].partition("=")[2].split("-")
        return int(last) - int(first) + 1

    def _part(self, index: int, upload_id: str, number: int, piece: Piece) -> Job:
        arguments: dict[str, Any] = {"upload_id": upload_id, "number": number, "byte_range": piece.byte_range}
        return self._job(index, "copy_part", **arguments, **self._source(index))

    def _source(self, index: int) -> dict[str, Any]:
        etag = strong(self._sources[index].etag)
        return {"source": list(self._wanted[index].source), **({"if_match": etag} if etag else {})}

    def _continue(self, index: int) -> Job:
        # S3 has one error for both conditions of a copy. If it was not that of the target, the source has changed.
        if index in self._refused_copies:
            self._refused_copies.remove(index)
            return self._source_head(index)
        return super()._continue(index)

    def _head_failed(self, index: int, job: Job, failure: Failure) -> Iterable[Job]:
        if index not in self._refused_copies or failure.code is not Code.ACCESS_DENIED:
            return super()._head_failed(index, job, failure)
        self._denied[index] = job, failure
        return [self._continue(index)]

    def _refused(self, index: int, job: Job, failure: Failure) -> Job:
        if job.operation == "copy" and failure.code is Code.PRECONDITION:
            self._refused_copies.add(index)
        return super()._refused(index, job, failure)

    def _failed(self, index: int, job: Job, outcome: Outcome) -> Iterable[Job]:
        assert outcome.failure is not None  # noqa: S101  # for the type checker
        if job.operation == "create_upload" and index in self._with_tags and outcome.failure.code in _NO_TAGS:
            self._with_tags.remove(index)
            return [self._without_tags(index)]
        of_source = "source" in job.arguments and "condition" not in job.arguments
        if not (of_source and outcome.failure.code is Code.PRECONDITION) or self._was_restarted(index, job):
            return super()._failed(index, job, outcome)
        self._changes[index] += 1
        if self._changes[index] > RESTARTS:
            message = f"the source changed during each of {RESTARTS + 1} copies"
            raise JobFailed(job, outcome.failure._replace(code=Code.STALE, message=message))
        open_ = self._open.pop(index, None)
        if not open_:
            return [self._source_head(index)]
        self.tally.bytes -= open_.moved
        return [self._abort(index, open_), self._source_head(index)]


def rounds(sources: Mapping[str, str]) -> list[list[str]]:
    """Divide copies, given as target and source, into rounds; those of one round can be done in parallel.

    An object that is both a source and a target is copied before it is replaced.
    Raises ValueError if objects would become each other; its argument is one of them.
    """
    readers = Counter(source for target, source in sources.items() if source != target)  # copies that wait for it
    found: list[list[str]] = []
    ready = [target for target in sources if not readers[target]]
    while ready:
        found.append(ready)
        read = [sources[target] for target in ready if sources[target] != target]
        readers.subtract(read)
        ready = [source for source in dict.fromkeys(read) if source in sources and not readers[source]]
    for target in sources:
        if readers[target]:
            raise ValueError(target)
    return found


def url_of(source: Source) -> str:
    """The URL of an object to copy."""
    return f"s3://{source.bucket}/{source.key}"
