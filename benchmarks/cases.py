"""The rows of the table: each is a public call on a number of objects of one size.

A turn repeats a call of milliseconds and takes the mean, and a round has several turns of both clients; a call of
seconds runs once.
"""

from fnmatch import fnmatchcase
from typing import NamedTuple

KB = 2**10
MB = 2**20


class Case(NamedTuple):
    """One row."""

    name: str  # in the table, and for --rows
    call: str  # which of calls.CALLS
    objects: int
    size: int = KB  # bytes of each object
    times: int = 1  # repetitions in a turn, for the mean
    turns: int = 1  # of each client, one after the other, in a round
    opens: bool = False  # each call creates an S3 object, within the measured time
    fresh: bool = False  # the first call of a new process

    @property
    def set_name(self) -> str:
        """The prefix of its objects; cases with the same number and size share them."""
        return f"{self.objects}x{self.size}"


FULL = (
    Case("get, 1 KB", "get", 1, times=10, turns=8),
    Case("get, 1 KB, S3 made for each", "get", 1, times=5, turns=4, opens=True),
    Case("get, 1 KB of 64 MB", "get range", 1, 64 * MB, times=10, turns=8),
    Case("get(return_missing), not there", "get missing", 1, times=10, turns=8),
    Case("get, 256 MB", "get", 1, 256 * MB, turns=2),
    Case("get_many, 2 x 1 KB", "get_many", 2, turns=3),
    Case("get_many, 200 x 1 KB", "get_many", 200),
    Case("get_many, 5,000 x 1 KB", "get_many", 5000),
    Case("get_many, 4 x 256 MB", "get_many", 4, 256 * MB, turns=2),
    Case("get_many, 200 ranges of 64 MB", "get_many ranges", 1, 64 * MB),
    Case("get_many(return_missing), 20 not there", "get_many missing", 20),
    Case("get_recursive, 200 x 1 KB", "get_recursive", 200),
    Case("get_all, 200 x 1 KB", "get_all", 200),
    Case("put, 1 KB", "put", 1, times=10, turns=8),
    Case("put, 64 MB", "put", 1, 64 * MB, turns=3),
    Case("put(overwrite=False), there", "put existing", 1, times=10, turns=8),
    Case("put_many, 2 x 1 KB", "put_many", 2, turns=3),
    Case("put_many, 200 x 1 KB", "put_many", 200),
    Case("put_many, 5,000 x 1 KB", "put_many", 5000),
    Case("put_many(overwrite=False), 20 new", "put_many new", 20),
    Case("put_many(overwrite=False), 200 there", "put_many existing", 200),
    Case("put_files, 200 x 1 KB", "put_files", 200),
    Case("put_files, 4 x 64 MB", "put_files", 4, 64 * MB),
    Case("info", "info", 1, times=10, turns=8),
    Case("info(return_missing), not there", "info missing", 1, times=10, turns=8),
    Case("info_many, 2", "info_many", 2, turns=3),
    Case("info_many, 200", "info_many", 200),
    Case("info_many, 5,000", "info_many", 5000),
    Case("info_many(return_missing), 20 not there", "info_many missing", 20),
    Case("list_paths, 200 keys", "list_paths", 200),
    Case("list_recursive, 5,000 keys", "list_recursive", 5000),
    Case("get, 1 KB, fresh process", "get", 1, turns=3, opens=True, fresh=True),
    Case("get_many, 2 x 1 KB, fresh process", "get_many", 2, turns=3, opens=True, fresh=True),
)
"""The comparison."""

SMOKE = (
    Case("get, 1 KB", "get", 1, times=3),
    Case("get(return_missing), not there", "get missing", 1, times=3),
    Case("get, 20 MB", "get", 1, 20 * MB),
    Case("get_many, 20 x 1 KB", "get_many", 20),
    Case("get, 1 KB of 20 MB", "get range", 1, 20 * MB, times=3),
    Case("get_recursive, 4 x 1 KB", "get_recursive", 4),
    Case("put, 20 MB", "put", 1, 20 * MB),
    Case("put_many, 4 x 1 KB", "put_many", 4),
    Case("put_many(overwrite=False), 4 there", "put_many existing", 4),
    Case("put_files, 2 x 20 MB", "put_files", 2, 20 * MB),
    Case("info_many, 4", "info_many", 4),
    Case("list_recursive, 4 keys", "list_recursive", 4),
    Case("get_many, 2 x 1 KB, fresh process", "get_many", 2, opens=True, fresh=True),
)
"""The cases of --smoke, with few objects: Metaflow's own class starts a process for each, up to 64."""


def matching(cases: tuple[Case, ...], pattern: str) -> tuple[Case, ...]:
    """The cases whose name contains the pattern; ``*`` and ``?`` are wildcards."""
    return tuple(case for case in cases if fnmatchcase(case.name, f"*{pattern}*"))
