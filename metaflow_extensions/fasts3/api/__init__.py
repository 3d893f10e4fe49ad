"""The public API: class `S3`, its results and its exceptions. This package imports Metaflow before anything else.

Metaflow imports these modules in the middle of its own start. Were one of them the first thing that a process imports,
as where it reads a pickle, Metaflow would meet it half done.
"""

import metaflow  # noqa: F401
