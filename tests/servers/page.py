"""The tables of docs/servers.md, from `servers.lacks`. `python -m servers.page` prints them (in `tests/`)."""

from servers.lacks import LACKS, VERSIONS

MEANINGS = {
    "signatures": "refuses a signature with another secret key",
    "unknown-identities": "refuses unknown access key ids",
    "unsigned-requests-are-denied": "responds 403 AccessDenied to unsigned requests",
    "public-buckets": "lets everyone read a bucket if its policy allows it",
    "any-action-in-policies": "accepts bucket policies for all actions, `s3:*`",
    "buckets-in-any-region": "creates buckets in any region",
    "missing-buckets": "responds 404 NoSuchBucket for a missing bucket",
    "missing-keys": "responds 404 NoSuchKey for a missing key",
    "missing-keys-below-an-object": "responds 404 NoSuchKey for `a/b` if `a` is an object",
    "prefixes-are-no-objects": "responds 404 to GET and HEAD of a key that is only a prefix of others",
    "request-ids": "sends request ids with errors",
    "object-beside-prefix": "stores `a` and `a/b`",
    "parts-beside-prefix": "stores `a` in parts after `a/b`",
    "delete-of-a-prefix": "deletes nothing, without an error, if the key is only a prefix of others",
    "double-slash-keys": "stores keys with `//`",
    "leading-slash-keys": "stores keys that begin with `/`",
    "trailing-slash-keys": "stores keys that end with `/`",
    "trailing-slash-beside-prefix": "stores `a/` and `a/b`",
    "backslash-keys": "stores keys with a backslash",
    "dot-keys": "stores keys with `/./` or `/../`",
    "punctuation-keys": "stores keys with any punctuation",
    "newline-keys": "stores keys with line breaks",
    "tab-keys": "stores keys with tabs",
    "control-character-keys": "stores keys with control characters",
    "control-character-uploads": "stores large objects whose keys have control characters",
    "space-at-ends-keys": "stores keys with spaces at the ends",
    "directories-in-both-unicode-forms": "distinguishes the Unicode forms NFC and NFD",
    "unicode-keys": "stores Unicode keys",
    "long-segment-keys": "stores keys with more than 255 bytes between two slashes",
    "long-keys": "stores keys of 1,024 bytes",
    "default-content-type": "returns binary/octet-stream for objects without a content type",
    "content-type": "keeps the content type",
    "content-encoding": "keeps Content-Encoding",
    "object-headers": "keeps Cache-Control, Content-Disposition and other headers",
    "metadata": "keeps user metadata and its names",
    "large-metadata": "keeps 2 KB of user metadata",
    "storage-classes": "keeps the storage class",
    "tags": "keeps tags",
    "tag-count": "returns the number of tags of an object",
    "sse": "accepts `AES256` encryption",
    "sse-kms": "accepts `aws:kms` encryption",
    "etag-is-md5": "has the MD5 of the object as ETag",
    "checksum-on-put": "returns the CRC-32 of an upload",
    "checksum-on-get": "returns the CRC-32 of a download",
    "checksum-verification": "refuses an upload with a wrong CRC-32",
    "md5-verification": "refuses an upload with a wrong Content-MD5",
    "multipart": "stores objects in parts",
    "multipart-etags": "has an ETag that ends in the number of parts",
    "multipart-checksums": "returns the CRC-32 of an object in parts",
    "aborted-multipart-leaves-nothing": "keeps nothing of an aborted upload",
    "get-of-a-part": "returns a part and the number of parts",
    "ranges": "returns ranges",
    "206-for-ranges": "responds 206 to a range",
    "no-whole-checksum-for-ranges": "returns no checksum of the object with a range",
    "suffix-ranges-of-short-objects": "returns the whole object for more last bytes than it has",
    "head-of-a-range": "responds to HEAD with a range",
    "unsatisfiable-ranges": "responds 416 InvalidRange beyond the end",
    "ranges-of-empty-objects-are-416": "responds 416 to a range of an empty object",
    "last-bytes-of-empty-objects-are-416": "responds 416 to the last bytes of an empty object",
    "conditional-reads": "compares If-Match in GetObject",
    "conditional-writes": "compares If-None-Match in PutObject",
    "overlapping-conditional-writes": "compares If-None-Match of two uploads at the same moment",
    "conditional-writes-beside-prefix": "stores a key with If-None-Match if it is the prefix of others",
    "conditional-multipart": "compares If-None-Match in CompleteMultipartUpload",
    "uploads-with-if-match": "accepts If-Match in PutObject and CompleteMultipartUpload",
    "conditional-replacements": "compares If-Match in PutObject",
    "quoted-conditional-replacements": "accepts If-Match with quotes around the ETag",
    "conditional-multipart-replacements": "compares If-Match in CompleteMultipartUpload",
    "conditional-deletions": "compares If-Match in DeleteObject",
    "conditional-bulk-deletions": "compares ETags in DeleteObjects",
    "list-order": "lists keys in the order of their bytes",
    "list-pages": "lists in pages",
    "list-pages-of-unicode-keys": "lists all keys in pages, also with Unicode and spaces",
    "list-delimiter": "groups keys by a delimiter",
    "list-delimiter-pages": "lists groups in pages",
    "list-no-empty-prefixes": "lists no prefix after its last object was deleted",
    "list-text-prefixes": "lists by any prefix",
    "control-character-prefixes": "lists below prefixes with control characters",
    "list-start-after": "lists after a given key",
    "list-start-after-an-object-and-prefix": "lists after a key that is also a prefix of others",
    "list-uploads": "lists open multipart uploads by a prefix, also if there are none",
    "list-uploads-below-an-upload": "lists no multipart upload of `a` below `a/`",
    "bulk-delete": "deletes many objects with one request",
    "bulk-delete-leaves-nothing": "lists nothing below a prefix whose objects were deleted with one request",
    "copies-keep-headers": "copies content type, metadata and headers",
    "copies-replace-headers": "replaces them in a copy",
    "copies-onto-themselves": "copies an object onto itself",
    "copy-to-a-missing-bucket-is-404": "responds 404 to a copy into a missing bucket",
    "conditional-copies": "compares If-None-Match in CopyObject",
    "copy-source-conditions": "compares x-amz-copy-source-if-match in CopyObject",
    "part-copies": "copies ranges of objects (UploadPartCopy)",
    "part-copy-source-conditions": "compares x-amz-copy-source-if-match in UploadPartCopy",
    "versions": "keeps versions",
    "missing-versions-are-no-errors": "ignores the deletion of a version that was deleted before",
    "delete-markers": "hides deleted objects behind delete markers",
    "head-of-a-delete-marker-is-405": "responds 405 to HEAD of a delete marker",
    "copies-of-versions": "copies earlier versions",
    "restoring-a-version": "copies an earlier version onto its object",
    "pages-of-versions": "lists versions in pages",
    "versions-of-percent-keys": "deletes the versions of keys with `%`",
    "conditional-deletions-with-versions": "deletes an unchanged object with If-Match from a bucket with versions",
}
"""What each capability is, as what S3 does."""

