"""GetObjectTagging: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html."""

from typing import Optional

from metaflow_extensions.fasts3.wire.exchange import Exchange
from metaflow_extensions.fasts3.wire.objects import version_query
from metaflow_extensions.fasts3.wire.operations import OPERATIONS
from metaflow_extensions.fasts3.wire.xml_documents import read

_ROW = "TagSet/Tag"
ROWS = {_ROW: ("Key", "Value")}


class TaggingTransfers:
    """The method of `Transfers` that reads tags."""

    _exchange: Exchange

    async def get_tags(self, bucket: str, key: str, version_id: Optional[str] = None) -> "dict[str, str]":
        query = [("tagging", ""), *version_query(version_id)]
        with await self._exchange.request("GetObjectTagging", bucket, key, query) as response:
            return parse(await response.document())


def parse(document: bytes) -> "dict[str, str]":
    """Parse the response to GetObjectTagging.

    Raises
    ------
    TransferError
        See `xml_documents.read`; MALFORMED for another document.
    """
    roots = OPERATIONS["GetObjectTagging"].roots
    found = read(document, "the list of tags", ROWS, roots)
    return {row["Key"]: row["Value"] for row in found.rows[_ROW]}
