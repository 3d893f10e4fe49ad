"""`extra_args`: headers that S3 stores with an object, by every call that uploads."""

import pytest
from metaflow.datatools.s3 import S3PutObject

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

LARGE = bytes(PART_SIZE + 1)
HEADERS = {
    "CacheControl": "max-age=60, private",
    "ContentDisposition": 'attachment; filename="a b.txt"',
    "ContentEncoding": "gzip",
    "ContentLanguage": "de",
}
OTHERS = {"CacheControl": "no-store", "ContentLanguage": "en"}


def _upload(s3, value, folder, extra_args):
    (folder / "k").write_bytes(value)
    return s3.upload(folder, extra_args=extra_args)


def _put_files(s3, value, folder, extra_args):
    (folder / "local").write_bytes(value)
    return s3.put_files([S3PutObject("k", path=str(folder / "local"), extra_args=extra_args)])


WRITES = {
    "put": lambda s3, value, folder, given: s3.put("k", value, extra_args=given),
    "put, no overwrite": lambda s3, value, folder, given: s3.put("k", value, overwrite=False, extra_args=given),
    "put_many": lambda s3, value, folder, given: s3.put_many([S3PutObject("k", value, extra_args=given), ("b", b"")]),
    "put_files": _put_files,
    "upload": _upload,
}
OF_TRANSFERS = {"put", "put, no overwrite"}  # the others send the same requests
each_write = pytest.mark.parametrize(
    "write",
    [
        pytest.param(write, id=name, marks=() if name in OF_TRANSFERS else pytest.mark.above_transfers)
        for name, write in WRITES.items()
    ],
)


def stored_with(stored, names, key="k"):
    head = stored.head(key)
    return {name: head.get(name) for name in names}


@pytest.mark.needs("object-headers")
@pytest.mark.parametrize("value", [b"value", LARGE], ids=["small", "in parts"])
@each_write
def test_the_headers_of_a_call(s3, stored, tmp_path, write, value):
    write(s3, value, tmp_path, HEADERS)
    assert stored_with(stored, HEADERS) == HEADERS
    assert stored.blob("k") == value


@pytest.mark.needs("object-headers")
@each_write
def test_the_headers_of_a_client(make_s3, root, stored, tmp_path, write):
    write(make_s3(s3root=root, extra_args={**HEADERS, "ContentType": "text/x-client"}), b"value", tmp_path, None)
    assert stored_with(stored, HEADERS) == HEADERS
    assert stored.head("k")["ContentType"] == "text/x-client"


@pytest.mark.needs("object-headers")
def test_those_of_a_call_take_precedence(make_s3, root, stored):
    s3 = make_s3(s3root=root, extra_args={**HEADERS, "ContentType": "text/x-client"})
    s3.put("k", b"value", content_type="text/x-call", extra_args=OTHERS)
    assert stored_with(stored, HEADERS) == {**HEADERS, **OTHERS}
    assert stored.head("k")["ContentType"] == "text/x-call"


@pytest.mark.needs("object-headers")
def test_each_object_has_its_own(s3, stored):
    several = [S3PutObject(str(number), b"v", extra_args={"CacheControl": f"max-age={number}"}) for number in range(20)]
    s3.put_many([*several, ("none", b"v")])
    assert [stored.head(str(number))["CacheControl"] for number in range(20)] == [f"max-age={n}" for n in range(20)]
    assert "CacheControl" not in stored.head("none")


@pytest.mark.needs("object-headers")
def test_stored_headers_are_read(s3, stored):
    """Nothing is decoded: the bytes are those of the object, for any headers."""
    s3.put("k", b"not compressed at all", content_type="text/x", metadata={"a": 1}, extra_args=HEADERS)
    got = s3.get("k")
    assert (got.blob, got.content_type, got.metadata) == (b"not compressed at all", "text/x", {"a": 1})
    assert s3.get_many(["k"])[0].blob == got.blob


@pytest.mark.needs("metadata")
def test_metadata_of_boto3_is_stored_as_boto3_does(s3, stored):
    s3.put("k", b"value", extra_args={"Metadata": {"source": "sensor"}})
    s3.put("new", b"value", overwrite=False, extra_args={"Metadata": {"source": "sensor"}})
    assert stored.head("k")["Metadata"] == {"source": "sensor"}
    assert stored.head("new")["Metadata"]["source"] == "sensor"


@pytest.mark.needs("storage-classes")
@pytest.mark.parametrize("value", [b"value", LARGE], ids=["small", "in parts"])
def test_a_storage_class(s3, stored, value):
    s3.put("k", value, extra_args={"StorageClass": "STANDARD_IA"})
    assert stored.head("k")["StorageClass"] == "STANDARD_IA"


@pytest.mark.needs("tags")
@pytest.mark.parametrize("value", [b"value", LARGE], ids=["small", "in parts"])
@pytest.mark.parametrize("tags", [{"team": "data", "level": "a b"}, "team=data&level=a%20b"], ids=["dict", "text"])
def test_tags(s3, stored, value, tags):
    s3.put("k", value, extra_args={"Tagging": tags})
    tag_set = stored.client.get_object_tagging(Bucket=stored.bucket, Key=stored.prefix + "k")["TagSet"]
    assert {one["Key"]: one["Value"] for one in tag_set} == {"team": "data", "level": "a b"}


@pytest.mark.needs("sse-kms")
def test_a_key_of_kms(make_s3, root, stored):
    s3 = make_s3(s3root=root, encryption="aws:kms")
    s3.put("k", b"value", extra_args={"SSEKMSKeyId": "arn:aws:kms:us-east-1:123456789012:key/1"})
    assert stored_with(stored, ["ServerSideEncryption", "SSEKMSKeyId"]) == {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "arn:aws:kms:us-east-1:123456789012:key/1",
    }
    assert s3.get("k").encryption == "aws:kms"


@pytest.mark.needs("object-headers")
def test_files_that_are_stored_keep_their_headers(s3, stored, tmp_path):
    """`upload` compares contents only, as the synchronizing commands of other tools do."""
    _upload(s3, b"value", tmp_path, HEADERS)
    assert _upload(s3, b"value", tmp_path, OTHERS) == []
    assert stored_with(stored, HEADERS) == HEADERS
    (tmp_path / "k").write_bytes(b"another")
    assert [key for key, _ in s3.upload(tmp_path, extra_args=OTHERS)] == ["k"]
    assert stored_with(stored, OTHERS) == OTHERS


@pytest.mark.needs("object-headers")
def test_a_written_file_has_the_headers_of_the_client(make_s3, root, stored):
    with make_s3(s3root=root, extra_args=HEADERS).open("k", "wb") as file:
        file.write(b"value")
    assert stored_with(stored, HEADERS) == HEADERS


def test_a_given_content_type_overrides_that_of_the_name(make_s3, s3, root, stored, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"value")
    s3.upload(tmp_path, "call", extra_args={"ContentType": "text/x-call"})
    make_s3(s3root=root, extra_args={"ContentType": "text/x-client"}).upload(tmp_path, "client")
    assert stored.head("call/a.txt")["ContentType"] == "text/x-call"
    assert stored.head("client/a.txt")["ContentType"] == "text/x-client"
