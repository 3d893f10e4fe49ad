"""Recognizes responses that no S3 server sends: a console, a web server or a proxy responds instead.

Requires only what every S3 server sends, small ones included: an ETag, Last-Modified or an S3-specific header for an
object, an ETag for one that was stored, XML for a document. Pure.
"""

import re
from typing import Optional

from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError

# Google and others use other prefixes, but also send an ETag and Last-Modified.
_OWN_HEADERS = ("x-amz-", "x-goog-")
_PAGE_TYPES = ("text/html", "application/xhtml+xml")
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_MARKUP = re.compile(rb"\xff\xfe|\xfe\xff|(?:\xef\xbb\xbf)?\s*<")  # XML begins with "<", after a byte order mark
# Statuses for unknown paths or methods. Proxies send other statuses, too.
_UNKNOWN = frozenset({404, 405, 501})
_ELSEWHERE = frozenset({302, 303})  # a console redirects to its login; S3 sends 301 and 307


def has_own_headers(headers: "dict[str, str]") -> bool:
    """Whether a response has a header that only S3 servers send."""
    return any(name.startswith(_OWN_HEADERS) for name in headers)


def is_page(document: bytes) -> bool:
    """Whether a document is HTML, or not XML; blank documents are neither."""
    return bool(document.strip()) and bool(_PAGE.match(document) or not _MARKUP.match(document))


def check_object(headers: "dict[str, str]") -> None:
    """Raise TransferError, NOT_S3, for headers of a response to GetObject or HeadObject that no S3 object has.

    One mark is enough, because small servers send few headers; a web page has one of its own (an ETag, for example).
    """
    marks = ("etag" in headers) + ("last-modified" in headers)
    if marks == 2:  # the usual case, for each object
        return
    if marks < (2 if _has_type(headers, _PAGE_TYPES) else 1) and not has_own_headers(headers):
        raise _not_s3(f"it has {_kind(headers)}, and no ETag or Last-Modified")


def check_bucket(headers: "dict[str, str]") -> None:
    """Raise TransferError, NOT_S3, if the response to HeadBucket is a page."""
    if _has_type(headers, _PAGE_TYPES) and headers.get("content-length") != "0" and not has_own_headers(headers):
        raise _not_s3(f"it has {_kind(headers)}")


def stored_etag(headers: "dict[str, str]") -> str:
    """Return the ETag of an upload; raise TransferError, NOT_S3, without one: it may not be stored."""
    if not headers.get("etag"):
        raise _not_s3(f"it has no ETag, and {_kind(headers)}")
    return headers["etag"]


def check_body(document: bytes, headers: "dict[str, str]", is_xml: bool) -> None:
    """Raise TransferError, NOT_S3, for a page instead of a document, or instead of an empty body.

    Parameters
    ----------
    document : bytes
    headers : dict of str to str
    is_xml : bool
        S3 sends XML. Otherwise it sends nothing, and bodies other than pages and text are ignored.
    """
    if _PAGE.match(document) or (is_page(document) and (is_xml or not has_own_headers(headers))):
        raise _not_s3(f"it has {_kind(headers)}")


def refusal_of_another_server(status: int, headers: "dict[str, str]", document: bytes) -> Optional[Failure]:
    """Return the failure for an error response of a server other than S3; None for S3's."""
    if has_own_headers(headers):
        return None
    if status in _ELSEWHERE:
        what = "the response redirects elsewhere"
    elif status in _UNKNOWN and is_page(document):
        what = "the error response is a web page"
    else:
        return None
    return Failure(Code.NOT_S3, f"{what}, which S3 never sends", str(status), status)


def _has_type(headers: "dict[str, str]", types: "tuple[str, ...]") -> bool:
    return headers.get("content-type", "").lower().startswith(types)


def _kind(headers: "dict[str, str]") -> str:
    kind = headers.get("content-type")
    return f"a body of type {kind[:80]}" if kind else "a body without a type"


def _not_s3(why: str) -> TransferError:
    return TransferError(Failure(Code.NOT_S3, f"the response is not from S3: {why}"))
