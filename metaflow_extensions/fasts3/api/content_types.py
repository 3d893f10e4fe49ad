"""Content types by file name."""

import mimetypes
from typing import Optional

# Types of compressed files, by the encodings that `mimetypes` returns beside the type of what is compressed. An object
# is stored as it is; with the type of its contents, browsers and libraries would not decompress it.
_COMPRESSED = {
    "br": "application/x-brotli",
    "bzip2": "application/x-bzip2",
    "compress": "application/x-compress",
    "gzip": "application/gzip",
    "xz": "application/x-xz",
}


def content_type_of(name: str) -> Optional[str]:
    """The MIME type that a file name suggests; None if it suggests none."""
    # The dot keeps a name with a colon from being taken for a URL.
    kind, encoding = mimetypes.guess_type(f"./{name.rpartition('/')[2]}")
    return kind if encoding is None else _COMPRESSED.get(encoding)
