"""The properties of an `S3Object`."""

import os

import pytest
from metaflow.datatools.s3 import RangeInfo, S3GetObject, S3Object, S3PutObject
from metaflow.plugins.datatools.s3.s3 import S3Objects


def test_as_text(s3, root, stored):
    stored.put_all({"full": b"12345", "empty": b"", "dir/x": b""})

    texts = {
        s3.get("full"): f"<S3Object {root}/full (5 bytes, local)>",
        s3.get("empty"): f"<S3Object {root}/empty (0 bytes, local)>",
        s3.info("full"): f"<S3Object {root}/full (5 bytes, in S3)>",
        # Metaflow's own class reports an empty object as missing.
        s3.info("empty"): f"<S3Object {root}/empty (0 bytes, in S3)>",
        s3.get("nowhere", return_missing=True): f"<S3Object {root}/nowhere (object does not exist)>",
        s3.list_paths()[0]: f"<S3Object {root}/dir/ (object does not exist)>",
        s3.get(S3GetObject("full", 1, 2)): f"<S3Object {root}/full (2 bytes, local)>",
    }
    for o, text in texts.items():
        assert str(o) == repr(o) == text


TEXTS = {
    "ASCII": (b"plain", "plain"),
    "UTF-8": ("grüße 🦄".encode(), "grüße 🦄"),
    "nothing": (b"", ""),
    "line ends stay": (b"a\r\nb\rc\n", "a\r\nb\rc\n"),
    "a mark at the start stays": (b"\xef\xbb\xbfa", "\ufeffa"),
    "not UTF-8": (b"gr\xfc\xdfe", "gr\ufffd\ufffde"),
    "cut in the middle": ("é".encode()[:1], "\ufffd"),
    "zero bytes": (b"a\x00b", "a\x00b"),
}


@pytest.mark.parametrize(("blob", "text"), TEXTS.values(), ids=TEXTS)
def test_text(s3, stored, blob, text):
    stored.put("k", blob)
    for o in (s3.get("k"), *s3.get_many(["k"]), *s3.get_all()):
        assert (o.text, o.blob) == (text, blob)


def test_types(s3, stored):
    stored.put("k", b"12345", ContentType="text/x-test")
    for o in (s3.get("k"), *s3.get_many(["k"]), *s3.get_all(return_info=True)):
        assert isinstance(o, S3Object)
        assert {type(value) for value in (o.url, o.prefix, o.key, o.path, o.text, o.content_type)} == {str}
        assert {type(value) for value in (o.exists, o.downloaded, o.has_info)} == {bool}
        assert (type(o.blob), type(o.size), type(o.range_info)) == (bytes, int, RangeInfo)
        assert type(o.last_modified) is int
        assert os.path.isabs(o.path) or os.path.exists(o.path)


LISTS = {
    "get_many": lambda s3: s3.get_many(["k", "k"]),
    "get_many of missing keys": lambda s3: s3.get_many(["no"], return_missing=True),
    "get_many of no keys": lambda s3: s3.get_many([]),
    "get_recursive": lambda s3: s3.get_recursive([""]),
    "get_recursive of nothing": lambda s3: s3.get_recursive(["nowhere"]),
    "get_all": lambda s3: s3.get_all(return_info=True),
    "list_paths": lambda s3: s3.list_paths(),
    "list_recursive": lambda s3: s3.list_recursive(),
    "list_recursive of nothing": lambda s3: s3.list_recursive(["nowhere"]),
    "info_many": lambda s3: s3.info_many(["k"]),
    "info_many of no keys": lambda s3: s3.info_many([]),
}


@pytest.mark.parametrize("call", LISTS.values(), ids=LISTS)
def test_lists_are_shown_as_tables(s3, stored, call):
    stored.put("k", b"12345")
    found = call(s3)
    assert isinstance(found, list)
    assert type(found) is S3Objects
    html = found._repr_html_()
    for one in found:
        assert f">{one.key}</td>" in html
        assert f">{one.url}</td>" in one._repr_html_()


def test_the_file_may_be_used_like_any_other(s3, stored):
    stored.put("k", b"12345")
    got = s3.get("k")
    with open(got.path, "ab") as file:
        file.write(b"67")
    assert got.blob == b"1234567"


def test_the_error_for_a_file_of_a_closed_client(make_s3, root, stored):
    stored.put_all({"k": b"x"})
    with make_s3(s3root=root) as s3:
        one = s3.get("k")
        loop = list(s3.iter_many(["k", "k"]))
    for gone in (one, loop[0]):
        with pytest.raises(FileNotFoundError, match=r"when the `with S3\(\.\.\.\)` block ends.*in_memory=True"):
            gone.blob  # noqa: B018  # the property raises


def test_properties_cannot_be_set(s3, stored):
    stored.put("k", b"12345")
    got = s3.get("k")
    for name in ("exists", "downloaded", "url", "prefix", "key", "path", "blob", "text", "size", "metadata", "etag"):
        with pytest.raises(AttributeError):
            setattr(got, name, None)


def test_helper_objects_are_tuples_with_names():
    assert S3PutObject._fields == (
        "key",
        "value",
        "path",
        "content_type",
        "encryption",
        "metadata",
        "if_match",
        "extra_args",
    )
    assert S3GetObject._fields == ("key", "offset", "length", "version_id")
    assert RangeInfo._fields == ("total_size", "request_offset", "request_length")
    assert S3PutObject("k") == ("k", None, None, None, None, None, None, None)
    assert RangeInfo(5) == (5, 0, -1)


def test_both_modules_have_all_names():
    import metaflow
    from metaflow.datatools import s3 as documented
    from metaflow.plugins.datatools.s3 import s3 as internal

    assert metaflow.S3 is documented.S3 is internal.S3
    for name in ("S3Object", "S3GetObject", "S3PutObject", "MetaflowS3NotFound", "MetaflowS3Exception"):
        assert getattr(documented, name) is getattr(internal, name)
