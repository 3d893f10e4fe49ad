"""URLs of servers as they may be shown."""

import re

HIDDEN = "***"
# user:password@ in a URL; a user alone may be a token as well. Up to the last @ before the path.
USER_INFO = re.compile(r"(?<=://)[^/\s?#]*@")


def without_password(text: str) -> str:
    """A URL, or a text with URLs in it, without users and passwords."""
    return USER_INFO.sub(f"{HIDDEN}@", text)
