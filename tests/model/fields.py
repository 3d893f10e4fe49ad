"""Results of calls, as values that can be compared and printed."""

from typing import Any, NamedTuple, Optional, Union

from contract.content import digest
from metaflow.datatools.s3 import RangeInfo

SHORT = 64  # bytes up to which a blob is shown; a longer one is shown as its size and hash
Shown = Union[bytes, "tuple[int, str]", None]


class Fields(NamedTuple):
    """All attributes of an S3Object except its time."""

    url: str
    prefix: Optional[str]
    key: str
    exists: bool = False
    downloaded: bool = False
    has_info: bool = False
    size: Optional[int] = None
    blob: Shown = None
    content_type: Any = None
    metadata: Optional["dict[str, Any]"] = None
    range_info: Optional[RangeInfo] = None
    dated: bool = False  # has last_modified
    encryption: Optional[str] = None
    tagged: bool = False  # has an ETag


def shown(blob: Optional[bytes]) -> Shown:
    """A blob, or for a large one a value that is equal only for equal blobs."""
    return blob if blob is None or len(blob) <= SHORT else digest(blob)


def plain(result: Any) -> Any:
    """The result of a client: S3Objects as Fields, other values unchanged."""
    if isinstance(result, list):
        return [plain(item) for item in result]
    if not hasattr(result, "exists") or isinstance(result, Fields):
        return result
    return Fields(
        result.url,
        result.prefix,
        result.key,
        result.exists,
        result.downloaded,
        result.has_info,
        result.size,
        shown(result.blob),
        result.content_type,
        result.metadata,
        result.range_info,
        result.last_modified is not None,
        result.encryption,
        result.etag is not None,
    )
