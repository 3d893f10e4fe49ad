"""The interface of transfers that every implementation offers, and its types.

All arguments and results are JSON types, except bodies, the allowance, `begun` and `into`, so that any method call can
be sent to a worker unchanged. Every method raises `TransferError`, and nothing else, for failures of S3, the network or
the file system.
"""

from collections.abc import Sequence
from typing import Callable, NamedTuple, Optional, Protocol, Union

from metaflow_extensions.fasts3.wire.bandwidth import Allowance


class ObjectInfo(NamedTuple):
    """An object's properties, from the headers of a HEAD or GET."""

    size: Optional[int]  # bytes of the whole object; None if the server does not send it
    etag: str  # as sent, with its quotes; "" if the server sends none
    content_type: Optional[str]
    metadata: dict[str, str]  # of `METADATA`, names without the prefix, in lower case
    last_modified: Optional[int]  # Unix timestamp, seconds
    encryption: Optional[str]  # x-amz-server-side-encryption
    version_id: Optional[str] = None  # in a versioned bucket
    others: dict[str, str] = {}  # noqa: RUF012  # of a HEAD: `KEPT`, `TAG_COUNT`; on request also `checksums.kept`

    def is_version_of(self, other: "ObjectInfo") -> bool:
        """Whether both are of the same version, as far as the server shows: by ETags, or without them by times."""
        same_time = bool(self.etag) or self.last_modified == other.last_modified
        return same_time and (self.etag, self.size) == (other.etag, other.size)


UNKNOWN_LENGTH = -1
"""The response does not state the length of its body."""


class GetResponse(NamedTuple):
    """A download, or the first part of one."""

    info: ObjectInfo
    first: int  # offset in the object of the first byte received
    length: int  # bytes of the range; `UNKNOWN_LENGTH` if not sent and the body was not read to its end
    received: int  # bytes written so far; fewer than `length` if other requests get the rest
    crc: Optional[int] = None  # CRC-32 of the received bytes, if requested or computed anyway
    whole_crc: Optional[str] = None  # of the whole object, in base64 as S3 sends it
    verified: Optional[str] = None  # algorithm of the checksum that S3 sent for the whole object and that matched
    body: Optional[bytes] = None  # the received bytes, if they were not written elsewhere


Begun = Callable[[GetResponse], None]
"""Called when the head of a large download's response arrives, with the bytes that will be `received`."""


class PutHeaders(NamedTuple):
    """What is stored with an object in addition to its bytes."""

    content_type: Optional[str] = None
    metadata: Optional[dict[str, str]] = None
    encryption: Optional[str] = None
    others: Optional[dict[str, str]] = None  # headers, names in lower case


METADATA = "x-amz-meta-"  # followed by a name of user metadata
KMS_KEY = "x-amz-server-side-encryption-aws-kms-key-id"
# Other headers that are stored with an object, and that a copy of it keeps.
KEPT = ("cache-control", "content-disposition", "content-encoding", "content-language", "expires", KMS_KEY)
TAG_COUNT = "x-amz-tagging-count"  # in a response, if the object has tags


class ListedObject(NamedTuple):
    """One <Contents> of a listing."""

    key: str
    size: int


class DetailedObject(NamedTuple):
    """One <Contents> of a listing, with all details."""

    key: str
    size: int
    etag: str  # as sent, with its quotes; "" if the server sends none
    modified: Optional[float]  # Unix timestamp in seconds, some servers send fractions; None if invalid
    storage_class: str = ""  # e.g. "STANDARD"; "" if the server sends none


class Page(NamedTuple):
    """One page of ListObjectsV2."""

    objects: "Sequence[Union[ListedObject, DetailedObject]]"  # all of the same type
    prefixes: list[str]  # CommonPrefixes, each with its trailing delimiter
    next_token: Optional[str]  # None on the last page


class ObjectVersion(NamedTuple):
    """A version of an object, or a delete marker."""

    key: str
    version_id: str
    is_latest: bool
    size: Optional[int]  # None: a delete marker
    etag: str = ""  # as sent, with its quotes; "" if the server sends none
    modified: Optional[float] = None  # Unix timestamp in seconds; None if invalid


class VersionsPage(NamedTuple):
    """One page of ListObjectVersions."""

    versions: list[ObjectVersion]
    after: Optional[list[str]]  # key and version id after which the next page begins; None on the last page


class OpenUpload(NamedTuple):
    """A multipart upload that was neither completed nor aborted."""

    key: str
    upload_id: str
    initiated: Optional[int]  # Unix timestamp in seconds; None if the server does not send it


class UploadsPage(NamedTuple):
    """One page of ListMultipartUploads."""

    uploads: list[OpenUpload]
    after: Optional[list[str]]  # key and upload id after which the next page begins; None on the last page
    now: Optional[int] = None  # Unix timestamp of the response, by the server's clock


