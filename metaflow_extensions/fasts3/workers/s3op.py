"""The subprocess script in which transfers run: `python s3op.py PARENT_PID JOBS OUTCOMES`, two descriptors of pipes.

Started by `workers/worker_process.py`. Standard library only until the first job needs boto3.
"""

import os.path
import sys
import types

BY_HAND = """\
This is s3op.py, the part of metaflow-fasts3 in which transfers run. It is started by the package itself and speaks
binary frames over pipes; by hand there is nothing to do with it. Use the package instead:

    from metaflow import S3

    with S3(s3root="s3://my-bucket/my/prefix") as s3:
        s3.put("greeting", "hello")
        print(s3.get("greeting").text)
"""


def lay_packages() -> None:
    """Make this very copy importable, and nothing else.

    Python put this script's folder first on the path, where `messages` and others would become top-level modules; and a
    search of the path could find another installed version. So the two namespace packages are laid by hand.
    """
    here = os.path.dirname(os.path.realpath(__file__))
    # What is relative is left alone: there may be no working directory any more for it to begin at.
    sys.path = [entry for entry in sys.path if not os.path.isabs(entry) or os.path.realpath(entry) != here]
    package_folder = os.path.dirname(here)
    for name, folder in (
        ("metaflow_extensions", os.path.dirname(package_folder)),
        ("metaflow_extensions.fasts3", package_folder),
    ):
        package = types.ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package


def main() -> int:
    """Serve the parent until it is gone."""
    if len(sys.argv) != 4 or not all(argument.isdigit() for argument in sys.argv[1:]):
        print(BY_HAND)
        return 2
    lay_packages()
    from metaflow_extensions.fasts3.workers.worker import serve

    serve(*map(int, sys.argv[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
