"""User metadata and content types."""

import json

import pytest
from case import case
from metaflow.datatools.s3 import MetaflowS3InvalidObject, S3PutObject


def put(s3, local, *, content_type=None, metadata=None):
    s3.put("k", b"value", content_type=content_type, metadata=metadata)


def put_many(s3, local, *, content_type=None, metadata=None):
    s3.put_many([S3PutObject("k", b"value", content_type=content_type, metadata=metadata)])


def put_files(s3, local, *, content_type=None, metadata=None):
    s3.put_files([S3PutObject("k", path=str(local), content_type=content_type, metadata=metadata)])


each_write = pytest.mark.parametrize("write", [put, put_many, put_files], ids=lambda verb: verb.__name__)


@pytest.fixture
def local(tmp_path):
    path = tmp_path / "local"
    path.write_bytes(b"value")
    return path


def every_read(s3):
    """The object as returned by each call that returns metadata."""
    return [
        s3.get("k"),
        *s3.get_many(["k"]),
        s3.info("k"),
        *s3.info_many(["k"]),
        *s3.get_all(return_info=True),
    ]


METADATA = {
    "text": {"key": "value"},
    "Unicode": {"clé": "grüße 🦄", "漢字": "שלום"},
    "numbers and so on": {"int": 1, "float": 1.5, "big": 2**70, "yes": True, "no": False, "none": None},
    "nested": {"list": [1, [2, {"three": 3}]], "dict": {"a": {"b": {}}}, "empty": []},
    "whitespace": {" a\tb\nc ": " \t\r\n\x00\x7f "},
    "what headers and XML dislike": {"a:b": 'x; y="z", <&>%41'},
    "empty text": {"": ""},
    "order": {"z": 1, "a": 2, "m": 3},
}
NEAR_THE_LIMIT = {"near 2 KB": {"k": "v" * 1900}}  # needs large-metadata


@each_write
def test_metadata_is_returned_unchanged(s3, stored, server, local, write):
    for name, metadata in {**METADATA, **({} if "large-metadata" in server.lacks else NEAR_THE_LIMIT)}.items():
        with case(name):
            write(s3, local, metadata=metadata)

            for o in every_read(s3):
                assert o.metadata == metadata
                assert list(o.metadata) == list(metadata)
            # Metaflow's own class reads it from here.
            found = {key.lower(): value for key, value in stored.head("k")["Metadata"].items()}
            assert list(found) == ["metaflow-user-attributes"]
            assert json.loads(found["metaflow-user-attributes"]) == metadata


@each_write
def test_no_metadata(s3, stored, local, write):
    for nothing in (None, {}):
        with case(nothing):
            write(s3, local, metadata=nothing)
            assert [o.metadata for o in every_read(s3)] == [None] * 5
            assert stored.head("k")["Metadata"] == {}


def test_metadata_of_other_clients_is_not_ours(s3, stored):
    stored.put("k", b"value", Metadata={"someone": "else"})
    assert [o.metadata for o in every_read(s3)] == [None] * 5


def test_metadata_of_other_clients_under_our_name_is_ignored(s3, stored):
    for foreign in ("not JSON", "[1, 2]", "5"):
        with case(foreign):
            stored.put("k", b"value", Metadata={"metaflow-user-attributes": foreign})
            assert [(o.size, o.metadata) for o in every_read(s3)] == [(5, None)] * 5


def circular():
    inner = {}
    inner["self"] = inner
    return inner


BAD_METADATA = {
    "object": {"a": object()},
    "set": {"a": {1}},
    "bytes": {"a": b"bytes"},
    "key": {("a", "b"): 1},
    "circular": circular(),
}


def test_metadata_that_json_cannot_hold_is_an_error_before_anything_is_uploaded(s3, stored, local):
    for name, metadata in BAD_METADATA.items():
        with case(name):
            with pytest.raises(MetaflowS3InvalidObject, match="the-key"):
                s3.put("the-key", b"value", metadata=metadata)
            with pytest.raises(MetaflowS3InvalidObject, match="the-key"):
                s3.put_many([("fine", b"value"), S3PutObject("the-key", b"value", metadata=metadata)])
            with pytest.raises(MetaflowS3InvalidObject, match="the-key"):
                s3.put_files([("fine", str(local)), S3PutObject("the-key", path=str(local), metadata=metadata)])
    assert stored.list() == set()


CONTENT_TYPES = [
    "text/plain",
    "application/json; charset=utf-8",
    'multipart/mixed; boundary="a b; c"',
    "application/vnd.example+json",
    "nonsense",
]


@each_write
def test_a_content_type_passes_through(s3, stored, local, write):
    for content_type in CONTENT_TYPES:
        with case(content_type):
            write(s3, local, content_type=content_type)
            assert [o.content_type for o in every_read(s3)] == [content_type] * 5
            assert stored.head("k")["ContentType"] == content_type


def test_no_content_type_is_invented(s3, stored, local):
    for name in ("page.html", "data.json", "no-extension", "x.tar.gz"):
        stored.put(f"by boto3/{name}", b"value")
        s3.put(f"put/{name}", b"value")
        s3.put_many([(f"put_many/{name}", b"value")])
        s3.put_files([(f"put_files/{name}", str(local))])

        by_boto3 = stored.head(f"by boto3/{name}").get("ContentType")
        for verb in ("put", "put_many", "put_files"):
            with case(verb, name):
                assert stored.head(f"{verb}/{name}").get("ContentType") == by_boto3


@each_write
def test_both(s3, local, write):
    write(s3, local, content_type="text/x-test", metadata={"a": 1})
    for o in every_read(s3):
        assert (o.has_info, o.content_type, o.metadata) == (True, "text/x-test", {"a": 1})


def test_each_object_of_many_has_its_own(s3, stored):
    keys = [f"{number:02}" for number in range(40)]
    s3.put_many(
        S3PutObject(key, key, content_type=f"text/x-{key}", metadata={"key": key} if int(key) % 3 else None)
        for key in keys
    )
    for o in (*s3.get_many(keys), *s3.info_many(keys)):
        assert o.content_type == f"text/x-{o.key}"
        assert o.metadata == ({"key": o.key} if int(o.key) % 3 else None)


def test_metadata_of_other_programs(s3, stored):
    stored.put("k", b"value", Metadata={"who": "me"})
    for o in every_read(s3):
        assert (o.metadata, o.all_metadata) == (None, {"who": "me"})
    stored.put("k", b"value", Metadata={"who": "me", "metaflow-user-attributes": '{"n": 1}'})
    for o in every_read(s3):
        assert (o.metadata, o.all_metadata) == ({"n": 1}, {"who": "me", "n": 1})
    stored.put("k", b"value", Metadata={"metaflow-user-attributes": "[1"})
    for o in every_read(s3):
        assert (o.metadata, o.all_metadata) == (None, {"metaflow-user-attributes": "[1"})
    stored.put("k", b"value")
    for o in every_read(s3):
        assert (o.metadata, o.all_metadata) == (None, None)
