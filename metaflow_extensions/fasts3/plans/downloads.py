"""The plan of downloads whose objects are known in advance and whose results are kept."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Optional

from metaflow_extensions.fasts3.plans.download import Download, Downloaded, Spill
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.object_downloads import ObjectDownloads
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE


class Downloads(ObjectDownloads):
    """`Plan` for downloads that are known in advance and whose results are kept.

    `results` has one per object, in the same order; None if unfinished, missing or failed.
    """

    def __init__(
        self,
        wanted: Sequence[Download],
        paths: Sequence[Optional[str]],
        missing_ok: bool = False,
        step: int = PART_SIZE,
        spill: Optional[Spill] = None,
    ) -> None:
        super().__init__(wanted, paths, missing_ok, step, spill)
        for one in wanted:
            self._expect(one)
        self._expect_no_more(len(wanted))
        self._all_paths = paths
        self.results: list[Optional[Downloaded]] = [None] * len(wanted)

    def start(self) -> Iterator[Optional[Job]]:
        return (self._first_job(index, path) for index, path in enumerate(self._all_paths))

    def _finish(self, index: int, result: Optional[Downloaded]) -> None:
        self.results[index] = result


def compared(results: Iterable[Optional[Downloaded]]) -> str:
    """Describe, for the log, which checksums of the results were compared."""
    counts = Counter(result.response.verified or "length alone" for result in results if result)
    return ", ".join(f"{name} of {count}" for name, count in sorted(counts.items())) or "nothing"
