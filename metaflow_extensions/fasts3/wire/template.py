"""What boto3 decides about a request before it is sent, as values: where it goes, what it carries, who signs.

`boto/request_templates.py` asks boto3 for these; a worker gets them over its pipe. The key, the query, one request's
own headers and the signature are put in when it is sent.
"""

from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.wire.sigv4 import Scope


class NoTemplate(Exception):
    """Why requests have to be left to boto3."""


class Endpoint(NamedTuple):
    """A server, and how to reach it."""

    tls: bool
    host: str  # a name or an address, IPv6 without brackets
    port: int
    ca_bundle: Optional[str] = None  # the file of trusted certificates; None: the server is not verified
    connect_timeout: float = 4.0  # seconds
    read_timeout: float = 60.0  # seconds of silence


class RequestTemplate(NamedTuple):
    """All requests of one operation on one bucket."""

    endpoint: Endpoint
    host: str  # the Host header
    path: str  # what comes before the key: "/bucket/" or "/"
    headers: "dict[str, str]"  # those that every such request carries, names in lower case
    scope: Optional[Scope]  # None: not signed
    sign_payload: bool = True  # SHA-256 of every body; else UNSIGNED-PAYLOAD, which TLS protects
    checksum: Optional[str] = None  # of uploads: the algorithm, one of `checksums.ALGORITHMS`
    verify: bool = True  # of downloads: compare checksums that the server sends


def template_of(fields: "list[object]") -> RequestTemplate:
    """A template that came over a pipe, as JSON's lists."""
    endpoint, host, path, headers, scope, sign_payload, checksum, verify = fields
    return RequestTemplate(
        Endpoint(*endpoint),  # type: ignore[misc]
        host,  # type: ignore[arg-type]
        path,  # type: ignore[arg-type]
        headers,  # type: ignore[arg-type]
        None if scope is None else Scope(*scope),  # type: ignore[misc]
        bool(sign_payload),
        checksum,  # type: ignore[arg-type]
        bool(verify),
    )


# What each method of `transfers.Transfers` needs templates of: operations of S3.
OPERATIONS_OF: "dict[str, tuple[str, ...]]" = {
    "head": ("HeadObject", "GetObject"),
    "head_bucket": ("HeadBucket", "ListObjectsV2"),
    "get": ("GetObject",),
    "put": ("PutObject",),
    "list_page": ("ListObjectsV2",),
    "delete": ("DeleteObject",),
    "delete_objects": ("DeleteObjects",),
    "create_upload": ("CreateMultipartUpload", "UploadPart"),
    "upload_part": ("UploadPart",),
    "complete_upload": ("CompleteMultipartUpload",),
    "abort_upload": ("AbortMultipartUpload",),
    "list_uploads": ("ListMultipartUploads",),
}
