"""What was downloaded, as users see it."""

from functools import partial
from typing import Callable, Optional

from metaflow_extensions.fasts3.api.arguments import RangeInfo
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.plans.downloads import Downloaded


def s3object_of(
    root: Optional[str], url: str, result: Optional[Downloaded], return_info: bool, name: Callable[[str], str]
) -> S3Object:
    """The result of one download.

    Parameters
    ----------
    root : str or None
        The `prefix` of the result.
    url : str
    result : Downloaded or None
        None: there is no such object.
    return_info : bool
        Whether the result tells more than the size.
    name : callable
        Gives a path for a file, should one be asked for of what is in memory.
    """
    if result is None:
        return S3Object(root, url)
    reply = result.reply
    make = S3Object if reply.body is None else partial(S3Object.in_memory, reply.body, name)
    if not return_info:
        return make(root, url, result.path, reply.length)
    return make(
        root,
        url,
        result.path,
        reply.length,
        content_type=reply.info.content_type,
        metadata=reply.info.metadata,
        range_info=RangeInfo(reply.length if reply.info.size is None else reply.info.size, reply.first, reply.length),
        last_modified=reply.info.last_modified,
        encryption=reply.info.encryption,
        etag=reply.info.etag,
    )
