"""Makes `metaflow.S3`, `metaflow.plugins.datatools.S3` and IncludeFile's `s3` client this project's class."""

from metaflow_extensions.fasts3.plugins.datatools.s3.s3 import S3, MetaflowS3Exception, MetaflowS3PreconditionFailed

# The last is no exception of Metaflow's, so `metaflow.datatools.s3`, which names its own, does not have it.
__all__ = ["S3", "MetaflowS3Exception", "MetaflowS3PreconditionFailed"]
