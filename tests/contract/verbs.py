"""Every call of `S3` that sends requests, as `verb(s3, key)`, for tests of all of them."""

import pytest

READS = {
    "get": lambda s3, key: s3.get(key),
    "get_many": lambda s3, key: s3.get_many([key]),
    "info": lambda s3, key: s3.info(key),
    "info_many": lambda s3, key: s3.info_many([key]),
    "open": lambda s3, key: s3.open(key),
}

# The same, with a result for a missing key.
LENIENT_READS = {
    "get, return_missing": lambda s3, key: s3.get(key, return_missing=True),
    "get_many, return_missing": lambda s3, key: s3.get_many([key], return_missing=True),
    "info, return_missing": lambda s3, key: s3.info(key, return_missing=True),
    "info_many, return_missing": lambda s3, key: s3.info_many([key], return_missing=True),
}

LISTINGS = {
    "list_paths": lambda s3, key: s3.list_paths([key]),
    "list_recursive": lambda s3, key: s3.list_recursive([key]),
    "get_recursive": lambda s3, key: s3.get_recursive([key]),
    "get_recursive, return_info": lambda s3, key: s3.get_recursive([key], return_info=True),
}

WRITES = {
    "put": lambda s3, key: s3.put(key, b"value"),
    "put_many": lambda s3, key: s3.put_many([(key, b"value")]),
    "put_files": lambda s3, key: s3.put_files([(key, __file__)]),
    "put, no overwrite": lambda s3, key: s3.put(key, b"value", overwrite=False),
    "put_many, no overwrite": lambda s3, key: s3.put_many([(key, b"value")], overwrite=False),
    "put_files, no overwrite": lambda s3, key: s3.put_files([(key, __file__)], overwrite=False),
}


def _two(key):
    """A key and a similar one, so that one request has several."""
    return [key, key + key[-1:]] if isinstance(key, (str, bytes)) else [key]


DELETES = {
    "delete": lambda s3, key: s3.delete(key),
    "delete_many": lambda s3, key: s3.delete_many([key]),
    "delete_recursive": lambda s3, key: s3.delete_recursive([key]),
    "delete_many of two": lambda s3, key: s3.delete_many(_two(key)),
    "delete, not missing_ok": lambda s3, key: s3.delete(key, missing_ok=False),
    "delete_many, not missing_ok": lambda s3, key: s3.delete_many(_two(key), missing_ok=False),
}

# Only with a root.
ROOTED = {
    "get_all": lambda s3, _: s3.get_all(),
    "list_paths of the root": lambda s3, _: s3.list_paths(),
    "list_recursive of the root": lambda s3, _: s3.list_recursive(),
}

# Each method of `S3` that talks to a server, without variants.
METHODS = {
    name: verb for name, verb in {**READS, **WRITES, **DELETES, **LISTINGS, **ROOTED}.items() if name.isidentifier()
}

# Those after which everything is as it was, or more.
KEEPING = {**READS, **LENIENT_READS, **LISTINGS, **WRITES}

EVERY = {**KEEPING, **DELETES}

# Those with requests that no other one has. The others differ from them above the transfers.
OF_TRANSFERS = {"get", "info", "list_paths", "put", "put_files", "put, no overwrite", "delete", "delete_many of two"}


def as_parameters(verbs):
    """Verbs as parameters of a test: with boto3's transfers, `make test` runs those of `OF_TRANSFERS`."""
    return [
        pytest.param(verb, id=name, marks=() if name in OF_TRANSFERS else pytest.mark.above_transfers)
        for name, verb in verbs.items()
    ]
