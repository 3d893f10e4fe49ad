"""What one transfer is: the interface that every implementation offers, and its vocabulary.

All arguments and replies but bodies, the allowance and `begun` are made of JSON's types, so that any method call can be
sent to a worker as it stands. Every method raises `TransferError` and nothing else for what S3, the network or the file
system did.
"""

from collections.abc import Sequence
from typing import Callable, NamedTuple, Optional, Protocol, Union

from metaflow_extensions.fasts3.wire.bandwidth import Allowance


class ObjectInfo(NamedTuple):
    """What the headers of a HEAD or GET say about an object."""

    size: Optional[int]  # bytes of the whole object; None where the server does not say
    etag: str  # as sent, with its quotes; "" where the server sends none
    content_type: Optional[str]
    metadata: dict[str, str]  # x-amz-meta-*, names without the prefix, in lower case
    last_modified: Optional[int]  # Unix timestamp, seconds
    encryption: Optional[str]  # x-amz-server-side-encryption


UNKNOWN_LENGTH = -1
"""The server does not say how long the body is."""


class GetReply(NamedTuple):
    """A download, or the beginning of one."""

    info: ObjectInfo
    first: int  # offset in the object of the first byte of the range answered
    length: int  # bytes of that range; `UNKNOWN_LENGTH` if the server does not say and it was not read to its end
    received: int  # bytes of it that are in the file now; fewer than `length` if other requests get the rest
    crc: Optional[int] = None  # CRC-32 of the bytes received, where it was asked for or is of use
    whole_crc: Optional[str] = None  # of the whole object, in base64 as S3 sends it; None without one
    verified: Optional[str] = None  # the checksum that S3 keeps of the whole object and that was that of these bytes
    body: Optional[bytes] = None  # the bytes received, where they went to no file


Begun = Callable[[GetReply], None]
"""Hears of a large download as soon as the head of its response is here, with the bytes that will be `received`."""


class PutHeaders(NamedTuple):
    """What is stored with an object besides its bytes."""

    content_type: Optional[str] = None
    metadata: Optional[dict[str, str]] = None
    encryption: Optional[str] = None


class ListedObject(NamedTuple):
    """One <Contents> of a listing."""

    key: str
    size: int


class DetailedObject(NamedTuple):
    """One <Contents> of a listing, with the rest of what it says about an object."""

    key: str
    size: int
    etag: str  # as sent, with its quotes; "" where the server sends none
    modified: Optional[float]  # Unix timestamp, seconds, with fractions on some servers; None where it can't be read


class Page(NamedTuple):
    """One page of ListObjectsV2."""

    objects: "Sequence[Union[ListedObject, DetailedObject]]"  # all of them are of one kind
    prefixes: list[str]  # CommonPrefixes, each with its trailing delimiter
    next_token: Optional[str]  # None on the last page


class OpenUpload(NamedTuple):
    """A multipart upload that was begun, and neither completed nor aborted."""

    key: str
    upload_id: str
    initiated: Optional[int]  # Unix timestamp, seconds; None where the server does not say


class UploadsPage(NamedTuple):
    """One page of ListMultipartUploads."""

    uploads: list[OpenUpload]
    after: Optional[list[str]]  # key and upload id that the next page begins after; None on the last page
    now: Optional[int] = None  # Unix timestamp of the reply by the server's clock


class Transfers(Protocol):
    """One request to S3 a method; see https://docs.aws.amazon.com/AmazonS3/latest/API/."""

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """HeadObject."""

    def head_bucket(self, bucket: str, key: str = "") -> None:
        """HeadBucket: fails with NO_BUCKET where there is none. The key does not count."""

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
    ) -> GetReply:
        """GetObject into a local file, or into memory.

        Parameters
        ----------
        path : str, optional
            The file. It is made, or emptied, when `position` is 0. Without one, the bytes are in the reply.
        position : int
            Where in the file the first byte goes.
        byte_range : str, optional
            A Range header (RFC 9110 section 14.2); the whole object without it.
        if_match : str, optional
            Fail with PRECONDITION unless the object still has this ETag.
        limit : int, optional
            Stop after so many bytes, and say so in `GetReply.received`. Into a file, what has no length comes whole.
        crc : bool
            Compute the CRC-32 of what is received, where this implementation can.
        keep : bool
            Do not empty the file: others write to it as well.
        ways : int
            Responses that are to share an object over the limit: this one reads as much as each of the others.
        begun : callable, optional
            Told before the bytes of such an object are read, so that the others begin. Only the first `received` bytes
            are read then, or fewer where the connection breaks.
        allowance : Allowance, optional
            What the bytes of the body wait for, here and in uploads.
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
        """PutObject from bytes or from a file; the ETag.

        With a condition (`wire.conditions`), PRECONDITION where it does not hold.
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
        """ListObjectsV2: one page of the keys that begin with `key`, and come behind `after` where that is given.

        With `details`, its objects are of `DetailedObject`.
        """

    def delete(self, bucket: str, key: str) -> None:
        """DeleteObject."""

    def delete_objects(self, bucket: str, key: str = "", keys: Sequence[str] = ()) -> dict[str, str]:
        """DeleteObjects; what S3 says, 'Code: Message', of each key that it did not delete.

        Parameters
        ----------
        key : str
            Does not count: what the keys have in common, for messages.
        keys : sequence of str
            1,000 at the most, that XML can hold (`deletion.goes_with_others`), each once.
        """

    def create_upload(self, bucket: str, key: str, headers: PutHeaders = PutHeaders()) -> str:
        """CreateMultipartUpload; the upload id."""

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
        """UploadPart; what CompleteMultipartUpload wants to hear of this part (its ETag, its checksum).

        With `version` (`local_files.Version`), CHANGED where the file at `path` is another by now.
        """

    def complete_upload(
        self, bucket: str, key: str, upload_id: str, parts: list[dict[str, str]], condition: Optional[str] = None
    ) -> str:
        """CompleteMultipartUpload; the ETag of the object. Conditions as for `put`."""

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """AbortMultipartUpload; no error where it is gone already."""

    def list_uploads(self, bucket: str, key: str, after: Optional[Sequence[str]] = None) -> UploadsPage:
        """ListMultipartUploads: one page of the open uploads whose keys begin with `key`.

        Parameters
        ----------
        after : sequence of str, optional
            `UploadsPage.after` of the page before.
        """
