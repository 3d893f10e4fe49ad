"""The process of one client: is told a case on stdin, carries it out, answers with what it took on stdout.

One JSON document a line. Run by `client.Client` as ``python -m benchmarks.child own|ours [warm-up root]``.
"""

import json
import os
import sys
import time
from contextlib import ExitStack
from typing import Any

from . import processor_time
from .calls import CALLS, check_content, check_sizes, key_of, material_of
from .cases import Case
from .content import names

WARM_UP_OBJECTS = 2


def main() -> None:
    """Answer orders until stdin ends."""
    which, *warm_up_root = sys.argv[1:]
    # Whatever is printed in here must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    import metaflow

    _check_class(metaflow.S3, which)
    if warm_up_root:
        with metaflow.S3(s3root=warm_up_root[0]) as s3:
            s3.get_many([key_of(name) for name in names(WARM_UP_OBJECTS)])
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = measure(Case(*order["case"]), order["root"], order["files"])
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


def _check_class(s3_class: Any, which: str) -> None:
    """See to it that this is the class which is meant, under each of its names."""
    from metaflow.plugins.datatools.s3.s3 import S3

    source = sys.modules[s3_class.__module__].__file__ or ""
    is_ours = "fasts3" in source
    assert is_ours == (which == "ours"), f"not the class that is meant: {source}"
    assert S3 is s3_class, "metaflow has two different classes S3"


def measure(case: Case, root: str, files: Any) -> "dict[str, float]":
    """Carry out one case.

    Parameters
    ----------
    case : Case
    root : str
        The URL of the objects. What is uploaded goes below ``root/0``, ``root/1``, ... for each time.
    files : str or None
        Directory of the local files to upload.

    Returns
    -------
    dict
        ``seconds`` and ``cpu_seconds``, of one call.
    """
    from metaflow import S3

    call = CALLS[case.call]
    material = material_of(case, files)
    roots = [f"{root}/{number}" if case.writes else root for number in range(case.times)]
    results = []
    with ExitStack() as opened:
        # What a client needs at its first request, it has; unless making it is part of the case.
        clients = [] if case.opens else [opened.enter_context(S3(s3root=each)) for each in roots]
        for s3 in clients[:1]:
            s3.info("nothing", return_missing=True)
        spent, started = processor_time.of_process_tree(), time.perf_counter()
        for number in range(case.times):
            s3 = opened.enter_context(S3(s3root=roots[number])) if case.opens else clients[number]
            result = call.make(s3, material)
            check_sizes(case, result)
            results.append(result)
        seconds = time.perf_counter() - started
        cpu_seconds = processor_time.of_process_tree() - spent
        for result in results:
            check_content(case, result)
    return {"seconds": seconds / case.times, "cpu_seconds": cpu_seconds / case.times}


if __name__ == "__main__":
    main()
