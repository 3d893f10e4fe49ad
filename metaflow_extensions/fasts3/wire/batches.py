"""Which keys one request may delete: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html."""

import re

MOST_KEYS = 1000  # of one request
_DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|\Z)")


def goes_with_others(key: str) -> bool:
    """Whether a key is safe in a document.

    A parser that makes one line break of another, drops the spaces at the ends of a text, or takes a segment of dots
    for a path, would have another object deleted. Such keys are few; each has a request of its own, in whose URL every
    such byte is escaped.
    """
    dotted = ("/." in key or key.startswith(".")) and _DOTS.search(key)
    return key.isprintable() and not dotted and key == key.strip()
