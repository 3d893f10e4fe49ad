"""Paths that begin with a tilde: a shell replaces it by the home directory, and Python does not."""

import os
from typing import Any

from metaflow_extensions.fasts3.api.errors import MOST_URL, MetaflowS3Exception, shown

EXPAND = "'~' means the home directory to a shell only: use os.path.expanduser."


def hint_of_home(path: Any) -> str:
    """What to do about a path that does not exist, where it begins with a tilde; nothing where it does not."""
    return f" {EXPAND}" if str(path).startswith("~") else ""


def refuse_home(directory: Any) -> None:
    """Raise MetaflowS3Exception for a directory with a tilde that would be made in the working directory."""
    if str(directory).startswith("~") and not os.path.isdir(directory):
        raise MetaflowS3Exception(f"There is no directory '{shown(str(directory), MOST_URL)}'. {EXPAND}")
