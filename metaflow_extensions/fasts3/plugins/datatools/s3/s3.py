"""Replaces `metaflow.plugins.datatools.s3.s3`: has every name that Metaflow and its users import from there."""

from typing import Any, Callable, TypeVar

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
from metaflow_extensions.fasts3.boto.clients import S3Client

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
    "S3Client",
    "S3Downloads",
    "S3GetObject",
    "S3Object",
    "S3Objects",
    "S3PutObject",
    "S3Transfers",
    "S3Upload",
    "check_s3_deps",
]

# For Metaflow's generator of stubs, which does not know Metaflow's aliases: so editors find `metaflow.datatools.s3`.
_addl_stubgen_modules = ["metaflow.datatools", "metaflow.datatools.s3"]

Function = TypeVar("Function", bound=Callable[..., Any])


def check_s3_deps(function: Function) -> Function:
    """Metaflow's decorator for functions that need boto3; this distribution requires boto3, so it checks nothing."""
    return function
