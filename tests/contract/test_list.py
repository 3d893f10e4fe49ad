"""`S3.list_paths` and `S3.list_recursive`: keys and sizes, without downloads."""

import pytest
from metaflow.datatools.s3 import MetaflowS3URLException

pytestmark = pytest.mark.semantics

# The example of the reference.
EXAMPLE = {"a/0.txt": b"0", "a/b/1.txt": b"11", "a/c/2.txt": b"222", "a/d/e/3.txt": b"", "f/4.txt": b"44"}


@pytest.fixture
def example(stored):
    stored.put_all(EXAMPLE)


def places(listed):
    return [(o.url, o.prefix, o.key, o.exists, o.size) for o in listed]


@pytest.mark.usefixtures("example")
def test_list_paths_of_the_reference(s3, root):
    listed = s3.list_paths(["a", "f"])

    assert places(listed) == [
        (f"{root}/a/0.txt", f"{root}/a/", "0.txt", True, 1),
        (f"{root}/a/b/", f"{root}/a/", "b", False, None),
        (f"{root}/a/c/", f"{root}/a/", "c", False, None),
        (f"{root}/a/d/", f"{root}/a/", "d", False, None),
        (f"{root}/f/4.txt", f"{root}/f/", "4.txt", True, 2),
    ]


@pytest.mark.usefixtures("example")
def test_list_recursive_of_the_reference(s3, root):
    listed = s3.list_recursive(["a", "f"])

    assert places(listed) == [
        (f"{root}/a/0.txt", f"{root}/a", "0.txt", True, 1),
        (f"{root}/a/b/1.txt", f"{root}/a", "b/1.txt", True, 2),
        (f"{root}/a/c/2.txt", f"{root}/a", "c/2.txt", True, 3),
        (f"{root}/a/d/e/3.txt", f"{root}/a", "d/e/3.txt", True, 0),
        (f"{root}/f/4.txt", f"{root}/f", "4.txt", True, 2),
    ]


def list_paths(s3, *keys):
    return s3.list_paths(*keys)


def list_recursive(s3, *keys):
    return s3.list_recursive(*keys)


both_verbs = pytest.mark.parametrize("verb", [list_paths, list_recursive], ids=["list_paths", "list_recursive"])


@both_verbs
@pytest.mark.usefixtures("example")
def test_listings_download_nothing(s3, verb):
    for o in verb(s3, ["a"]):
        assert (o.downloaded, o.path, o.blob, o.text, o.has_info) == (False, None, None, None, False)
        assert (o.content_type, o.metadata, o.range_info, o.last_modified) == (None, None, None, None)


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize("nothing", [(), (None,), ([None],), ([""],)], ids=["no argument", "None", "[None]", "['']"])
def test_no_keys_lists_the_root(s3, root, nothing):
    assert places(s3.list_paths(*nothing)) == [
        (f"{root}/a/", f"{root}/", "a", False, None),
        (f"{root}/f/", f"{root}/", "f", False, None),
    ]
    assert places(s3.list_recursive(*nothing)) == [
        (f"{root}/{key}", root, key, True, len(blob)) for key, blob in EXAMPLE.items()
    ]


@both_verbs
@pytest.mark.usefixtures("example")
def test_a_slash_at_the_end_of_a_prefix_does_not_matter(s3, verb):
    assert [o.url for o in verb(s3, ["a/"])] == [o.url for o in verb(s3, ["a"])]
    assert [o.key for o in verb(s3, ["a/"])] == [o.key for o in verb(s3, ["a"])]


@pytest.mark.usefixtures("example")
def test_full_urls(bare, root):
    assert places(bare.list_paths([f"{root}/a/d", f"{root}/f/"])) == [
        (f"{root}/a/d/e/", f"{root}/a/d/", "e", False, None),
        (f"{root}/f/4.txt", f"{root}/f/", "4.txt", True, 2),
    ]
    assert places(bare.list_recursive([f"{root}/a/d", f"{root}/f"])) == [
        (f"{root}/a/d/e/3.txt", f"{root}/a/d", "e/3.txt", True, 0),
        (f"{root}/f/4.txt", f"{root}/f", "4.txt", True, 2),
    ]


@both_verbs
def test_without_a_root_there_must_be_keys(bare, verb):
    with pytest.raises(MetaflowS3URLException, match=r"\w+ \w+"):
        verb(bare)


@pytest.mark.parametrize("end", ["", "/"], ids=["s3://bucket", "s3://bucket/"])
def test_a_bucket_as_the_root(make_s3, own_bucket, end):
    own_bucket.put_all({"a/1": b"1", "b": b"22"})
    url = f"s3://{own_bucket.bucket}"
    s3 = make_s3(s3root=url + end)

    assert places(s3.list_paths()) == [
        (f"{url}/a/", f"{url}/", "a", False, None),
        (f"{url}/b", f"{url}/", "b", True, 2),
    ]
    assert places(s3.list_recursive()) == [
        (f"{url}/a/1", url, "a/1", True, 1),
        (f"{url}/b", url, "b", True, 2),
    ]


