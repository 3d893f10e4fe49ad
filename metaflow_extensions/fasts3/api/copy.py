"""The methods of `S3` that copy within S3."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Optional, Union

from metaflow_extensions.fasts3.api.arguments import (
    S3GetObject,
    check_booleans,
    check_whole,
    condition_of,
    headers_of,
    iterated,
    key_of,
    version_of,
)
from metaflow_extensions.fasts3.api.client import Client
from metaflow_extensions.fasts3.api.errors import (
    MOST_URL,
    MetaflowS3InvalidObject,
    shown,
)
from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.location import SCHEME, split_object_url, split_url
from metaflow_extensions.fasts3.api.other_names import OTHER_NAME, may_be_one, replaced_sources
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3transfers import S3Transfers
from metaflow_extensions.fasts3.boto.endpoints import is_aws
from metaflow_extensions.fasts3.plans import copies
from metaflow_extensions.fasts3.plans.copies import Copies, Copy, rounds, url_of
from metaflow_extensions.fasts3.plans.heads import Heads, TolerantHeads
from metaflow_extensions.fasts3.plans.refusals import Refusal, Refusals
from metaflow_extensions.fasts3.wire.conditions import ABSENT, strong
from metaflow_extensions.fasts3.wire.copies import Source
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import PutHeaders

CopySource = Union[str, S3GetObject, S3Object]
# Amazon S3 encrypts every object with at least this: https://docs.aws.amazon.com/AmazonS3/latest/userguide/
# default-encryption-faq.html
AMAZON_S3_ENCRYPTION = "AES256"


class CopyRequest(NamedTuple):
    """One object to copy."""

    key: Any  # as the user gave it; of the result
    url: str  # of the copy
    source: Source
    etag: Optional[str]  # that the source must have
    size: int = 0  # bytes, if listed


class CopyMethods(Client):
    """copy, copy_many."""

    _encryption: Optional[str]

    def copy(
        self,
        source: CopySource,
        key: str,
        overwrite: bool = True,
        content_type: Optional[str] = None,
        metadata: Optional[dict[str, Any]] = None,
        encryption: Optional[str] = None,
        if_match: Optional[str] = None,
        extra_args: Optional[dict[str, Any]] = None,
    ) -> str:
        """
        Copy a single object within S3. S3 transfers the bytes; the client receives none.

        The copy keeps content type, user metadata, tags, encryption, Cache-Control, Content-Disposition,
        Content-Encoding, Content-Language and Expires of its source. It has the storage class STANDARD, the default
        ACL, and no object lock. Objects above 128 MiB are copied in parallel parts.

        Parameters
        ----------
        source : Union[str, S3GetObject, S3Object]
            Object to copy: an S3 URL, also on a client with a root; a key relative to the root; an `S3GetObject` with a
            `version_id`; or an `S3Object`, of any client. An `S3Object` that has an `etag` or a `version_id` means this
            version, even if the object has changed since; for the current version, give its `url`.
        key : str
            Key of the copy: an S3 URL, or relative to the root.
        overwrite : bool, default True
            If False, an object that exists is not replaced; the call succeeds and copies nothing.
        content_type : str, optional, default None
            MIME type of the copy; that of the source if None.
        metadata : Dict[str, Any], optional, default None
            User metadata of the copy, a JSON-encodable dictionary, which replaces all metadata of the source; {} stores
            none. That of the source if None.
        encryption : str, optional, default None
            Server-side encryption of the copy, e.g. 'aws:kms'. If None, that of this client, otherwise that of the
            source with its KMS key. On Amazon S3, 'AES256' is not copied from the source: the default encryption of the
            copy's bucket applies.
        if_match : str, optional, default None
            The `etag` that the source must still have.
        extra_args : Dict[str, Any], optional, default None
            Headers of the copy that replace those of the source, as for `put`. Those of the client are for uploads.

        Returns
        -------
        str
            URL of the copy, also if `overwrite=False` found that it exists.

        Raises
        ------
        MetaflowS3NotFound
            The source or a bucket does not exist.
        MetaflowS3PreconditionFailed
            The source no longer has the ETag `if_match`, or that of the `S3Object`.
        MetaflowS3AccessDenied
            The identity may not read the source or not store the copy.
        MetaflowS3InvalidObject
            `metadata` is not JSON-encodable, `if_match` is not an ETag, or the source is a range; or source and copy
            are the same object, and nothing that is stored with it changes.
        MetaflowS3URLException
            The key is invalid: a full URL on a client with a root, or no full URL on a client without one.
        MetaflowS3Exception
            The request failed for another reason.
        """
        check_booleans(overwrite=overwrite)
        given = self._given(key_of(key), content_type, metadata, encryption, extra_args)
        request = self._copy_request(source, key, given, if_match)
        self._run_copies([request], Place.HERE, overwrite, given, None)
        return request.url

    def copy_many(
        self,
        pairs: Iterable[tuple[CopySource, str]],
        overwrite: bool = True,
        content_type: Optional[str] = None,
        metadata: Optional[dict[str, Any]] = None,
        encryption: Optional[str] = None,
        extra_args: Optional[dict[str, Any]] = None,
        dry_run: bool = False,
    ) -> S3Transfers:
        """
        Copy many objects within S3 in parallel.

        All arguments are validated before the first request. If some objects can't be copied, the others are. An object
        that is also the source of another copy is replaced after that copy.

        Parameters
        ----------
        pairs : Iterable[Tuple[Union[str, S3GetObject, S3Object], str]]
            Source and key of each copy, as for `copy`. If a key occurs several times, the last source is copied; with
            `overwrite=False`, the first.
        overwrite : bool, default True
            If False, objects that exist are not replaced.
        content_type, metadata, encryption, extra_args
            Of all copies; see `copy`.
        dry_run : bool, default False
            If True, copy nothing, and return what the call would have done. The sources are not checked.

        Returns
        -------
        S3Transfers
            A list of `(key, url)` of each copy, in the order given. With `overwrite=False`, objects that existed are
            not included; the attribute `unchanged` has them.

        Raises
        ------
        MetaflowS3NotFound, MetaflowS3PreconditionFailed, MetaflowS3AccessDenied, MetaflowS3InvalidObject, \
