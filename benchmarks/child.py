"""The process of one client: reads a case from stdin, runs it, and writes its times to stdout.

Each line is a JSON document. `client.Client` runs it as ``python -m benchmarks.child own|ours [warm-up root]``.
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
    """Run cases until stdin ends."""
    which, *warm_up_root = sys.argv[1:]
    # Other output of this process must not mix with the results.
    results = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    import metaflow

    check_class(metaflow.S3, which)
    if warm_up_root:
        with metaflow.S3(s3root=warm_up_root[0]) as s3:
            s3.get_many([key_of(name) for name in names(WARM_UP_OBJECTS)])
    print(json.dumps({"ready": True}), file=results)
    for line in sys.stdin:
        order = json.loads(line)
        result: dict[str, Any]
        try:
            result = measure(Case(*order["case"]), order["root"], order["files"])
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), file=results)


def check_class(s3_class: Any, which: str) -> None:
    """Assert that `S3` is the intended class, under each of its names."""
    from metaflow.plugins.datatools.s3.s3 import S3

    source = sys.modules[s3_class.__module__].__file__ or ""
    is_ours = "fasts3" in source
    assert is_ours == (which == "ours"), f"not the intended class: {source}"
    assert S3 is s3_class, "metaflow has two different classes S3"


def measure(case: Case, root: str, files: Any) -> "dict[str, Any]":
    """Run one case.

    Parameters
    ----------
    case : Case
    root : str
        The URL of the set of objects.
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
    results = []
    with ExitStack() as opened:

        def open_client() -> Any:
            return opened.enter_context(S3(s3root=root))

        shared = None
        if not case.opens:
            shared = open_client()
            shared.info("nothing", return_missing=True)  # so that the client has connected
        spent, started = processor_time.of_process_tree(), time.perf_counter()
        for _ in range(case.times):
            result = call.make(shared or open_client(), material)
            check_sizes(case, result)
            results.append(result)
        seconds = time.perf_counter() - started
        cpu_seconds = processor_time.of_process_tree() - spent
        for result in results:
            check_content(case, result)
    return {"seconds": seconds / case.times, "cpu_seconds": cpu_seconds / case.times}


if __name__ == "__main__":
    main()