def test_a_bucket_by_url(bare, own_bucket):
    own_bucket.put_all({"a/1": b"1", "b": b"22"})
    url = f"s3://{own_bucket.bucket}/"

    assert [(o.url, o.key) for o in bare.list_paths([url])] == [(url + "a/", "a"), (url + "b", "b")]
    assert [(o.url, o.key) for o in bare.list_recursive([url])] == [(url + "a/1", "a/1"), (url + "b", "b")]


def test_an_empty_bucket(make_s3, own_bucket):
    s3 = make_s3(s3root=f"s3://{own_bucket.bucket}")
    assert s3.list_paths() == []
    assert s3.list_recursive() == []


@both_verbs
@pytest.mark.usefixtures("example")
def test_prefix_by_prefix_in_the_order_of_the_prefixes(s3, verb):
    assert [o.key for o in verb(s3, ["f", "a/b", "f"])] == ["4.txt", "1.txt", "4.txt"]


@both_verbs
@pytest.mark.usefixtures("example")
def test_empty_listings_are_no_error(s3, verb):
    assert verb(s3, ["nowhere"]) == []
    assert [o.key for o in verb(s3, ["nowhere", "f", "a/b/1"])] == ["4.txt"]


@both_verbs
@pytest.mark.usefixtures("example")
def test_an_object_is_not_below_itself(s3, verb):
    assert verb(s3, ["a/0.txt"]) == []


@both_verbs
def test_a_prefix_is_a_directory(s3, stored, verb):
    stored.put_all({"log/1": b"", "log_other/1": b"", "log2": b""})
    assert [o.key for o in verb(s3, ["log"])] == ["1"]


@pytest.mark.needs("object-beside-prefix")
def test_an_object_beside_a_prefix_of_the_same_name(s3, root, stored):
    stored.put_all({"log": b"object", "log/1": b""})

    assert [o.key for o in s3.list_paths(["log"])] == ["1"]
    assert [o.key for o in s3.list_recursive(["log"])] == ["1"]
    assert [(o.url, o.key, o.exists) for o in s3.list_paths()] == [
        (f"{root}/log", "log", True),
        (f"{root}/log/", "log", False),
    ]


def test_directories_among_objects_in_key_order(s3, stored):
    # A page of S3 gives objects and directories apart.
    stored.put_all(dict.fromkeys(["b/1", "a", "c", "d/1", "e"], b""))
    assert [(o.key, o.exists) for o in s3.list_paths()] == [
        ("a", True),
        ("b", False),
        ("c", True),
        ("d", False),
        ("e", True),
    ]


def test_key_order_is_the_order_of_utf8_bytes(s3, stored):
    # "/" comes after "!" and before "0"; UTF-16, which some servers sort by, has the unicorn before U+FFFF.
    keys = ["B", "a!", "a/1", "a0", "b", "é", "\uffff", "\U0001f984"]
    stored.put_all(dict.fromkeys(reversed(keys), b""))

    assert [o.key for o in s3.list_recursive()] == keys
    assert [o.key for o in s3.get_all()] == keys
    assert [o.key for o in s3.list_paths()] == ["B", "a!", "a", "a0", "b", "é", "\uffff", "\U0001f984"]


@pytest.mark.one_server
def test_thousands_of_keys_over_pages_in_key_order(s3):
    # A page holds 1,000. One upload for all listings, because it takes longer than they do.
    keys = [f"many/{number:05}" for number in range(2345)]
    s3.put_many((key, b"") for key in ["a/1", *reversed(keys), "other/1", "top"])

    for verb in (list_paths, list_recursive):
        listed = verb(s3, ["many"])
        assert ["many/" + o.key for o in listed] == keys
        assert all(o.exists and o.size == 0 for o in listed)
    # One directory may fill several pages of keys.
    assert [o.key for o in s3.list_paths()] == ["a", "many", "other", "top"]
    assert [o.key for o in s3.list_recursive()] == ["a/1", *keys, "other/1", "top"]


@both_verbs
@pytest.mark.usefixtures("example")
@pytest.mark.parametrize("shape", [tuple, iter], ids=["tuple", "iterator"])
def test_keys_may_be_anything_that_gives_keys(s3, verb, shape):
    assert [o.key for o in verb(s3, shape(["f", "a/b"]))] == ["4.txt", "1.txt"]


@both_verbs
@pytest.mark.usefixtures("example")
@pytest.mark.parametrize("none", [[], (), iter([])], ids=["list", "tuple", "iterator"])
def test_no_prefixes_no_entries(s3, verb, none):
    assert verb(s3, none) == []


@pytest.mark.needs("trailing-slash-beside-prefix")
def test_a_directory_marker(s3, root, stored):
    stored.put_all({"folder/": b"", "folder/x": b"x"})

    assert places(s3.list_paths()) == [(f"{root}/folder/", f"{root}/", "folder", False, None)]
    assert places(s3.list_paths(["folder"])) == [
        # Its own prefix, so that nothing is left for a key: then prefix is None, as for the root itself.
        (f"{root}/folder/", None, f"{root}/folder/", True, 0),
        (f"{root}/folder/x", f"{root}/folder/", "x", True, 1),
    ]
