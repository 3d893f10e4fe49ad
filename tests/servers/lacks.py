"""What each server can't do, in the names of `servers.capabilities`, which prove every entry.

A test that needs a capability checks it: ``if "conditional-writes" in server.lacks: pytest.skip(...)``.
"""

# As found with SeaweedFS 4.48, moto 5.2 and rclone 1.75.
LACKS: dict[str, frozenset[str]] = {
    "moto": frozenset(
        {
            "signatures",  # ignores them, and the access key id
            "unknown-identities",
            "unsigned-requests-are-denied",
            "newline-keys",  # 404
            "control-character-uploads",  # a reply that is no XML
            "checksum-verification",
            "md5-verification",
            "conditional-multipart-replacements",  # overwrites
            "get-of-a-part",  # returns the part without the number of parts
            "multipart-checksums",
            "last-bytes-of-empty-objects-are-416",  # 200
            "conditional-copies",  # overwrites
            "copy-source-conditions",  # copies
            "part-copy-source-conditions",
        }
    ),
    "seaweedfs": frozenset(
        {
            "prefixes-are-no-objects",  # 200 without a body
            # It converts keys to paths, so some keys become others: a//b is a/b, /a is a, a\b is a/b.
            "double-slash-keys",
            "leading-slash-keys",
            "backslash-keys",
            "dot-keys",  # 400
            "trailing-slash-keys",  # it keeps the name and drops the bytes
            "trailing-slash-beside-prefix",
            "long-segment-keys",  # 400 KeyTooLongError
            "default-content-type",  # guessed from the name, else application/octet-stream
            "sse-kms",  # 500
            "conditional-writes-beside-prefix",  # 412
            "head-of-a-range",  # ignores the range
            "list-order",  # by path segment: keys below a/ come before a-
            "list-start-after-an-object-and-prefix",  # skips the keys below it
            "list-no-empty-prefixes",  # lists them
            "copy-to-a-missing-bucket-is-404",  # 500
            "head-of-a-delete-marker-is-405",  # 404
        }
    ),
    "rclone": frozenset(
        {
            "conditional-writes",  # overwrites
            "conditional-writes-beside-prefix",
            "control-character-uploads",  # a reply that is no XML
            "conditional-multipart",
            "conditional-replacements",  # overwrites
            "conditional-multipart-replacements",
            "conditional-reads",
            "object-beside-prefix",  # 500, after a second
            "delete-of-a-prefix",  # 500: the directory is not empty
            "list-start-after-an-object-and-prefix",
            "trailing-slash-beside-prefix",
            "trailing-slash-keys",  # drops the slash
            "double-slash-keys",  # 400, after a second
            "leading-slash-keys",
            "dot-keys",
            "directories-in-both-unicode-forms",
            "long-segment-keys",  # 500
            "public-buckets",  # it has no bucket policies
            "unsigned-requests-are-denied",  # 400
            "tags",
            "checksum-on-put",
            "checksum-verification",
            "default-content-type",  # application/octet-stream
            "metadata",  # changes the case of the names: Metaflow-User-Attributes
            "large-metadata",
            "206-for-ranges",  # 200, with a Content-Range
            "no-whole-checksum-for-ranges",
            "suffix-ranges-of-short-objects",  # 416
            "head-of-a-range",
            "multipart-etags",  # an MD5
            "get-of-a-part",
            "multipart-checksums",
            "copies-keep-headers",  # and adds some
            "copies-replace-headers",  # adds them to those of the source
            "copies-onto-themselves",  # a result without an ETag
            "conditional-copies",
            "copy-source-conditions",
            "part-copies",  # stores empty parts
            "part-copy-source-conditions",
            "versions",  # 501
            "delete-markers",
            "head-of-a-delete-marker-is-405",
            "copies-of-versions",
            "restoring-a-version",
            "pages-of-versions",
        }
    ),
}
