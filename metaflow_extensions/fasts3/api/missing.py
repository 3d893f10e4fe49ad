"""What the exception for missing objects says: which are missing, all of them, and why an empty key names none."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Callable, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import MOST_URL, MetaflowS3NotFound, shown
from metaflow_extensions.fasts3.api.executor import Executor, Place
from metaflow_extensions.fasts3.plans.heads import Heads

Objects = Callable[[], Sequence[tuple[str, str]]]

MOST_NAMED = 10  # missing objects; the others are counted


@contextmanager
def naming_all(executor: Executor, objects: Objects, root: Optional[str]) -> Iterator[None]:
    """Have a MetaflowS3NotFound for one of some objects name all of them that are missing.

    Parameters
    ----------
    executor : Executor
    objects : callable
        Gives bucket and key of all that are wanted, each once. It is called only where one is missing.
    root : str or None
        Of the client, which an empty key means.
    """
    try:
        yield
    except MetaflowS3NotFound as error:
        if error.s3_code == "NoSuchBucket":
            raise
        wanted = objects()
        raise _told(error, _missing(executor, wanted) or [error.url], len(wanted), root) from error.__cause__


def _missing(executor: Executor, objects: Sequence[tuple[str, str]]) -> list[str]:
    """URLs of those objects that are missing, by a request for each; none where that can't be found out."""
    if len(objects) == 1:
        return []
    plan = Heads(objects, missing_ok=True)
    try:
        executor.run(plan, Place.WORKERS, with_progress=False)
    except MetaflowException:
        return []
    executor.check_buckets(plan.unproven)
    return [f"s3://{bucket}/{key}" for (bucket, key), info in zip(objects, plan.results) if info is None]


def _told(error: MetaflowS3NotFound, missing: list[str], count: int, root: Optional[str]) -> MetaflowS3NotFound:
    sentences = [str(error)]
    if len(missing) > 1:
        named = ", ".join(shown(url, MOST_URL) for url in missing[:MOST_NAMED])
        more = f" and {len(missing) - MOST_NAMED:,} more" if len(missing) > MOST_NAMED else ""
        sentences.insert(0, f"{len(missing):,} of {count:,} objects do not exist: {named}{more}.")
    if root in missing:
        sentences.insert(
            0,
            "The key is empty, which means the root of this client itself. Give a key; get_all() and list_recursive() "
            "have what is below the root.",
        )
    return MetaflowS3NotFound(" ".join(sentences)).about(error)
