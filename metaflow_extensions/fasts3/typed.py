"""The public names, for type checkers and editors, which do not see that this package replaces Metaflow's.

The replacement happens when Metaflow is imported. A type checker only reads files, so under Metaflow's names it finds
Metaflow's own class. Under the names here it finds the class that a program gets from Metaflow when it runs.
"""

# First, because Metaflow imports this package itself, and would find it half imported.
import metaflow  # noqa: F401

from metaflow_extensions.fasts3.api.arguments import PutValue, RangeInfo, S3GetObject, S3PutObject
from metaflow_extensions.fasts3.api.errors import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InsufficientDiskSpace,
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3NotFound,
    MetaflowS3ObjectAccessDenied,
    MetaflowS3ObjectExists,
    MetaflowS3ObjectNotFound,
    MetaflowS3PreconditionFailed,
    MetaflowS3URLException,
)
from metaflow_extensions.fasts3.api.progress import Progress
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3objects import S3Objects
from metaflow_extensions.fasts3.api.s3transfers import S3Downloads, S3Transfers
from metaflow_extensions.fasts3.api.uploads import S3Upload

__all__ = [
    "S3",
    "MetaflowS3AccessDenied",
    "MetaflowS3Exception",
    "MetaflowS3InsufficientDiskSpace",
    "MetaflowS3InvalidObject",
    "MetaflowS3InvalidRange",
    "MetaflowS3NotFound",
    "MetaflowS3ObjectAccessDenied",
    "MetaflowS3ObjectExists",
    "MetaflowS3ObjectNotFound",
    "MetaflowS3PreconditionFailed",
    "MetaflowS3URLException",
    "Progress",
    "PutValue",
    "RangeInfo",
    "S3Downloads",
    "S3GetObject",
    "S3Object",
    "S3Objects",
    "S3PutObject",
    "S3Transfers",
    "S3Upload",
]
