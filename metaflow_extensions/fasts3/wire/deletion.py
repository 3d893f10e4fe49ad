"""DeleteObjects: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html."""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from html import escape

from metaflow_extensions.fasts3.wire.batches import MOST_KEYS
from metaflow_extensions.fasts3.wire.exchange import Exchange, Reply
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.s3_errors import late_failure_of
from metaflow_extensions.fasts3.wire.sending import Payload
from metaflow_extensions.fasts3.wire.template import RequestTemplate
from metaflow_extensions.fasts3.wire.xml_rows import read_rows

LACKING = frozenset({Code.NOT_IMPLEMENTED, Code.REJECTED, Code.NOT_S3})
"""Answers that may be about the way in which many are deleted: a page, for one, of a server that knows no such POST."""
MOST_TOLD = 300  # characters of what S3 says of one key; its own sentences have 200 at the most
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_ROOT = "DeleteResult"
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML 1.0 section 2.2 has no way to write
_LINES = str.maketrans({"\r": "&#xD;", "\n": "&#xA;", "\t": "&#x9;"})  # as they are, a parser may make others of them


class DeletionTransfers:
    """The method of `Transfers` that deletes many objects at once.

    Parameters
    ----------
    exchange : Exchange
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def delete_objects(self, bucket: str, key: str = "", keys: Sequence[str] = ()) -> "dict[str, str]":
        document = document_of(keys)
        template = self._exchange.template("DeleteObjects", bucket)
        by_md5 = template._replace(checksum=None)
        if bucket in self._exchange.only_md5:
            template = by_md5
        try:
            reply = await self._ask(bucket, document, template)
        except TransferError as error:
            if not template.checksum or not may_want_md5(error.failure):
                raise
            reply = await self._ask(bucket, document, by_md5)
            self._exchange.only_md5.add(bucket)
        told = await reply.document()
        with reply.naming_failures():
            root, refusals = parse(told)
            if root == "Error":  # as for CompleteMultipartUpload, S3 may send 200 before it knows
                raise TransferError(late_failure_of(reply.head.status, reply.head.headers, told))
            if root != _ROOT:
                raise TransferError(Failure(Code.MALFORMED, f"the reply to DeleteObjects is a {root[:80]!r} document"))
            return checked(refusals, keys)

    async def _ask(self, bucket: str, document: bytes, template: RequestTemplate) -> Reply:
        headers = {"content-type": "application/xml"}
        if not template.checksum:  # S3 wants one of the two
            headers["content-md5"] = md5_of(document)
        payload, query = Payload(document), [("delete", "")]
        return await self._exchange.ask("DeleteObjects", "POST", bucket, "", query, headers, payload, template=template)


def md5_of(document: bytes) -> str:
    """The Content-MD5 header of a document (RFC 1864)."""
    return base64.b64encode(hashlib.md5(document, usedforsecurity=False).digest()).decode("ascii")


def may_want_md5(failure: Failure) -> bool:
    """Whether a server may have refused a request for its checksum, and take it with Content-MD5.

    Servers older than the other checksums want this one, in whatever words (MissingContentMD5, InvalidRequest, ...), or
    refuse the headers of those that they do not know.
    """
    return failure.status in (400, 501) and failure.code in LACKING and failure.s3_code != "MalformedXML"


def document_of(keys: Sequence[str]) -> bytes:
    """The document that asks for keys to be deleted, and to be told of those only that could not be.

    Raises
    ------
    TransferError
        REJECTED: they are too many, or XML can't hold one.
    """
    check(keys)
    rows = "".join(f"<Object><Key>{escape(key, quote=False)}</Key></Object>" for key in keys).translate(_LINES)
    return f'<Delete xmlns="{_NAMESPACE}">{rows}<Quiet>true</Quiet></Delete>'.encode()


def check(keys: Sequence[str]) -> None:
    """Raise TransferError, REJECTED, for keys that no request can hold."""
    if not 0 < len(keys) <= MOST_KEYS:
        raise TransferError(Failure(Code.REJECTED, f"DeleteObjects takes 1 to {MOST_KEYS} keys, not {len(keys)}"))
    unfit = next((key for key in keys if _NO_XML.search(key)), None)
    if unfit is not None:
        raise TransferError(Failure(Code.REJECTED, f"XML can't hold the key {unfit[:80]!r}"))


def checked(refusals: "Iterable[tuple[str, str, str]]", keys: Sequence[str]) -> "dict[str, str]":
    """What S3 says of the keys that it did not delete, if it speaks of those that were asked for.

    Parameters
    ----------
    refusals : iterable of (key, code, message)
    keys : sequence of str
        Those asked for.

    Raises
    ------
    TransferError
        MALFORMED: it speaks of another key, and so nobody knows what became of these.
    """
    asked = set(keys)
    told = {}
    for key, code, message in refusals:
        if key not in asked:
            said = f"DeleteObjects tells of the key {key[:80]!r}, which was not asked for: {code[:80]}"
            raise TransferError(Failure(Code.MALFORMED, said))
        told[key] = f"{code or 'unknown'}: {message}"[:MOST_TOLD]
    return told


def parse(document: bytes) -> "tuple[str, list[tuple[str, str, str]]]":
    """Read the reply to DeleteObjects: the name of its root, and (key, code, message) of what was not deleted.

    Raises
    ------
    TransferError
        See `s3_errors.read_xml`.
    """
    found = read_rows(document, "the reply to DeleteObjects", "Error", ("Key",))
    rows = found.rows if found.root == _ROOT else []
    return found.root, [(row["Key"], row.get("Code", ""), row.get("Message", "")) for row in rows]
