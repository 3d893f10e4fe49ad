"""`S3(encryption=...)`: server-side encryption of uploads."""

import pytest
from metaflow.datatools.s3 import S3PutObject

pytestmark = pytest.mark.needs("sse")


@pytest.fixture
def encrypting(make_s3, root):
    return make_s3(s3root=root, encryption="AES256")


WRITES = {
    "put": lambda s3, local: s3.put("k", b"value"),
    "put, no overwrite": lambda s3, local: s3.put("k", b"value", overwrite=False),
    "put_many": lambda s3, local: s3.put_many([("k", b"value")]),
    "put_many, no overwrite": lambda s3, local: s3.put_many([("k", b"value")], overwrite=False),
    "put_files": lambda s3, local: s3.put_files([("k", str(local))]),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_uploads_are_encrypted(encrypting, stored, tmp_path, write):
    local = tmp_path / "local"
    local.write_bytes(b"value")

    write(encrypting, local)

    assert stored.head("k")["ServerSideEncryption"] == "AES256"
    assert stored.blob("k") == b"value"


READS = {
    "get": lambda s3: s3.get("k"),
    "get_many": lambda s3: s3.get_many(["k"])[0],
    "info": lambda s3: s3.info("k"),
    "info_many": lambda s3: s3.info_many(["k"])[0],
    "get_all": lambda s3: s3.get_all(return_info=True)[0],
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_any_client_reads_the_encryption(s3, stored, read):
    stored.put("k", b"value", ServerSideEncryption="AES256")
    got = read(s3)
    assert (got.encryption, got.has_info, got.size) == ("AES256", True, 5)


def test_each_object_may_say_so_itself(s3, stored):
    s3.put_many([S3PutObject("k", b"value", encryption="AES256"), ("plain", b"value")])
    assert stored.head("k")["ServerSideEncryption"] == "AES256"
    assert stored.blob("plain") == b"value"


def test_nothing_is_encrypted_by_default(s3, stored):
    by_boto3 = "by boto3"
    stored.put(by_boto3, b"value")
    s3.put("put", b"value")
    s3.put_many([("put_many", b"value")])
    for key in ("put", "put_many"):
        assert stored.head(key).get("ServerSideEncryption") == stored.head(by_boto3).get("ServerSideEncryption")


def test_with_content_type_and_metadata(encrypting, stored):
    encrypting.put("k", b"value", content_type="text/x-test", metadata={"a": 1})
    got = encrypting.get("k")
    assert (got.encryption, got.content_type, got.metadata) == ("AES256", "text/x-test", {"a": 1})
