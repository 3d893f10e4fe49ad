"""The results of calls that transfer many files or objects: lists that also say what was left and what was deleted."""

from collections.abc import Iterable, Sequence

from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3objects import S3Objects


class S3Downloads(S3Objects):
    """
    What `S3.download` returns: a list of all objects, with their files.

    Slices, copies and sums are `S3Objects`, without these attributes.

    Attributes
    ----------
    unchanged : S3Objects
        Those whose files were left: they were up to date, or existed and `overwrite` is False. All others were
        downloaded.
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
    What `S3.upload` and the calls that copy return: a list of `(key, url)` of each object that they stored.

    Slices, copies and sums are plain lists.

    Attributes
    ----------
    unchanged : List[Tuple[str, str]]
        `(key, url)` of the objects that were left: they had the same contents, or existed and `overwrite` is False.
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
