"""`external_client` is used by every call: here, only it knows the server and the credentials."""

import os
from types import SimpleNamespace

import pytest
from contract.verbs import EVERY, LISTINGS, ROOTED
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception, MetaflowS3NotFound
from metaflow.plugins.datatools.s3.s3 import S3Client

CLIENTS = {
    "Metaflow's S3Client": lambda oracle, server: S3Client(s3_client_params=server.client_params()),
    "an object with a client": lambda oracle, server: SimpleNamespace(client=oracle),
    "a boto3 client": lambda oracle, server: oracle,
}


@pytest.fixture(params=CLIENTS)
def external(request, oracle, server, root, tmproot, monkeypatch):
    """An `S3` that knows its server from the given client only."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with S3(tmproot=str(tmproot), s3root=root, external_client=CLIENTS[request.param](oracle, server)) as s3:
        yield s3


def test_every_call_uses_it(external, stored, root, tmproot):
    for verb in {**EVERY, **ROOTED}.values():
        stored.put_all({"a": b"value", "aa": b"value", "dir/x": b"value"})
        verb(external, "dir" if verb in LISTINGS.values() else "a")
    without = S3(s3root=root, tmproot=str(tmproot))
    with without, pytest.raises(MetaflowS3Exception, match="Unable to locate credentials"):
        without.get("a")


def test_many_calls_read_and_write_with_it(external, root, stored, tmp_path):
    (tmp_path / "local").write_bytes(b"from a file")
    keys = [f"{number:03}" for number in range(60)]

    assert [key for key, _ in external.put_many((key, key) for key in keys)] == keys
    assert external.put_files([("file", str(tmp_path / "local"))]) == [("file", f"{root}/file")]

    assert [o.text for o in external.get_many(keys)] == keys
    assert [o.size for o in external.info_many([*keys, "file"])] == [3] * 60 + [11]
    assert [o.key for o in external.list_paths()] == [*keys, "file"]
    assert stored.list() == {*keys, "file"}


def test_attributes_that_extensions_of_metaflow_read(external, root, stored, tmproot):
    stored.put("a", b"value")
    bucket, _, key = f"{root}/a".partition("://")[2].partition("/")
    assert external._s3root == root
    assert os.path.dirname(external._tmpdir) == str(tmproot)
    external._s3_client.client.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(external._s3_client.error, match="404"):
        external._s3_client.client.head_object(Bucket=bucket, Key=key)
    external._s3_client.reset_client()
    assert stored.list() == set()
    external._s3root = "another"  # as subclasses and tests do
    assert external._s3root == "another"


def test_errors_are_the_same(external):
    with pytest.raises(MetaflowS3NotFound):
        external.get("nowhere")
    with pytest.raises(MetaflowS3NotFound):
        external.get_many(["nowhere"])
    assert external.info_many(["nowhere"], return_missing=True)[0].exists is False


@pytest.mark.needs("signatures")
def test_it_wins_over_client_params(make_s3, root, server, oracle, stored):
    stored.put("a", b"value")
    wrong = {**server.client_params(), "aws_secret_access_key": "wrong"}
    s3 = make_s3(s3root=root, client_params=wrong, external_client=SimpleNamespace(client=oracle))
    assert s3.get("a").blob == b"value"
    assert s3.get_many(["a"])[0].blob == b"value"


def test_client_params_are_not_modified(make_s3, root, server, stored):
    # Metaflow's own class writes a Config into them, and get_many after get is a TypeError.
    params = server.client_params()
    s3 = make_s3(s3root=root, client_params=params)
    s3.put("a", b"value")
    assert s3.get("a").blob == b"value"
    assert s3.get_many(["a"])[0].blob == b"value"
    assert params == server.client_params()


def test_none_is_no_external_client(make_s3, root, stored):
    stored.put("a", b"value")
    s3 = make_s3(s3root=root, external_client=None)
    assert s3.get("a").blob == b"value"
    assert s3.get_many(["a"])[0].blob == b"value"
