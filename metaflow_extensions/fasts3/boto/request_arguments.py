"""The arguments of boto3's methods for those of `Transfers`."""

from collections.abc import Sequence
from typing import Any, Optional
from urllib.parse import quote

from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.transfers import PutHeaders


def version_argument(version_id: Optional[str]) -> dict[str, str]:
    """The version to read or to delete; none for the current one."""
    return {} if version_id is None else {"VersionId": version_id}


def condition_argument(condition: Optional[str]) -> dict[str, str]:
    """A condition (`wire.conditions`) as boto3's argument."""
    if condition is None:
        return {}
    return {"IfNoneMatch": "*"} if condition == ABSENT else {"IfMatch": condition}


def stored_arguments(headers: PutHeaders) -> dict[str, Any]:
    """What is stored with an object, besides other headers, as boto3's arguments."""
    named = {
        "ContentType": headers.content_type,
        "Metadata": headers.metadata,
        "ServerSideEncryption": headers.encryption,
    }
    return {name: value for name, value in named.items() if value}


def source_arguments(source: Sequence[Optional[str]], if_match: Optional[str]) -> dict[str, Any]:
    """An object to copy (`copies.Source`), and the ETag that it must have, as boto3's arguments."""
    bucket, key, version_id = source
    # boto3 encodes bucket and key, but no version id.
    named = {
        "CopySource": {"Bucket": bucket, "Key": key, **version_argument(version_id and quote(version_id, safe=""))}
    }
    return {**named, "CopySourceIfMatch": if_match} if if_match else named
