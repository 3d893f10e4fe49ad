"""Replaces the one leaf module that the S3 datastore and `metaflow.datatools.s3` import.

The leaf alone: with the whole `s3` package, Metaflow's `s3tail` and `s3util` would be gone.
"""

__mf_promote_submodules__ = ["plugins.datatools.s3.s3"]
