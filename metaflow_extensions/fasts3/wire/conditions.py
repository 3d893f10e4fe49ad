"""What has to hold for an upload to be stored: that its key is not there, or that what is there is what was read.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html. A condition is a str, which travels as
JSON: `ABSENT`, or an ETag in its quotes.
"""

from typing import Optional

ABSENT = "absent"  # no ETag, since those have quotes

MARK = "metaflow-fasts3-upload"
"""The metadata key under which a conditional upload keeps the number of its call, and the ETag that it replaces.

By it such an upload knows what an earlier try of it has stored, when the reply was lost. The ETag would not do: that
of somebody else's object with the same bytes, who was faster, is the same; and it is no MD5 with SSE-KMS and on many
servers. Alike for all uploads of a call that go by If-None-Match, so that their requests are prepared together.
"""


def condition_headers(condition: Optional[str]) -> "dict[str, str]":
    """A condition as a header, its name in lower case; nothing for None."""
    if condition is None:
        return {}
    return {"if-none-match": "*"} if condition == ABSENT else {"if-match": condition}


def strong(etag: str) -> Optional[str]:
    """An ETag to be sent with If-Match; None for a weak one, which never matches there (RFC 9110 section 13.1.1)."""
    return None if not etag or etag.startswith("W/") else etag


def same_etag(one: str, other: str) -> bool:
    """Whether two ETags are equal; not every server sends the quotes."""
    return one.strip('"') == other.strip('"')
