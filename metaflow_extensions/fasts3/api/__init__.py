"""The public API: class `S3`, its results and its exceptions. This package imports Metaflow before anything else.

Metaflow imports these modules during its own import. If a process imported one of them first, e.g. when it reads a
pickle, Metaflow would find it half imported.
"""

import metaflow  # noqa: F401
