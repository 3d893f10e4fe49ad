"""Conditions of uploads: the key does not exist, or the object is still the one that was read.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html. A condition is a str, because jobs are
sent as JSON: `ABSENT`, or an ETag with its quotes.
"""

from typing import Optional

from metaflow_extensions.fasts3.wire.failures import Code, Failure

ABSENT = "absent"  # can't be an ETag, which has quotes

MARK = "metaflow-fasts3-upload"
"""The metadata key under which a conditional upload stores its call's number and the ETag that it replaces.

It shows whether an earlier attempt stored the object although its response was lost. The ETag does not: another
client's upload of the same bytes has the same one, and with SSE-KMS and on many servers it is no MD5. All uploads of a
call with If-None-Match have the same value, so that their requests share one prepared head.
"""


def condition_headers(condition: Optional[str]) -> "dict[str, str]":
    """Return a condition as a header, its name in lower case; an empty dict for None."""
    if condition is None:
        return {}
    return {"if-none-match": "*"} if condition == ABSENT else {"if-match": condition}


def strong(etag: str) -> Optional[str]:
    """Return an ETag for If-Match; None for a weak one, which never matches there (RFC 9110 section 13.1.1)."""
    return None if not etag or etag.startswith("W/") else etag


def in_quotes(etag: str) -> str:
    """Return an ETag of a listing as headers have it: rclone lists them without quotes. "" remains."""
    return f'"{etag}"' if etag and not etag.endswith('"') else etag


def same_etag(one: str, other: str) -> bool:
    """Whether two ETags are equal; some servers omit the quotes."""
    return one.strip('"') == other.strip('"')


def stale(problem: str, etag: str, expected: str) -> Failure:
    """Return the failure for an object that has changed.

    Parameters
    ----------
    problem : str
        Which object, and since when.
    etag, expected : str
        The ETag of the object, and the one that it should have.
    """
    message = f"{problem}: its ETag is {etag or 'none'}, not {expected or 'none'}"
    return Failure(Code.STALE, message, "PreconditionFailed")
