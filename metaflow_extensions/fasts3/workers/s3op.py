"""The script of worker processes: `python s3op.py PARENT_PID JOBS OUTCOMES`, the latter two pipe descriptors.

Started by `workers/worker_process.py`. Standard library only until the first job needs boto3.
"""

import os.path
import sys
import types

USAGE = """\
This is s3op.py, the worker process of metaflow-fasts3. The package starts it and exchanges binary frames with it over
pipes; it is not meant to be run manually. Use the package instead:

    from metaflow import S3

    with S3(s3root="s3://my-bucket/my/prefix") as s3:
        s3.put("greeting", "hello")
        print(s3.get("greeting").text)
"""


def create_packages() -> None:
    """Make only this copy of the package importable.

    Python puts the script's directory first on the path, where `frames` and others would become top-level modules. A
    search of the path could also find another installed version. So this creates the two namespace packages directly.
    """
    here = os.path.dirname(os.path.realpath(__file__))
    # Relative entries stay: without a working directory they can't be resolved.
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
    """Serve the parent until it ends."""
    if len(sys.argv) != 4 or not all(argument.isdigit() for argument in sys.argv[1:]):
        print(USAGE)
        return 2
    create_packages()
    from metaflow_extensions.fasts3.workers.worker import serve

    serve(*map(int, sys.argv[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
