"""Makes `metaflow.S3`, `metaflow.plugins.datatools.S3` and IncludeFile's `s3` client this project's class.

`Progress` comes along: what the callable given as `S3(progress=...)` is called with. `metaflow.datatools.s3` gets every
name, so that users need no other place to import from.
"""

from metaflow.plugins.datatools import s3 as package

from metaflow_extensions.fasts3.plugins.datatools.s3 import s3 as stand_in
from metaflow_extensions.fasts3.plugins.datatools.s3.s3 import (
    S3,
    MetaflowS3Exception,
    MetaflowS3PreconditionFailed,
    Progress,
)

__all__ = ["S3", "MetaflowS3Exception", "MetaflowS3PreconditionFailed", "Progress"]

# Metaflow's package lists what it takes from its module, and so lacks what only the stand-in has, and one exception of
# its own. It has been imported by now: Metaflow reads this file at the end of `metaflow.plugins.datatools`.
vars(package).update({name: getattr(stand_in, name) for name in stand_in.__all__})
