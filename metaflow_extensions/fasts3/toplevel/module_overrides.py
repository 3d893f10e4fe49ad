"""Replaces the one leaf module that the S3 datastore and `metaflow.datatools.s3` import.

Only the leaf module: replacing the whole `s3` package would remove Metaflow's `s3tail` and `s3util`.
"""

import sys

# Here, because Metaflow hides errors of `mfextinit_fasts3`. Its own error would name one of its plugins instead.
if sys.platform == "win32":
    raise ImportError(
        "metaflow-fasts3 needs Linux or macOS, as Metaflow does: both import fcntl, which Python lacks on Windows. "
        "Install them in the Windows Subsystem for Linux (WSL 2)."
    )

__mf_promote_submodules__ = ["plugins.datatools.s3.s3"]
