"""Replaces the one leaf module that the S3 datastore and `metaflow.datatools.s3` import.

Only the leaf module: replacing the whole `s3` package would remove Metaflow's `s3tail` and `s3util`.
"""

__mf_promote_submodules__ = ["plugins.datatools.s3.s3"]
