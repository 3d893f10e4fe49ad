"""Print, as JSON, the class that is S3 under each of its names. Not a test; test_installed runs it."""

import importlib
import json
import sys
import warnings

# Every place that hands out class S3: to users, to IncludeFile, to the artifact datastore.
PLACES = [
    "metaflow",
    "metaflow.datatools",
    "metaflow.datatools.s3",
    "metaflow.plugins.datatools",
    "metaflow.plugins.datatools.s3",
    "metaflow.plugins.datatools.s3.s3",
    "metaflow.plugins.datastores.s3_storage",
]
BESIDE = ["s3tail", "s3util"]  # modules of Metaflow next to the one that is replaced


def neighbours():
    """Where names of metaflow-checkpoint come from; its decorators must be there, too."""
    from metaflow import Checkpoint, checkpoint, load_model

    assert callable(checkpoint)
    return [Checkpoint.__module__, load_model.__module__]


def main():
    """Look everywhere, and print."""
    warnings.simplefilter("ignore")
    modules = {place: importlib.import_module(place) for place in PLACES}
    included = importlib.import_module("metaflow.includefile")._dict_dataclients["s3"]
    report = {
        "classes": {name: module.S3.__module__ for name, module in modules.items()}
        | {"IncludeFile": included.__module__},
        "one class": {module.S3 for module in modules.values()} == {included},
        # An `except` with one name also catches exceptions that were raised by the other name.
        "exceptions": {
            name: sorted({str(vars(module)[name]) for module in modules.values() if name in vars(module)})
            for name in vars(modules["metaflow.plugins.datatools.s3.s3"])
            if name.startswith("MetaflowS3")
        },
        "neighbours": neighbours(),
        "tools beside": [importlib.import_module(f"metaflow.plugins.datatools.s3.{name}").__name__ for name in BESIDE],
        "files": {
            name: module.__file__
            for name, module in list(sys.modules.items())
            if name.startswith(("metaflow.", "metaflow_extensions.")) and getattr(module, "__file__", None)
        },
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
