"""DeleteObjects: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html."""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from html import escape

from metaflow_extensions.fasts3.wire.exchange import Exchange, Response
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError, malformed
from metaflow_extensions.fasts3.wire.operations import OPERATIONS
from metaflow_extensions.fasts3.wire.s3_errors import late_failure_of
from metaflow_extensions.fasts3.wire.sending import Payload
from metaflow_extensions.fasts3.wire.template import RequestTemplate
from metaflow_extensions.fasts3.wire.xml_documents import NAMESPACE, read

MOST_KEYS = 1000  # per request
LACKING = frozenset({Code.NOT_IMPLEMENTED, Code.REJECTED, Code.NOT_S3})
"""Failures of DeleteObjects that DeleteObject may not have, for example from a server without this POST."""
MAX_MESSAGE = 300  # characters of an error about one key; S3's have at most 200
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # not allowed in XML 1.0, section 2.2
_DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|\Z)")
_LINES = str.maketrans({"\r": "&#xD;", "\n": "&#xA;", "\t": "&#x9;"})  # parsers may normalize them if unescaped


class DeletionTransfers:
    """The method of `Transfers` that deletes many objects in one request."""

    _exchange: Exchange

    async def delete_objects(
        self, bucket: str, key: str = "", keys: Sequence[str] = (), etags: Sequence[str] = ()
    ) -> "dict[str, str]":
        document = document_of(keys, etags)
        template = self._exchange.template("DeleteObjects", bucket)
        by_md5 = template._replace(checksum=None)
        if bucket in self._exchange.only_md5:
            template = by_md5
        try:
            response = await self._request(bucket, document, template)
        except TransferError as error:
            if not template.checksum or not may_want_md5(error.failure):
                raise
            response = await self._request(bucket, document, by_md5)
            self._exchange.only_md5.add(bucket)
        with response:
            body = await response.document()
            root, refusals = parse(body)
            if root == "Error":  # like CompleteMultipartUpload, S3 may send 200 before it knows the result
                raise TransferError(late_failure_of(response.head.status, response.head.headers, body))
            return checked(refusals, keys)

    async def _request(self, bucket: str, document: bytes, template: RequestTemplate) -> Response:
        headers = {"content-type": "application/xml"}
        if not template.checksum:  # S3 requires one of the two
            headers["content-md5"] = md5_of(document)
        payload, query = Payload(document), [("delete", "")]
        return await self._exchange.request("DeleteObjects", bucket, "", query, headers, payload, template=template)


def md5_of(document: bytes) -> str:
    """Return the Content-MD5 header of a document (RFC 1864)."""
    return base64.b64encode(hashlib.md5(document, usedforsecurity=False).digest()).decode("ascii")


def may_want_md5(failure: Failure) -> bool:
    """Whether a server may have refused a request for its checksum, and accept Content-MD5 instead.

    Older servers require Content-MD5 (MissingContentMD5, InvalidRequest, ...) or refuse headers of checksums that they
    do not know.
    """
    return failure.status in (400, 501) and failure.code in LACKING and failure.s3_code != "MalformedXML"


def document_of(keys: Sequence[str], etags: Sequence[str] = ()) -> bytes:
    """Return the request body that deletes keys and asks for errors only in the response.

    Parameters
    ----------
    keys : sequence of str
    etags : sequence of str, optional
        See `Transfers.delete_objects`.

    Raises
    ------
    TransferError
        REJECTED: too many keys, or one that XML can't hold.
    """
    check(keys)
    conditions = (f"<ETag>{escape(etag, quote=False)}</ETag>" if etag else "" for etag in etags or ("",) * len(keys))
    rows = "".join(f"<Object><Key>{escape(key, quote=False)}</Key>{one}</Object>" for key, one in zip(keys, conditions))
    rows = rows.translate(_LINES)
    return f'<Delete xmlns="{NAMESPACE}">{rows}<Quiet>true</Quiet></Delete>'.encode()


def goes_with_others(key: str) -> bool:
    """Whether a key may share a request with others.

    A parser that changes line breaks, strips spaces, or resolves dot segments as in a path would delete another object.
    Such keys are rare; each gets its own request, with the key escaped in the URL.
    """
    dotted = ("/." in key or key.startswith(".")) and _DOTS.search(key)
    return key.isprintable() and not dotted and key == key.strip()


def check(keys: Sequence[str]) -> None:
    """Raise TransferError, REJECTED, for keys that don't fit into a request."""
    if not 0 < len(keys) <= MOST_KEYS:
        raise TransferError(Failure(Code.REJECTED, f"DeleteObjects takes 1 to {MOST_KEYS} keys, not {len(keys)}"))
    unfit = next((key for key in keys if _NO_XML.search(key)), None)
    if unfit is not None:
        raise TransferError(Failure(Code.REJECTED, f"XML can't hold the key {unfit[:80]!r}"))


def checked(refusals: "Iterable[tuple[str, str, str]]", keys: Sequence[str]) -> "dict[str, str]":
    """Return the errors of keys that S3 did not delete, as 'Code: message'.

    Parameters
    ----------
    refusals : iterable of (key, code, message)
    keys : sequence of str
        The request's keys.

    Raises
    ------
    TransferError
        MALFORMED: the response has a key that the request did not have, so the result is unknown.
    """
    requested = set(keys)
    errors = {}
    for key, code, message in refusals:
        if key not in requested:
            what = f"the key {key[:80]!r}, which was not in the request: {code[:80]}"
            raise malformed(f"the response to DeleteObjects has {what}")
        errors[key] = f"{code or 'unknown'}: {message}"[:MAX_MESSAGE]
    return errors


def parse(document: bytes) -> "tuple[str, list[tuple[str, str, str]]]":
    """Read the response to DeleteObjects: the root's name, and (key, code, message) of each key not deleted.

    Raises
    ------
    TransferError
        See `xml_documents.read`; MALFORMED for any document other than a result or an error.
    """
    found = read(document, "the response to DeleteObjects", {"Error": ("Key",)}, OPERATIONS["DeleteObjects"].roots)
    rows = found.rows["Error"] if found.root != "Error" else []
    return found.root, [(row["Key"], row.get("Code", ""), row.get("Message", "")) for row in rows]