class Transfers(Protocol):
    """One S3 request per method; see https://docs.aws.amazon.com/AmazonS3/latest/API/."""

    def head(self, bucket: str, key: str, version_id: Optional[str] = None, checksums: bool = False) -> ObjectInfo:
        """HeadObject, of the current version or the given one.

        Parameters
        ----------
        checksums : bool
            Also return the headers of `checksums.kept`.
        """

    def head_bucket(self, bucket: str, key: str = "") -> None:
        """HeadBucket; raises NO_BUCKET if it does not exist. The key is ignored."""

    def get(
        self,
        bucket: str,
        key: str,
        path: Optional[str] = None,
        position: int = 0,
        byte_range: Optional[str] = None,
        if_match: Optional[str] = None,
        limit: Optional[int] = None,
        crc: bool = False,
        keep: bool = False,
        ways: int = 0,
        begun: Optional[Begun] = None,
        allowance: Optional[Allowance] = None,
        version_id: Optional[str] = None,
        into: Optional[memoryview] = None,
    ) -> GetResponse:
        """GetObject into a local file, or into memory.

        Parameters
        ----------
        path : str, optional
            The file. At `position` 0, it is created or emptied. Without a path, the result holds the bytes.
        position : int
            Offset in the file of the first byte.
        byte_range : str, optional
            A Range header (RFC 9110 section 14.2); without it, the whole object.
        if_match : str, optional
            Raise PRECONDITION unless the object has this ETag.
        limit : int, optional
            Stop after this many bytes; see `GetResponse.received`. Bodies of unknown length go to a file whole.
        crc : bool
            Compute the CRC-32 of the received bytes, if this implementation can.
        keep : bool
            Do not empty the file, because other requests write to it too.
        ways : int
            Number of responses that share an object over the limit, if `begun` is given; this one reads as much as each
            of the others.
        begun : callable, optional
            Called before the body of such an object is read, so that the other requests can start. This one then
            reads only the first `received` bytes, or fewer if the connection breaks.
        allowance : Allowance, optional
            Limits the bandwidth of the body, in downloads and uploads.
        version_id : str, optional
            The version; None for the current one.
        into : memoryview, optional
            Memory of this process for the bytes, of the length of the range.
        """

    def put(
        self,
        bucket: str,
        key: str,
        body: Optional[bytes] = None,
        path: Optional[str] = None,
        headers: PutHeaders = PutHeaders(),
        condition: Optional[str] = None,
        allowance: Optional[Allowance] = None,
    ) -> str:
        """PutObject from bytes or a file; returns the ETag.

        With a condition (`wire.conditions`), raises PRECONDITION if it fails.
        """

    def list_page(
        self,
        bucket: str,
        key: str,
        delimiter: str = "",
        token: Optional[str] = None,
        limit: int = 1000,
        after: str = "",
        details: bool = False,
    ) -> Page:
        """ListObjectsV2: one page of the keys that begin with `key` and, if given, sort after `after`.

        With `details`, the objects are `DetailedObject`s.
        """

    def copy(
        self,
        bucket: str,
        key: str,
        source: Sequence[Optional[str]],
        headers: PutHeaders = PutHeaders(),
        replace: bool = False,
        if_match: Optional[str] = None,
        condition: Optional[str] = None,
    ) -> str:
        """CopyObject; returns the ETag of the copy. Conditions of the copy as in `put`.

        Parameters
        ----------
        source : sequence of str or None
            `copies.Source`.
        headers : PutHeaders
            Their encryption applies in any case.
        replace : bool
            Store all of the headers with the copy, instead of those of the source.
        if_match : str, optional
            Raise PRECONDITION unless the source has this ETag.
        """

    def copy_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        source: Sequence[Optional[str]],
        byte_range: str,
        if_match: Optional[str] = None,
    ) -> dict[str, str]:
        """UploadPartCopy of a range of an object; returns what `upload_part` returns."""

    def get_tags(self, bucket: str, key: str, version_id: Optional[str] = None) -> dict[str, str]:
        """GetObjectTagging, of the current version or the given one."""

    def delete(self, bucket: str, key: str, version_id: Optional[str] = None, if_match: Optional[str] = None) -> None:
        """DeleteObject, of the current version or the given one.

        With `if_match`, raises PRECONDITION unless the object has this ETag; many servers ignore that.
        """

    def delete_objects(
        self, bucket: str, key: str = "", keys: Sequence[str] = (), etags: Sequence[str] = ()
    ) -> dict[str, str]:
        """DeleteObjects; returns S3's error, 'Code: Message', for each key that was not deleted.

        Parameters
        ----------
        key : str
            For messages only: the common prefix of the keys.
        keys : sequence of str
            At most 1,000 distinct keys that XML can hold (`deletion.goes_with_others`).
        etags : sequence of str
            One for each key, or none at all: the ETag that the object must have to be deleted; "" for any. Many servers
            ignore them.
        """

    def create_upload(self, bucket: str, key: str, headers: PutHeaders = PutHeaders(), checksums: bool = True) -> str:
        """CreateMultipartUpload; returns the upload id.

        With `checksums`, parts have the checksums that `upload_part` sends; `copy_part` sends none.
        """

    def upload_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        body: Optional[bytes] = None,
        path: Optional[str] = None,
        position: int = 0,
        length: int = 0,
        version: Optional[Sequence[int]] = None,
        allowance: Optional[Allowance] = None,
    ) -> dict[str, str]:
        """UploadPart; returns the part's fields for CompleteMultipartUpload (ETag, checksum).

        With `version` (`local_files.Version`), raises CHANGED if the file at `path` has another version.
        """

    def complete_upload(
        self, bucket: str, key: str, upload_id: str, parts: list[dict[str, str]], condition: Optional[str] = None
    ) -> str:
        """CompleteMultipartUpload; returns the object's ETag. Conditions as in `put`."""

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """AbortMultipartUpload; no error if the upload no longer exists."""

    def list_versions(self, bucket: str, key: str, after: Optional[Sequence[str]] = None) -> VersionsPage:
        """ListObjectVersions: one page of the versions of objects whose keys begin with `key`.

        Parameters
        ----------
        after : sequence of str, optional
            `VersionsPage.after` of the previous page.
        """

    def list_uploads(self, bucket: str, key: str, after: Optional[Sequence[str]] = None) -> UploadsPage:
        """ListMultipartUploads: one page of the open uploads whose keys begin with `key`.

        Parameters
        ----------
        after : sequence of str, optional
            `UploadsPage.after` of the previous page.
        """
