"""The message about open multipart uploads after a call: S3 keeps their parts, and charges for them."""

import shlex
from collections.abc import Sequence

from metaflow_extensions.fasts3.api.errors import reason_of, shown
from metaflow_extensions.fasts3.api.formatting import counted
from metaflow_extensions.fasts3.api.location import split_url
from metaflow_extensions.fasts3.plans.listings import common_prefix
from metaflow_extensions.fasts3.workers.cleanup import Undone

MOST_NAMED = 5  # uploads


def open_uploads_message(undone: Sequence[Undone], opening: Sequence[str]) -> str:
    """Sentences that name open uploads, and how to find and remove them; "" if there are none.

    `undone` are aborts that failed, `opening` URLs of objects whose uploads may be open, with unknown ids.
    """
    parts = []
    if undone:
        named = [f"{shown(one.job.url)} (upload id {shown(one.job.arguments['upload_id'])})" for one in undone]
        why = reason_of(undone[0].failure).rstrip(".")
        how_many = counted(len(undone), "multipart upload")
        parts.append(f"{how_many} could not be aborted ({why}): {_some(named)}.")
    if opening:
        parts.append(f"{counted(len(opening), 'multipart upload')} may have been opened at the end: {_some(opening)}.")
    if parts:
        place = _place([*(one.job.url for one in undone), *opening])
        parts.append(
            "S3 keeps the parts of open uploads and charges for them. List them with "
            f"`metaflow fasts3 uploads {shlex.quote(place)}`, and remove them with `--abort --older-than 1h`"
            f"{' and a prefix in the bucket' if _is_bucket(place) else ''}."
        )
    return " ".join(parts)


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(map(shown, names[:MOST_NAMED])) + (f", and {more:,} more" if more > 0 else "")


def _place(urls: Sequence[str]) -> str:
    """The URL to list: the one object, or the deepest directory or bucket that contains all objects of a bucket."""
    if len(set(urls)) == 1:
        return shown(urls[0])
    bucket = urls[0].split("/")[2]
    here = [url for url in urls if url.split("/")[2] == bucket]
    shared = common_prefix(here)
    return shown(shared[: shared.rfind("/") + 1])


def _is_bucket(place: str) -> bool:
    """Whether a URL is a whole bucket; the command does not abort all its uploads."""
    return not split_url(place)[1]
