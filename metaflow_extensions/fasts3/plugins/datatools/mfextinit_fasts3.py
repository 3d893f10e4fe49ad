"""Makes `metaflow.S3`, `metaflow.plugins.datatools.S3` and IncludeFile's `s3` client this project's class.

`Progress` comes along: what the callable given as `S3(progress=...)` is called with.
"""

from metaflow_extensions.fasts3.plugins.datatools.s3.s3 import (
    S3,
    MetaflowS3Exception,
    MetaflowS3PreconditionFailed,
    Progress,
)

# `metaflow.datatools.s3` names its own exceptions, and so does not have the third.
__all__ = ["S3", "MetaflowS3Exception", "MetaflowS3PreconditionFailed", "Progress"]
