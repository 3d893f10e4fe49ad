"""Print, as JSON, the modules that a worker loads before its first job, or with a module of ours, and their files.

Not a test; test_worker runs it, with the path of s3op.py and the module's name.
"""

import importlib
import json
import runpy
import sys


def main():
    """Do what s3op.py does up to its first frame."""
    before = set(sys.modules)  # what an interpreter has when it starts, .pth files included
    names = runpy.run_path(sys.argv[1], run_name="s3op")
    names["create_packages"]()
    importlib.import_module(f"metaflow_extensions.fasts3.{sys.argv[2]}")

    loaded = {name: getattr(sys.modules[name], "__file__", None) for name in set(sys.modules) - before}
    json.dump(loaded, sys.stdout)


if __name__ == "__main__":
    main()
