"""Uses S3 as a remote task does, from an extracted code package. Not a test; test_code_package runs it.

Prints, as JSON, the results and the files from which the modules were loaded.
"""

import json
import os
import sys

WORKERS = []


def note_workers(event, arguments):
    """Remember the programs that are started: an audit hook."""
    if event == "subprocess.Popen":
        WORKERS.append([os.fspath(part) for part in arguments[1]])


def main():
    """Put, get, look where it all came from."""
    sys.addaudithook(note_workers)
    from metaflow import S3
    from metaflow.plugins import DATASTORES

    texts = {f"objects/{number:03}": f"text {number}" for number in range(200)}
    with S3(s3root=sys.argv[1]) as s3:
        s3.put("one", "alone")
        s3.put_many(texts.items())
        report = {
            "class": S3.__module__,
            "datastore": [one.__module__ for one in DATASTORES if one.TYPE == "s3"],
            "one": s3.get("one").text,
            "many": {found.key: found.text for found in s3.get_many(list(texts))} == texts,
            "workers": [command for command in WORKERS if any(part.endswith("s3op.py") for part in command)],
        }
    report["files"] = [
        module.__file__
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in {"metaflow", "metaflow_extensions"} and getattr(module, "__file__", None)
    ]
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
