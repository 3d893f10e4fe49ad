"""What S3's errors mean, as the codes of `failures.py`, and how an error document is read.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

import re
from http import HTTPStatus
from typing import Any, Callable, Optional
from xml.parsers import expat

from metaflow_extensions.fasts3.wire.failures import UNUSABLE, Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.not_s3 import is_page, is_refusal_of_another_server, refusal

# Only codes whose HTTP status does not say enough.
BY_S3_CODE: "dict[str, Code]" = {
    "NoSuchBucket": Code.NO_BUCKET,
    "NoSuchUpload": Code.NO_UPLOAD,
    "AllAccessDisabled": Code.ACCESS_DENIED,
    "InvalidAccessKeyId": Code.ACCESS_DENIED,
    "SignatureDoesNotMatch": Code.ACCESS_DENIED,
    "InvalidToken": Code.ACCESS_DENIED,
    "ExpiredToken": Code.EXPIRED,
    "ExpiredTokenException": Code.EXPIRED,
    "TokenRefreshRequired": Code.EXPIRED,
    "RequestTimeTooSkewed": Code.SKEWED,
    "InvalidObjectState": Code.ARCHIVED,
    "BadDigest": Code.BROKEN,
    "IncompleteBody": Code.BROKEN,
    "XAmzContentChecksumMismatch": Code.BROKEN,
    "XAmzContentSHA256Mismatch": Code.BROKEN,
    "ConditionalRequestConflict": Code.BUSY,
    "ConcurrentModification": Code.BUSY,  # Ceph's name for it
    "OperationAborted": Code.BUSY,
    "PriorRequestNotComplete": Code.BUSY,
    "RequestTimeout": Code.BUSY,
    "RequestTimeoutException": Code.BUSY,
    "SlowDown": Code.BUSY,
    "Throttling": Code.BUSY,
    "ThrottlingException": Code.BUSY,
    "RequestLimitExceeded": Code.BUSY,
    "BandwidthLimitExceeded": Code.BUSY,
    "InternalError": Code.BUSY,
}

BY_STATUS: "dict[int, Code]" = {
    304: Code.PRECONDITION,  # of a PUT with If-None-Match, MinIO's until 2024
    401: Code.ACCESS_DENIED,
    403: Code.ACCESS_DENIED,
    404: Code.NOT_FOUND,
    408: Code.BUSY,
    412: Code.PRECONDITION,
    416: Code.INVALID_RANGE,
    425: Code.BUSY,
    429: Code.BUSY,
    501: Code.NOT_IMPLEMENTED,
}

REQUEST_ID = "x-amz-request-id"
_SECONDS = re.compile(r"[0-9]{1,6}\Z")
# What expat says of a document that ends too soon.
CUT_SHORT = frozenset(
    expat.errors.codes[one]
    for one in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)
_ENCODINGS = frozenset({"utf-8", "utf-16", "iso-8859-1", "us-ascii"})
MAX_DEPTH = 32  # elements inside one another; S3's documents have four


def code_of(s3_code: str, status: int) -> Code:
    """What an error of S3 means.

    Parameters
    ----------
    s3_code : str
        `<Code>` of its document, "" without one.
    status : int
        HTTP's.
    """
    return BY_S3_CODE.get(s3_code) or BY_STATUS.get(status) or (Code.BUSY if status >= 500 else Code.REJECTED)


def failure_of(status: int, headers: "dict[str, str]", document: bytes) -> Failure:
    """What a reply that is an error means.

    Parameters
    ----------
    status : int
    headers : dict of str to str
    document : bytes
        The body; a HEAD has none, and then the status has to say it all.
    """
    root, told = texts(document)
    if root != "Error":
        told = {}
        if is_refusal_of_another_server(status, headers, document):
            return refusal(status)
    s3_code, message = told.get("Code", ""), told.get("Message", "")
    if not s3_code:
        s3_code = str(status)
        message = message or (HTTPStatus(status).phrase if status in _STATUSES else "")
    request_id = headers.get(REQUEST_ID) or told.get("RequestId", "")
    code = code_of(s3_code, status)
    return Failure(code, message, s3_code, status, request_id, retry_after=seconds_of(headers.get("retry-after", "")))


def late_failure_of(status: int, headers: "dict[str, str]", document: bytes) -> Failure:
    """What an error means that came with a good status: for some operations S3 sends 200 before it knows."""
    return failure_of(500, headers, document)._replace(status=status)


def named(failure: Failure, status: int, headers: "dict[str, str]") -> Failure:
    """A failure that is the response's, with what names it to who has to find out why: its status and request id."""
    if failure.code not in UNUSABLE:  # a full disk is not the response's fault
        return failure
    return failure._replace(
        status=failure.status or status, request_id=failure.request_id or headers.get(REQUEST_ID, "")
    )


