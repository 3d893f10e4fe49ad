"""Makes `metaflow.S3`, `metaflow.plugins.datatools.S3` and IncludeFile's `s3` client this project's class.

It also exports `Progress`, the argument of the function in `S3(progress=...)`. `metaflow.datatools.s3` has all names,
so that users import from one module only.
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

# Metaflow's package imports a fixed list of names, which lacks those that only our module has, and one exception of
# Metaflow's own. The package is already imported: Metaflow reads this file at the end of `metaflow.plugins.datatools`.
vars(package).update({name: getattr(stand_in, name) for name in stand_in.__all__})
