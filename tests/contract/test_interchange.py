"""Metaflow's own class reads the objects of this one, and vice versa."""

import base64
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from case import case
from metaflow import S3
from metaflow.datatools.s3 import S3PutObject

OWN_CLASS = Path(__file__).with_name("own_class.py")

# key: contents, content type, metadata. Keys are those that Metaflow's own class can handle.
OBJECTS = {
    "plain": (b"plain", None, None),
    "empty": (b"", None, None),
    "bytes": (bytes(range(256)), None, None),
    "type": (b"x", "text/x-test; a=b", None),
    "metadata": (b"x", None, {"a": "text", "n": 1, "deep": {"list": [1, None, True]}}),
    "unicode metadata": (b"x", "application/json", {"clé": "grüße 🦄"}),
    "dir/deep/key": (b"deep", None, None),
    "a b": (b"space", None, None),
    "a#b": (b"hash", None, None),
    "100%": (b"percent", None, None),
    "a%20b": (b"escape", None, None),
    "a+b": (b"plus", None, None),
    "a&b=c": (b"query", None, None),
    'it\'s "quoted"': (b"quotes", None, None),
    "grüße/漢字 🦄": (b"unicode", None, None),
    "e\u0301": (b"decomposed", None, {"composed": "é"}),
    "two parts": (b"0123456789abcdef" * (2**19 + 1), None, {"parts": 2}),
}


def own_class(server, folder, orders):
    """Execute orders with Metaflow's own class, in a process that does not find our extension."""
    environment = {
        **os.environ,
        "METAFLOW_EXTENSIONS_SEARCH_DIRS": str(folder),
        "METAFLOW_S3_ENDPOINT_URL": server.endpoint_url,
        "METAFLOW_S3_WORKER_COUNT": "4",
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_DEFAULT_REGION": server.region,
    }
    done = subprocess.run(
        [sys.executable, OWN_CLASS],
        input=json.dumps(orders),
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def encoded(blob):
    return base64.b64encode(blob).decode()


@pytest.fixture(scope="module")
def exchange(server, tmp_path_factory):
    """Two roots with the same objects, each stored by one class, and what Metaflow's own class read of ours."""
    base = f"s3://{server.bucket}/interchange-{uuid.uuid4().hex}"
    ours, theirs = f"{base}/ours", f"{base}/theirs"
    tmproot = str(tmp_path_factory.mktemp("tmproot"))
    with S3(s3root=ours, client_params=server.client_params(), tmproot=tmproot) as s3:
        puts = [S3PutObject(k, b, content_type=t, metadata=m) for k, (b, t, m) in OBJECTS.items()]
        for put in puts[::2]:
            s3.put(put.key, put.value, content_type=put.content_type, metadata=put.metadata)
        s3.put_many(puts[1::2])
    orders = {
        "get_root": ours,
        "get": list(OBJECTS),
        "put_root": theirs,
        "put": [
            {"key": key, "blob": encoded(blob), "content_type": content_type, "metadata": metadata}
            for key, (blob, content_type, metadata) in OBJECTS.items()
        ],
    }
    results = own_class(server, tmp_path_factory.mktemp("no extensions here"), orders)
    return SimpleNamespace(
        ours=ours, theirs=theirs, read={got["key"]: got for got in results["get"]}, listed=results["list"]
    )


def test_own_class_reads_what_this_one_wrote(exchange):
    for key, (blob, content_type, _) in OBJECTS.items():
        with case(key):
            found = exchange.read[key]
            assert found["url"] == f"{exchange.ours}/{key}"
            assert found["blob"] == encoded(blob)
            assert content_type in (None, found["content_type"])


# rclone returns `Metaflow-User-Attributes`, which Metaflow's own class does not know.
@pytest.mark.needs("metadata")
def test_own_class_reads_the_metadata_that_this_one_wrote(exchange):
    assert {key: exchange.read[key]["metadata"] for key in OBJECTS} == {key: one[2] for key, one in OBJECTS.items()}


def test_own_class_lists_what_this_one_wrote(exchange):
    assert exchange.listed == sorted(OBJECTS)


def test_this_class_reads_what_own_class_wrote(exchange, make_s3):
    s3 = make_s3(s3root=exchange.theirs)
    for key, (blob, content_type, metadata) in OBJECTS.items():
        with case(key):
            for got in (s3.get(key), s3.get_many([key])[0]):
                assert (got.url, got.key) == (f"{exchange.theirs}/{key}", key)
                assert (got.size, got.blob == blob, got.metadata) == (len(blob), True, metadata)
                assert content_type in (None, got.content_type)
            info = s3.info(key)
            assert (info.size, info.metadata) == (len(blob), metadata)


def test_this_class_lists_what_own_class_wrote(exchange, make_s3):
    assert sorted(o.key for o in make_s3(s3root=exchange.theirs).list_recursive()) == sorted(OBJECTS)