KEYS = (
    "object-beside-prefix",
    "parts-beside-prefix",
    "double-slash-keys",
    "leading-slash-keys",
    "trailing-slash-keys",
    "trailing-slash-beside-prefix",
    "backslash-keys",
    "dot-keys",
    "punctuation-keys",
    "newline-keys",
    "tab-keys",
    "control-character-keys",
    "control-character-uploads",
    "space-at-ends-keys",
    "directories-in-both-unicode-forms",
    "unicode-keys",
    "long-segment-keys",
    "long-keys",
)

FEATURES = {
    "any key that S3 accepts": KEYS,
    "metadata that Metaflow's own class can read": ("metadata",),
    "content types and other headers": ("content-type", "content-encoding", "object-headers"),
    "storage classes and tags": ("storage-classes", "tags"),
    '`encryption="AES256"`': ("sse",),
    '`encryption="aws:kms"`': ("sse-kms",),
    "uploads with a wrong checksum are refused": ("checksum-verification",),
    "downloads have a checksum": ("checksum-on-get",),
    "`overwrite=False` in a race": ("conditional-writes", "overlapping-conditional-writes", "conditional-multipart"),
    "`if_match` in a race": ("conditional-replacements", "conditional-multipart-replacements"),
    "`copy(overwrite=False)` in a race": ("conditional-copies",),
    "`delete` of objects that were read, in a race": ("conditional-deletions", "conditional-bulk-deletions"),
    "copies of the version that was read": ("copy-source-conditions", "part-copy-source-conditions"),
    "copies above 128 MiB": ("part-copies",),
    "versions": ("versions", "delete-markers", "copies-of-versions", "restoring-a-version", "pages-of-versions"),
    "listings in parallel": (
        "list-order",
        "list-pages-of-unicode-keys",
        "list-start-after",
        "list-start-after-an-object-and-prefix",
    ),
    "`S3(anonymous=True)`": ("public-buckets",),
}
"""What users know, and the capabilities that it needs."""


def overview() -> str:
    """Give the table of features, with a column for each server."""
    lines = [f"| | {' | '.join(VERSIONS.values())} |", "|---|" + "---|" * len(VERSIONS)]
    for feature, needed in FEATURES.items():
        lines.append(f"| {feature} | {' | '.join(_verdict(LACKS[server], needed) for server in VERSIONS)} |")
    return "\n".join(lines) + "\n"


def _verdict(lacks: "dict[str, str]", needed: "tuple[str, ...]") -> str:
    lacking = [name for name in needed if name in lacks]
    if not lacking:
        return "yes"
    return "no" if len(lacking) == len(needed) else "partly"


def differences(server: str) -> str:
    """Give the table of what a server does not do as S3 does."""
    lines = ["| S3 ... | this server |", "|---|---|"]
    lacks = LACKS[server]
    lines += [f"| {meaning} | {lacks[name] or 'does not'} |" for name, meaning in MEANINGS.items() if name in lacks]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print("\n\n".join([overview(), *(f"{VERSIONS[server]}\n\n{differences(server)}" for server in VERSIONS)]))
