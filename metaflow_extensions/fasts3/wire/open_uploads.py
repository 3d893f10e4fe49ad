"""ListMultipartUploads: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html."""

import re
from calendar import timegm
from collections.abc import Sequence
from typing import Optional
from urllib.parse import unquote_plus

from metaflow_extensions.fasts3.wire.exchange import Exchange
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.http_dates import timestamp_of
from metaflow_extensions.fasts3.wire.s3_errors import MAX_DEPTH, read_xml
from metaflow_extensions.fasts3.wire.transfers import OpenUpload, UploadsPage

MOST_UPLOADS = 1000  # of one page
_ROOT = "ListMultipartUploadsResult"
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:Z|\+00:00)\Z", re.ASCII)


class OpenUploadTransfers:
    """The method of `Transfers` that lists open multipart uploads.

    Parameters
    ----------
    exchange : Exchange
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def list_uploads(self, bucket: str, key: str, after: Optional[Sequence[str]] = None) -> UploadsPage:
        try:
            return await self._list_uploads(bucket, key, after, [])
        except TransferError as error:
            if error.failure.code not in (Code.BROKEN, Code.MALFORMED):
                raise
        # XML has no way to write some characters that keys may hold. Keys are not asked for in this form at first: some
        # servers encode them in another way than S3 does, and an upload would be aborted under a wrong key.
        return await self._list_uploads(bucket, key, after, [("encoding-type", "url")])

    async def _list_uploads(
        self, bucket: str, key: str, after: Optional[Sequence[str]], encoded: "list[tuple[str, str]]"
    ) -> UploadsPage:
        query = [("uploads", ""), ("prefix", key), ("max-uploads", str(MOST_UPLOADS)), *encoded]
        if after:
            markers = zip(("key-marker", "upload-id-marker"), after)
            query += [(name, value) for name, value in markers if value]
        reply = await self._exchange.ask("ListMultipartUploads", "GET", bucket, query=query)
        document = await reply.document()
        try:
            now = time_of_reply(reply.head.headers.get("date", ""))
            return checked(parse(document)._replace(now=now), key, after)
        except TransferError as error:
            raise reply.naming(error.failure) from error


def time_of_reply(date: str) -> Optional[int]:
    """Unix time of a Date header; None where it is none."""
    try:
        return timestamp_of(date)
    except ValueError:
        return None


def checked(page: UploadsPage, prefix: str, after: Optional[Sequence[str]]) -> UploadsPage:
    """A page, if it is one of what was asked for.

    Raises
    ------
    TransferError
        MALFORMED: it holds keys that do not begin with the prefix, or does not say how it goes on.
    """
    # SeaweedFS gives the upload's id alone, and continues only when it gets that back alone.
    if page.after is not None and (not any(page.after) or (after and list(after) == list(page.after))):
        raise TransferError(Failure(Code.MALFORMED, "the list of uploads is truncated and has no new marker"))
    other = next((one.key for one in page.uploads if not one.key.startswith(prefix)), None)
    if other is not None:
        told = f"the list of uploads below {prefix[:80]!r} holds {other[:80]!r}, which does not begin with it"
        raise TransferError(Failure(Code.MALFORMED, told))
    return page


class _Reader:
    """Collects the texts one and two levels below the root."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._text: list[str] = []  # of the element begun last
        self._fields: dict[str, str] = {}  # of the upload that is being read
        self.characters = self._text.append
        self.told: dict[str, str] = {}
        self.uploads: list[tuple[str, str, str]] = []  # key, upload id, time
        self.root = ""

    def start(self, name: str, _: object) -> None:
        if not self._path:
            self.root = name
        elif len(self._path) == MAX_DEPTH:
            raise ValueError("too deep")
        elif len(self._path) == 1:
            self._fields = {}
        self._path.append(name)
        self._text.clear()

    def end(self, name: str) -> None:
        self._path.pop()
        if len(self._path) == 2:
            self._fields[name] = "".join(self._text)
        elif len(self._path) == 1 and name == "Upload":
            fields = self._fields
            self.uploads.append((fields["Key"], fields["UploadId"], fields.get("Initiated", "")))
        elif len(self._path) == 1:
            self.told[name] = "".join(self._text)
        self._text.clear()


def parse(document: bytes) -> UploadsPage:
    """Read the reply to ListMultipartUploads.

    Raises
    ------
    TransferError
        See `s3_errors.read_xml`; MALFORMED where it is another document.
    """
    reader = _Reader()
    read_xml(document, "the list of uploads", reader.start, reader.end, reader.characters)
    if reader.root != _ROOT:
        raise TransferError(Failure(Code.MALFORMED, f"the list of uploads is a {reader.root[:80]!r} document"))
    told = reader.told
    decode = unquote_plus if told.get("EncodingType") == "url" else str
    more = told.get("IsTruncated") == "true"
    return UploadsPage(
        [OpenUpload(decode(key), upload_id, _time(initiated)) for key, upload_id, initiated in reader.uploads],
        [decode(told.get("NextKeyMarker", "")), told.get("NextUploadIdMarker", "")] if more else None,
    )


def _time(text: str) -> Optional[int]:
    """Unix time of a time that S3 wrote; None where it can't be read."""
    found = _TIME.match(text)
    try:
        return timegm((*map(int, found.groups()), 0, 0, 0)) if found else None
    except ValueError:  # the 99th of a month
        return None