MetaflowS3URLException, MetaflowS3Exception
            As for `copy`. For several failures, the class is their common one, otherwise MetaflowS3Exception. The
            message names each of them; the attribute `failed` of the exception maps the URL of each source that could
            not be read, and of each copy that could not be stored, to the reason, and `result` is what the call
            would have returned.
        """
        check_booleans(overwrite=overwrite, dry_run=dry_run)
        given = self._given("the copies", content_type, metadata, encryption, extra_args)
        requests = [self._copy_request(*_pair(item), given) for item in iterated(pairs)]
        if overwrite:  # the order of copies depends on the names
            urls = [(url_of(one.source), one.url) for one in requests if not one.source.remains]
            for source, url in replaced_sources(urls):
                self._refuse_other_name(source, url)
        result = S3Transfers()
        self._copy_all(requests, overwrite, given, LeftOut(self._executor), result, dry_run=dry_run)
        return result

    def _refuse_other_name(self, url: str, name: Optional[str]) -> None:
        """Raise an exception if an object seems to have another name, as its headers show."""
        if name is None:
            return
        plan = TolerantHeads([split_object_url(url), split_object_url(name)], missing_ok=True)
        self._executor.run(plan, Place.HERE, with_progress=False)
        one, other = plan.results
        if one and other and may_be_one(one, other):
            raise MetaflowS3InvalidObject(OTHER_NAME.format(shown(name, MOST_URL), shown(url, MOST_URL)))

    def _given(self, key: Any, content_type: Any, metadata: Any, encryption: Any, extra_args: Any) -> PutHeaders:
        """The headers that replace those of the sources."""
        headers = headers_of(key, content_type, metadata, encryption, self._encryption, extra_args)
        return headers._replace(metadata={}) if metadata == {} else headers

    def _url_of_source(self, source: Any) -> str:
        if isinstance(source, S3Object):
            return source.url
        text = key_of(source)
        if isinstance(text, str) and text.startswith(SCHEME):  # also on a client with a root: another run's, perhaps
            split_url(text)
            return text
        return self._location.url(text)

    def _copy_request(self, source: Any, key: Any, given: PutHeaders, if_match: Any = None) -> CopyRequest:
        url = self._url_of_source(source)
        check_whole(source, url)
        to = self._location.url_to_store(key_of(key))
        split_object_url(to)
        version_id = version_of(source)
        if url == to and version_id is None and given == PutHeaders():
            raise MetaflowS3InvalidObject(SAME.format(shown(url, MOST_URL)))
        found, etag = Source(*split_object_url(url), version_id), condition_of(url, if_match, overwrite=True)
        if etag is None and not found.remains and isinstance(source, S3Object):
            etag = strong(source.etag or "")
        return CopyRequest(key_of(key), to, found, etag)

    def _copy_all(
        self,
        requests: Sequence[CopyRequest],
        overwrite: bool,
        given: PutHeaders,
        left_out: LeftOut,
        result: S3Transfers,
        more: str = "",
        dry_run: bool = False,
    ) -> None:
        """Copy objects, add them to the result, and name those that can't be copied in one exception.

        `more` is a sentence for that.
        """
        stored: dict[str, CopyRequest] = {}
        failed: set[str] = set()
        refusals = Refusals()
        if requests and dry_run:
            stored = self._absent(requests) if not overwrite else {one.url: one for one in requests}
        elif requests:
            stored, failed = self._run_copies(requests, Place.WORKERS, overwrite, given, refusals)
            left_out.note_refusals(refusals.by_url)
        for one in requests:
            if one.url in stored if overwrite else stored.get(one.url) is one:
                result.append((one.key, one.url))
            elif one.url not in failed:
                result.unchanged.append((one.key, one.url))
        left_out.raise_if_any(len(stored), "copied", more=more, result=result)

    def _absent(self, requests: Sequence[CopyRequest]) -> dict[str, CopyRequest]:
        """The copies whose keys have no object."""
        chosen = {one.url: one for one in reversed(requests)}
        plan = Heads([split_object_url(url) for url in chosen], missing_ok=True)
        self._executor.run(plan, Place.WORKERS)
        return {url: one for (url, one), info in zip(chosen.items(), plan.results) if info is None}

    def _run_copies(
        self,
        requests: Sequence[CopyRequest],
        place: Place,
        overwrite: bool,
        given: PutHeaders,
        refusals: Optional[Refusals],
    ) -> "tuple[dict[str, CopyRequest], set[str]]":
        """Copy objects; return those that were stored, by the URLs of the copies, and the URLs of failed copies."""
        # One copy for each key, as `put_many` does it.
        chosen = {one.url: one for one in (requests if overwrite else reversed(requests))}
        condition, mark = (None, None) if overwrite else (ABSENT, uuid.uuid4().hex)
        on_aws = is_aws(self._executor.client().endpoint_url)
        step = max(self._executor.part_size, copies.COPY_STEP)
        stored: dict[str, CopyRequest] = {}
        failed: set[str] = set()
        kept: set[str] = set()  # sources of failed copies
        for urls in _rounds(chosen) if overwrite else [list(chosen)]:
            some = [chosen[url] for url in urls if url not in kept]
            if refusals is not None:
                refusals.by_url.update((url, KEPT) for url in urls if url in kept)
            wanted = [
                Copy(one.source, *split_object_url(one.url), one.etag, given, condition, mark, one.size) for one in some
            ]
            plan = Copies(wanted, step, refusals, AMAZON_S3_ENCRYPTION if on_aws else None, keeps_checksums=on_aws)
            if some:
                self._executor.run(plan, place)
            stored.update((one.url, one) for one, is_stored in zip(some, plan.stored) if is_stored)
            left = kept.intersection(urls).union(some[index].url for index in plan.refused)
            kept.update(url_of(chosen[url].source) for url in left if not chosen[url].source.remains)
            failed |= left
        return stored, failed


def _rounds(chosen: dict[str, CopyRequest]) -> list[list[str]]:
    """The URLs of copies in rounds: an object that is also the source of another copy is replaced after that."""
    if not any(url_of(one.source) in chosen and url_of(one.source) != url for url, one in chosen.items()):
        return [list(chosen)]
    sources = {url: "" if one.source.remains else url_of(one.source) for url, one in chosen.items()}
    try:
        return rounds(sources)
    except ValueError as error:
        raise MetaflowS3InvalidObject(
            f"'{shown(str(error), MOST_URL)}' and another object would replace each other. Copy one of them to another "
            "key first."
        ) from None


KEPT = Refusal(
    "copy",
    Failure(
        Code.REJECTED,
        "the object that it would replace is the source of another copy, which failed",
        remedy="Repeat the call when that copy succeeds.",
    ),
)
CHANGE_SOMETHING = (
    "To change what is stored with an object, give content_type, metadata or encryption; to restore an earlier "
    "version, give S3GetObject(key, version_id=...)."
)
SAME = f"'{{}}' is both the source and the copy. {CHANGE_SOMETHING}"


def _pair(item: Any) -> tuple[Any, Any]:
    try:
        if isinstance(item, (str, bytes)):
            raise TypeError  # a string of two letters is a pair without its brackets
        source, key = item
    except (TypeError, ValueError):
        raise MetaflowS3InvalidObject(f"{item!r:.200} is not a pair. Give (source, key).") from None
    return source, key
