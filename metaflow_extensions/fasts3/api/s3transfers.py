"""The results of calls that transfer many files or objects: lists with the unchanged and the deleted ones."""

from collections.abc import Iterable, Sequence

from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3objects import S3Objects


class S3Downloads(S3Objects):
    """
    The result of `S3.download`: a list of all objects, with their files.

    Slices, copies and sums are `S3Objects`, without these attributes.

    Attributes
    ----------
    unchanged : S3Objects
        Objects that were not downloaded: their files were up to date, or existed and `overwrite` is False.
    deleted : List[str]
        Paths of the files that `delete=True` deleted.
    """

    def __init__(
        self, objects: Iterable[S3Object] = (), unchanged: Iterable[S3Object] = (), deleted: Iterable[str] = ()
    ) -> None:
        super().__init__(objects)
        self.unchanged = S3Objects(unchanged)
        self.deleted = list(deleted)


class S3Transfers(list[tuple[str, str]]):
    """
    The result of `S3.upload`, `copy_many` and `copy_recursive`: a list of `(key, url)` of each stored object.

    Slices, copies and sums are plain lists.

    Attributes
    ----------
    unchanged : List[Tuple[str, str]]
        `(key, url)` of objects that were not stored again: they had the same contents, or existed and `overwrite` is
        False.
    deleted : List[str]
        URLs of the objects that `delete=True` deleted.
    """

    def __init__(
        self,
        stored: Iterable[tuple[str, str]] = (),
        unchanged: Iterable[tuple[str, str]] = (),
        deleted: Sequence[str] = (),
    ) -> None:
        super().__init__(stored)
        self.unchanged = list(unchanged)
        self.deleted = list(deleted)
