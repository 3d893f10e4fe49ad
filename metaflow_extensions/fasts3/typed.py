"""What `from metaflow import S3` gives, for type checkers and editors, which do not know that this package is there.

Metaflow puts the class into place when it is imported. A type checker only reads, and finds Metaflow's own class under
Metaflow's names; under these, it finds this package's: the same class when the program runs.
"""

# Before anything of this package: Metaflow imports that itself, and would meet it half done.
import metaflow  # noqa: F401

from metaflow_extensions.fasts3.api.arguments import PutValue, RangeInfo, S3GetObject, S3PutObject
from metaflow_extensions.fasts3.api.errors import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InsufficientDiskSpace,
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3NotFound,
    MetaflowS3ObjectExists,
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
    "MetaflowS3ObjectExists",
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
