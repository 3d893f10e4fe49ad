"""One table that maps exceptions of botocore, urllib3 and the file system to the codes of `wire/failures.py`."""

import http.client
import ssl
from collections.abc import Iterator
from typing import Any, Optional
from xml.etree.ElementTree import ParseError

import botocore.exceptions as botocore_errors
import urllib3.exceptions as urllib3_errors
from botocore.parsers import ResponseParserError
from urllib3.connection import CertificateError as WrongName  # type: ignore[attr-defined]  # in all versions

from metaflow_extensions.fasts3.wire.connection_errors import tls_remedy
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.local_files import NO_DESCRIPTORS, local_failure
from metaflow_extensions.fasts3.wire.redirects import with_region
from metaflow_extensions.fasts3.wire.s3_errors import code_of, seconds_of
from metaflow_extensions.fasts3.wire.xml_documents import CUT_SHORT

PROVIDERS = "botocore.credentials"  # the module of boto3's credential providers
# The first match applies: botocore's read timeout, for example, is an OSError as well.
BY_TYPE: tuple[tuple[Code, tuple[type[Exception], ...]], ...] = (
    (
        Code.NO_CREDENTIALS,
        (
            botocore_errors.NoCredentialsError,
            botocore_errors.PartialCredentialsError,
            botocore_errors.CredentialRetrievalError,
            botocore_errors.NoAuthTokenError,
            botocore_errors.TokenRetrievalError,
            botocore_errors.SSOError,
        ),
    ),
    (
        Code.BROKEN,
        (botocore_errors.IncompleteReadError, botocore_errors.FlexibleChecksumError, botocore_errors.ChecksumError),
    ),
    (Code.MALFORMED, (ResponseParserError,)),
    (
        Code.UNREACHABLE,
        (
            botocore_errors.ConnectionError,
            botocore_errors.HTTPClientError,
            urllib3_errors.HTTPError,
            ConnectionError,
            TimeoutError,
            ssl.SSLError,
        ),
    ),
    (Code.REJECTED, (botocore_errors.BotoCoreError,)),
    (Code.LOCAL_FILE, (OSError,)),
)

# Exceptions of Python's HTTP client when the connection ends.
_ENDED = (http.client.RemoteDisconnected, http.client.IncompleteRead)


def failure_of(error: Exception) -> Failure:
    """Translate an exception of one call of a boto3 client, or of the file system, into a failure."""
    if raised_by_provider(error) and not isinstance(error, TransferError):
        from metaflow_extensions.fasts3.boto.credential_errors import failure_of_provider

        return failure_of_provider(error)
    if isinstance(error, botocore_errors.ClientError):
        return _failure_of_response(error)
    known = next(filter(None, (_meaning_of(cause, error) for cause in causes(error))), None)
    if known:
        return known
    code = next((code for code, types in BY_TYPE if isinstance(error, types)), None)
    if code is None:
        if _is_ours(error):
            raise error  # a defect; the traceback is needed
        code = Code.REJECTED
    if code is Code.LOCAL_FILE and isinstance(error, OSError):
        code = local_failure(error).code
    return Failure(code, _sentence(error))


def _meaning_of(cause: BaseException, error: Exception) -> Optional[Failure]:
    """The failure for an error, by one of its causes; None if this cause does not decide."""
    if isinstance(cause, TransferError):  # of the file of the body
        return cause.failure
    if isinstance(cause, OSError) and cause.errno in NO_DESCRIPTORS:
        return local_failure(cause)
    if tls_remedy(cause):
        return Failure(Code.UNREACHABLE, _sentence(error), remedy=tls_remedy(cause))
    code: Optional[Code] = None
    # urllib3 itself compares the names in a certificate.
    if isinstance(cause, (ssl.SSLCertVerificationError, WrongName)):
        code = Code.UNTRUSTED
    elif isinstance(cause, ParseError) and cause.code in CUT_SHORT:
        code = Code.BROKEN
    elif isinstance(cause, http.client.HTTPException) and not isinstance(cause, _ENDED):  # this is not HTTP
        code = Code.MALFORMED
    return None if code is None else Failure(code, _sentence(error))


def raised_by_provider(error: BaseException) -> bool:
    """Whether an exception comes from one of boto3's credential providers, and not from the request itself."""
    return any(frame.f_globals.get("__name__") == PROVIDERS for frame in frames(error))


def _is_ours(error: BaseException) -> bool:
    """Whether a line of this package raised an exception, and not a library that it called."""
    *_, innermost = (None, *frames(error))
    return innermost is not None and str(innermost.f_globals.get("__name__")).startswith("metaflow_extensions.fasts3.")


def frames(error: BaseException) -> Iterator[Any]:
    """The frames of an exception's traceback, the innermost last."""
    traceback = error.__traceback__
    while traceback:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _failure_of_response(error: botocore_errors.ClientError) -> Failure:
    document = error.response.get("Error", {})
    response = error.response.get("ResponseMetadata", {})
    s3_code = str(document.get("Code") or "")
    status = int(response.get("HTTPStatusCode", 0))
    headers = response.get("HTTPHeaders", {})
    failure = Failure(
        code_of(s3_code, status),
        str(document.get("Message") or ""),
        s3_code,
        status,
        str(response.get("RequestId") or ""),
        retry_after=seconds_of(str(headers.get("retry-after", ""))),
    )
    return with_region(failure, headers, document)


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes; botocore stores the cause in `kwargs`, urllib3 in `reason`."""
    cause: Optional[BaseException] = error
    for _ in range(6):
        if cause is None:
            return
        yield cause
        inner = getattr(cause, "kwargs", {}).get("error") or getattr(cause, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in getattr(cause, "args", ()) if isinstance(arg, BaseException)), None)
        cause = inner or cause.__cause__ or cause.__context__


def _sentence(error: Exception) -> str:
    return str(error) or type(error).__name__
