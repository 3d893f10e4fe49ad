"""The operations of S3 that the transfers use: one row for each, from which everything that depends on it follows.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from typing import Any, NamedTuple, Optional

from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo, Page, UploadsPage, VersionsPage

KEY = "fasts3-key-of-a-template"  # only characters that no encoding changes
_ANY: tuple[str, ...] = ()


class Explanation(NamedTuple):
    """A GET that fails for the same reason as a HEAD, whose response has no body, and so no error code of S3."""

    operation: str
    statuses: frozenset[int]  # of the HEAD, each with several possible reasons
    arguments: dict[str, Any]  # of boto3's method, besides Bucket and Key
    query: tuple[tuple[str, str], ...] = ()
    headers: Optional[dict[str, str]] = None


class Operation(NamedTuple):
    """One operation of S3."""

    name: str  # in S3's API, IAM policies and logs; boto3's method is the same in snake case
    http_method: str
    transfer: str  # the method of `Transfers`
    result: type  # what this method returns
    arguments: dict[str, Any]  # the fewest, besides Bucket, for which boto3 prepares a request; objects have `KEY`
    roots: Optional[tuple[str, ...]] = None  # allowed root elements of a response's XML; (): any; None: it has no XML
    also: tuple[str, ...] = ()  # other operations whose templates the method needs
    explained_by: Explanation = Explanation("", frozenset(), {})

    @property
    def templates(self) -> "tuple[str, ...]":
        """The names of the operations whose templates the method needs."""
        return tuple(filter(None, (self.name, *self.also, self.explained_by.operation)))


_OBJECT: dict[str, Any] = {"Key": KEY}
_UPLOAD = {**_OBJECT, "UploadId": "id"}
_ROWS = (
    Operation(
        "HeadObject",
        "HEAD",
        "head",
        ObjectInfo,
        _OBJECT,
        # 400 may be an expired token, a bucket in another region, or a wrong request; 403 an unknown access key id, a
        # wrong secret or a missing permission.
        explained_by=Explanation(
            "GetObject", frozenset({400, 403}), {"Range": "bytes=0-0"}, headers={"range": "bytes=0-0"}
        ),
    ),
    Operation(
        "HeadBucket",
        "HEAD",
        "head_bucket",
        type(None),
        {},
        # A 403 needs no explanation: without permission for HeadBucket, a user may still access objects.
        explained_by=Explanation(
            "ListObjectsV2", frozenset({400}), {"MaxKeys": 1}, query=(("list-type", "2"), ("max-keys", "1"))
        ),
    ),
    Operation("GetObject", "GET", "get", GetResponse, _OBJECT),
    Operation("PutObject", "PUT", "put", str, {**_OBJECT, "Body": b"body"}),
    # Responses about copies: some servers send other roots.
    Operation("CopyObject", "PUT", "copy", str, {**_OBJECT, "CopySource": "source/key"}, roots=_ANY),
    Operation("GetObjectTagging", "GET", "get_tags", dict, _OBJECT, roots=("Tagging",)),
    Operation("DeleteObject", "DELETE", "delete", type(None), _OBJECT),
    Operation(
        "DeleteObjects",
        "POST",
        "delete_objects",
        dict,
        {"Delete": {"Objects": [_OBJECT], "Quiet": True}},
        roots=("DeleteResult", "Error"),
    ),
    Operation("ListObjectsV2", "GET", "list_page", Page, {}, roots=("ListBucketResult",)),
    # Responses about multipart uploads: some servers send other roots.
    Operation("CreateMultipartUpload", "POST", "create_upload", str, _OBJECT, roots=_ANY, also=("UploadPart",)),
    Operation("UploadPart", "PUT", "upload_part", dict, {**_UPLOAD, "PartNumber": 1, "Body": b"body"}),
    Operation(
        "UploadPartCopy", "PUT", "copy_part", dict, {**_UPLOAD, "PartNumber": 1, "CopySource": "source/key"}, roots=_ANY
    ),
    Operation(
        "CompleteMultipartUpload",
        "POST",
        "complete_upload",
        str,
        {**_UPLOAD, "MultipartUpload": {"Parts": [{"ETag": "e", "PartNumber": 1}]}},
        roots=_ANY,
    ),
    Operation("AbortMultipartUpload", "DELETE", "abort_upload", type(None), _UPLOAD),
    Operation("ListMultipartUploads", "GET", "list_uploads", UploadsPage, {}, roots=("ListMultipartUploadsResult",)),
    Operation("ListObjectVersions", "GET", "list_versions", VersionsPage, {}, roots=("ListVersionsResult",)),
)
OPERATIONS = {row.name: row for row in _ROWS}
BY_TRANSFER = {row.transfer: row for row in _ROWS}
