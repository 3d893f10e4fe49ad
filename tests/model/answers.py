"""Results of calls, as values that can be compared and printed."""

from typing import Any, NamedTuple, Optional, Union

from contract.content import digest
from metaflow.datatools.s3 import RangeInfo

SHORT = 64  # bytes of a blob that is shown; of a longer one only its size and hash
Shown = Union[bytes, "tuple[int, str]", None]


class Facts(NamedTuple):
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
    dated: bool = False  # it tells when it was stored
    encryption: Optional[str] = None
    tagged: bool = False  # it tells an ETag


def shown(blob: Optional[bytes]) -> Shown:
    """A blob, or what is equal only where two blobs are."""
    return blob if blob is None or len(blob) <= SHORT else digest(blob)


def plain(answer: Any) -> Any:
    """The answer of a client: S3Objects as facts, whatever else as it is."""
    if isinstance(answer, list):
        return [plain(item) for item in answer]
    if not hasattr(answer, "exists") or isinstance(answer, Facts):
        return answer
    return Facts(
        answer.url,
        answer.prefix,
        answer.key,
        answer.exists,
        answer.downloaded,
        answer.has_info,
        answer.size,
        shown(answer.blob),
        answer.content_type,
        answer.metadata,
        answer.range_info,
        answer.last_modified is not None,
        answer.encryption,
        answer.etag is not None,
    )
