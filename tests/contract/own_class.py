"""A program that executes the instructions on stdin with Metaflow's own class. Not a test; test_interchange runs it.

In: ``{"put_root": URL, "put": [objects], "get_root": URL, "get": [keys]}``; out: the results of `get` and of a listing.
The environment names the server and the credentials, and excludes this project's extension.
"""

import base64
import json
import sys


def main() -> None:
    """Read the orders, execute them, and write the results."""
    from metaflow import S3
    from metaflow.datatools.s3 import S3PutObject

    where = sys.modules[S3.__module__].__file__ or ""
    assert "fasts3" not in where, f"this is not Metaflow's own class: {where}"
    orders = json.load(sys.stdin)
    with S3(s3root=orders["put_root"]) as s3:
        puts = [
            S3PutObject(put["key"], base64.b64decode(put["blob"]), None, put["content_type"], None, put["metadata"])
            for put in orders["put"]
        ]
        # Half by one call, half by the other: they are different code.
        for put in puts[::2]:
            s3.put(put.key, put.value, content_type=put.content_type, metadata=put.metadata)
        s3.put_many(puts[1::2])
    with S3(s3root=orders["get_root"]) as s3:
        results = {
            "list": sorted(listed.key for listed in s3.list_recursive()),
            "get": [
                {
                    "key": got.key,
                    "url": got.url,
                    "blob": base64.b64encode(got.blob).decode(),
                    "content_type": got.content_type,
                    "metadata": got.metadata,
                }
                for got in [s3.get(key) for key in orders["get"][::2]] + s3.get_many(orders["get"][1::2])
            ],
        }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