def seconds_of(retry_after: str) -> float:
    """Seconds that a Retry-After header asks for; 0 where it gives a date, which no S3 does."""
    return float(retry_after) if _SECONDS.match(retry_after) else 0.0


_STATUSES = frozenset(int(status) for status in HTTPStatus)


def texts(document: bytes) -> "tuple[str, dict[str, str]]":
    """The name of the root and the texts of the elements right below it; "" where the document is not XML.

    For small documents: errors, and the replies of multipart uploads, whose roots not every server calls as S3 does.
    """
    roots: list[str] = []
    found: dict[str, str] = {}
    path: list[str] = []
    text: list[str] = []

    def start(name: str, _: object) -> None:
        path.append(name)
        if len(path) > MAX_DEPTH:
            raise ValueError(name)
        if len(path) == 1:
            roots.append(name)
        text.clear()

    def end(_: str) -> None:
        if len(path) == 2:
            found[path[1]] = "".join(text)
        path.pop()

    try:
        read_xml(document, "the document", start, end, text.append)
    except TransferError:
        return "", {}
    return roots[0], found


def root_of(document: bytes, what: str) -> str:
    """The name of the first element of a document; raises as `read_xml` does."""
    names: list[str] = []
    read_xml(document, what, lambda name, _: None if names else names.append(name), lambda _: None, lambda _: None)
    return names[0]


def read_xml(
    document: bytes,
    what: str,
    start: "Callable[[str, Any], None]",
    end: "Callable[[str], None]",
    characters: "Callable[[str], object]",
) -> None:
    """Read a document of S3's.

    Parameters
    ----------
    document : bytes
        All of it; white space before it is skipped, with which servers keep a connection busy.
    what : str
        What it is, for messages.
    start, end, characters : callable
        See `xml.parsers.expat`. They raise ValueError or KeyError where it is not such a document.

    Raises
    ------
    TransferError
        BROKEN: it is cut short. NOT_S3: it is a page. MALFORMED: it is something else.
    """
    if is_page(document):
        raise TransferError(Failure(Code.NOT_S3, f"{what} is a page, not one of S3"))
    parser = new_parser()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    try:
        parser.Parse(document.lstrip(), True)
    except (expat.ExpatError, ValueError, KeyError) as error:  # KeyError: an element is missing
        cut = isinstance(error, expat.ExpatError) and error.code in CUT_SHORT and document.strip()
        told = f"{what} can't be read: {error}"
        raise TransferError(Failure(Code.BROKEN if cut else Code.MALFORMED, told)) from None


def new_parser() -> expat.XMLParserType:
    """A parser that takes no declaration of entities, with which a few bytes can become gigabytes.

    Nor any encoding that expat does not know by itself: Python would import a codec of the server's choice.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise ValueError("S3's documents declare no types and no entities")

    def declared(_: str, encoding: Optional[str], __: int) -> None:
        if encoding and encoding.lower() not in _ENCODINGS:
            raise ValueError(f"S3's documents are not in {encoding[:40]!r}")

    parser.StartDoctypeDeclHandler = refuse
    parser.XmlDeclHandler = declared
    return parser
