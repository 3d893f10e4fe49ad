"""The errors for missing objects, which say if one of them is a directory given without its slash."""

from collections.abc import Sequence

from metaflow_extensions.fasts3.api.errors import MOST_URL, MetaflowS3NotFound, shown
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.cli.selection import Selection, is_directory

FEW = 4  # missing objects; of more, none is looked up as a directory


def no_object(
    s3: S3, selection: Selection, error: MetaflowS3NotFound, takes_prefixes: bool = True
) -> MetaflowS3NotFound:
    """The error for one missing object; the hint that it is a directory replaces all other advice.

    Commands that do not take prefixes take patterns.
    """
    if error.s3_code == "NoSuchBucket":
        return error
    hint = _directory_hint(s3, selection, takes_prefixes)
    return MetaflowS3NotFound(hint or f"There is no object {shown(selection.url, MOST_URL)}.")


def with_hints(
    s3: S3, missing: "Sequence[Selection]", failures: int, error: MetaflowS3NotFound, hint: str = ""
) -> MetaflowS3NotFound:
    """The error of a command for which some of the named objects, at least one, are missing; `hint` is for all of them.

    `failures` is the number of the command's failures, including the missing objects.
    """
    if failures == 1:
        lines = [f"{no_object(s3, missing[0], error)} {hint}".rstrip()]
    else:
        hints = (_directory_hint(s3, one) for one in missing[:FEW])
        lines = list(filter(None, [str(error), *hints, hint]))
    return MetaflowS3NotFound("\n".join(lines))


def _directory_hint(s3: S3, selection: Selection, takes_prefixes: bool = True) -> str:
    """The hint for a directory given without its slash; "" for anything else."""
    if not is_directory(s3, selection.bucket, selection.key):
        return ""
    url = shown(selection.url, MOST_URL)
    everything = f"To select everything in it, add a slash: {url}/"
    pattern = f"For all objects below it, give a pattern: '{url}/*'"
    return f"There is no object {url}, but a directory of that name. {everything if takes_prefixes else pattern}"
