"""A program that uses S3 and shows its progress. Not a test; test_progress_calls runs it.

python shown.py [--after SECONDS] PROGRESS FAILURES: the seconds after which automatic displays begin, the argument
`progress`, and the percentage of attempts that fail.
"""

import json
import os
import sys

from metaflow import S3

from metaflow_extensions.fasts3.api import progress_display


def main(arguments):
    if "--after" in arguments:
        seconds = float(arguments[arguments.index("--after") + 1])
        progress_display.PATIENCE = progress_display.LINE_INTERVAL = seconds
    progress, failures = json.loads(arguments[-2]), int(arguments[-1])
    root = os.environ["ROOT"]
    with S3(s3root=root, tmproot="tmp", progress=progress, inject_failure_rate=failures) as s3:
        got = s3.get_many(str(number) for number in range(20))
    print(sum(one.size for one in got))


if __name__ == "__main__":
    main(sys.argv)
