"""`S3.get`: one object."""

import pytest
from metaflow.datatools.s3 import MetaflowS3NotFound, MetaflowS3URLException, RangeInfo

BODY = "grüße\n".encode()


def test_every_field_of_an_object_by_key(s3, root, stored):
    stored.put("a/b.txt", BODY, ContentType="text/x-test")

    got = s3.get("a/b.txt")

    assert (got.url, got.prefix, got.key) == (f"{root}/a/b.txt", root, "a/b.txt")
    assert (got.exists, got.downloaded, got.has_info) == (True, True, True)
    assert (got.blob, got.text, got.size) == (BODY, "grüße\n", len(BODY))
    assert (got.content_type, got.metadata) == ("text/x-test", None)
    assert got.encryption == stored.head("a/b.txt").get("ServerSideEncryption")
    assert got.range_info == RangeInfo(len(BODY), 0, len(BODY))
    assert got.last_modified == int(stored.head("a/b.txt")["LastModified"].timestamp())
    with open(got.path, "rb") as file:
        assert file.read() == BODY


def test_every_field_of_an_object_by_url(bare, root, stored):
    stored.put("a/b.txt", BODY, ContentType="text/x-test")

    got = bare.get(f"{root}/a/b.txt")

    assert (got.url, got.prefix, got.key) == (f"{root}/a/b.txt", None, f"{root}/a/b.txt")
    assert (got.blob, got.size, got.content_type) == (BODY, len(BODY), "text/x-test")


@pytest.mark.parametrize("nothing", [(), (None,), ("",)], ids=["no argument", "None", "empty string"])
def test_no_key_gets_the_object_at_the_root(make_s3, root, stored, nothing):
    stored.put("single", b"at the root")

    got = make_s3(s3root=f"{root}/single").get(*nothing)

    assert got.blob == b"at the root"
    assert (got.url, got.prefix, got.key) == (f"{root}/single", None, f"{root}/single")


def test_a_bucket_is_no_object(make_s3, server):
    with pytest.raises(MetaflowS3URLException):
        make_s3(s3root=f"s3://{server.bucket}").get()


def test_a_missing_key_is_an_error_that_names_the_url(s3, root, stored):
    stored.put("here")
    with pytest.raises(MetaflowS3NotFound, match="nowhere") as error:
        s3.get("nowhere")
    assert f"{root}/nowhere" in str(error.value)


@pytest.mark.parametrize("return_info", [True, False])
def test_return_missing_returns_a_missing_key(s3, root, return_info):
    got = s3.get("nowhere", return_missing=True, return_info=return_info)

    assert (got.url, got.prefix, got.key) == (f"{root}/nowhere", root, "nowhere")
    assert (got.exists, got.downloaded, got.has_info) == (False, False, False)
    assert (got.path, got.blob, got.text, got.size) == (None, None, None, None)
    assert (got.content_type, got.metadata, got.range_info, got.last_modified) == (None, None, None, None)


def test_return_missing_does_not_matter_when_the_key_is_there(s3, stored):
    stored.put("here", b"x")
    assert s3.get("here", return_missing=True).blob == b"x"


def test_without_info_there_is_only_the_data(s3, root, stored):
    stored.put("a", b"data", ContentType="text/x-test")

    got = s3.get("a", return_info=False)

    assert (got.blob, got.size, got.exists, got.downloaded) == (b"data", 4, True, True)
    assert (got.url, got.prefix, got.key) == (f"{root}/a", root, "a")
    assert got.has_info is False
    assert (got.content_type, got.metadata, got.range_info, got.last_modified) == (None, None, None, None)


def test_an_empty_object_exists(s3, stored):
    stored.put("empty", b"")

    got = s3.get("empty")

    assert (got.exists, got.downloaded, got.size, got.blob, got.text) == (True, True, 0, b"", "")
    assert got.range_info == RangeInfo(0, 0, 0)


@pytest.mark.needs("prefixes-are-no-objects")
def test_a_directory_is_no_object(s3, stored):
    stored.put("dir/file", b"x")
    assert s3.get("dir", return_missing=True).exists is False


def test_results_do_not_change_with_the_next_download(s3, stored):
    stored.put("a", b"first")
    first = s3.get("a")
    stored.put("a", b"second time")
    second = s3.get("a")

    assert (first.blob, first.size) == (b"first", 5)
    assert (second.blob, second.size) == (b"second time", 11)
    assert first.path != second.path


@pytest.mark.parametrize("slashes", ["/", "///"])
def test_leading_slashes_of_a_key_are_dropped(s3, root, stored, slashes):
    stored.put("a/b", b"x")

    got = s3.get(slashes + "a/b")

    assert (got.blob, got.url, got.key) == (b"x", f"{root}/a/b", "a/b")


def test_a_slash_at_the_end_of_the_root_does_not_matter(make_s3, root, stored):
    stored.put("a", b"x")

    got = make_s3(s3root=root + "/").get("a")

    assert (got.blob, got.url, got.prefix, got.key) == (b"x", f"{root}/a", root, "a")


def test_a_bucket_as_the_root(make_s3, server, prefix, stored):
    stored.put("a", b"x")
    key = stored.prefix + "a"

    got = make_s3(s3root=f"s3://{server.bucket}").get(key)

    assert got.blob == b"x"
    assert (got.url, got.prefix, got.key) == (f"s3://{server.bucket}/{key}", f"s3://{server.bucket}", key)
