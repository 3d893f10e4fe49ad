"""`S3.get_recursive` and `S3.get_all`: everything below prefixes, which are directories."""

import pytest
from metaflow.datatools.s3 import MetaflowS3URLException, RangeInfo

pytestmark = pytest.mark.semantics

TREE = {
    "a/0.txt": b"zero",
    "a/b/1.txt": b"one",
    "a/c/1.txt": b"other one",
    "a/d/e/3.txt": b"",
    "f/4.txt": b"four",
}


@pytest.fixture
def tree(stored):
    stored.put_all(TREE)


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("slash", ["", "/"], ids=["a", "a/"])
def test_everything_below_a_prefix(s3, root, slash):
    got = s3.get_recursive(["a" + slash])

    assert [(o.url, o.prefix, o.key, o.blob) for o in got] == [
        (f"{root}/a/{key}", f"{root}/a{slash}", key, TREE[f"a/{key}"])
        for key in ("0.txt", "b/1.txt", "c/1.txt", "d/e/3.txt")
    ]
    assert all(o.exists and o.downloaded and not o.has_info for o in got)
    assert [o.size for o in got] == [4, 3, 9, 0]
    assert len({o.path for o in got}) == 4


@pytest.mark.usefixtures("tree")
def test_with_info_keys_are_relative_to_the_root(s3, root, stored):
    got = s3.get_recursive(["a/b", "f"], return_info=True)

    assert [(o.url, o.prefix, o.key, o.blob) for o in got] == [
        (f"{root}/a/b/1.txt", root, "a/b/1.txt", b"one"),
        (f"{root}/f/4.txt", root, "f/4.txt", b"four"),
    ]
    for o in got:
        head = stored.head(o.key)
        assert (o.has_info, o.content_type) == (True, head["ContentType"])
        assert o.last_modified == int(head["LastModified"].timestamp())
        assert o.range_info == RangeInfo(o.size, 0, o.size)


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("return_info", [False, True])
def test_full_urls(bare, root, return_info):
    (got,) = bare.get_recursive([f"{root}/a/d"], return_info=return_info)

    assert (got.url, got.blob) == (f"{root}/a/d/e/3.txt", b"")
    assert (got.prefix, got.key) == ((None, got.url) if return_info else (f"{root}/a/d", "e/3.txt"))


@pytest.mark.usefixtures("tree")
def test_prefix_by_prefix_in_the_order_of_the_prefixes(s3):
    got = s3.get_recursive(["f", "a/d", "a/b", "f"])
    assert [(o.key, o.blob) for o in got] == [
        ("4.txt", b"four"),
        ("e/3.txt", b""),
        ("1.txt", b"one"),
        ("4.txt", b"four"),
    ]


@pytest.mark.usefixtures("tree")
def test_overlapping_prefixes_each_have_results(s3):
    got = s3.get_recursive(["a", "a/d"], return_info=True)
    assert [o.key for o in got] == ["a/0.txt", "a/b/1.txt", "a/c/1.txt", "a/d/e/3.txt", "a/d/e/3.txt"]
    assert [o.blob for o in got] == [TREE[o.key] for o in got]


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("shape", [tuple, iter], ids=["tuple", "iterator"])
def test_keys_may_be_anything_that_gives_keys(s3, shape):
    assert [o.blob for o in s3.get_recursive(shape(["f", "a/b"]))] == [b"four", b"one"]


@pytest.mark.parametrize("none", [[], iter([])], ids=["list", "iterator"])
def test_no_prefixes_no_objects(s3, none):
    assert s3.get_recursive(none) == []


@pytest.mark.usefixtures("tree")
def test_a_prefix_with_nothing_below_is_no_error(s3):
    assert s3.get_recursive(["nowhere"]) == []
    assert [o.key for o in s3.get_recursive(["nowhere", "f"])] == ["4.txt"]


@pytest.mark.parametrize("return_info", [False, True])
def test_a_prefix_is_a_directory(s3, stored, return_info):
    stored.put_all({"log/1": b"mine", "log_other/1": b"not mine", "log2": b"not mine"})
    assert [o.blob for o in s3.get_recursive(["log"], return_info=return_info)] == [b"mine"]


@pytest.mark.needs("object-beside-prefix")
def test_an_object_with_the_name_of_the_prefix_is_not_below_it(s3, stored):
    stored.put_all({"log": b"not below", "log/1": b"below"})
    assert [(o.key, o.blob) for o in s3.get_recursive(["log"])] == [("1", b"below")]


@pytest.mark.parametrize("prefix", ["part-", "part-1"], ids=["beginning of names", "whole name"])
def test_a_prefix_that_only_matches_parts_of_names_warns(s3, stored, prefix):
    # Metaflow's own class would have returned them, so a flow may count on it.
    stored.put_all({"part-1": b"1", "part-2": b"2"})
    with pytest.warns(UserWarning, match="part-"):
        assert s3.get_recursive([prefix]) == []


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("end", ["", "/"], ids=["root", "root/"])
def test_get_all(make_s3, root, end):
    got = make_s3(s3root=root + end).get_all()

    assert [(o.url, o.prefix, o.key, o.blob) for o in got] == [
        (f"{root}/{key}", root, key, blob) for key, blob in TREE.items()
    ]
    assert not any(o.has_info for o in got)


@pytest.mark.usefixtures("tree")
def test_get_all_with_info(s3, root, stored):
    got = s3.get_all(return_info=True)

    assert [(o.prefix, o.key, o.blob) for o in got] == [(root, key, blob) for key, blob in TREE.items()]
    assert [o.content_type for o in got] == [stored.head(key)["ContentType"] for key in TREE]


def test_get_all_of_one_root_never_sees_another(make_s3, root, stored):
    stored.put_all({"run/1/x": b"mine", "run/12/x": b"not mine", "run/1x": b"not mine"})
    assert [(o.key, o.blob) for o in make_s3(s3root=f"{root}/run/1").get_all()] == [("x", b"mine")]


def test_get_all_of_nothing(s3):
    assert s3.get_all() == []


def test_get_all_needs_a_root(bare):
    with pytest.raises(MetaflowS3URLException, match=r"\w+ \w+"):
        bare.get_all()


@pytest.mark.parametrize("end", ["", "/"], ids=["s3://bucket", "s3://bucket/"])
def test_get_all_of_a_bucket(make_s3, own_bucket, end):
    blobs = {"a/1": b"1", "b": b"2", "c/d/e": b"3"}
    own_bucket.put_all(blobs)
    url = f"s3://{own_bucket.bucket}"

    got = make_s3(s3root=url + end).get_all()

    assert [(o.url, o.prefix, o.key, o.blob) for o in got] == [
        (f"{url}/{key}", url, key, blob) for key, blob in blobs.items()
    ]


def test_a_whole_bucket_by_url(bare, own_bucket):
    own_bucket.put_all({"a/1": b"1", "b": b"2"})
    got = bare.get_recursive([f"s3://{own_bucket.bucket}/"])
    assert [(o.key, o.blob) for o in got] == [("a/1", b"1"), ("b", b"2")]


@pytest.mark.needs("trailing-slash-beside-prefix")
def test_a_directory_marker_is_an_object_below_its_prefix(s3, root, stored):
    # The AWS console makes such an object for "Create folder"; Metaflow's own class returns it too.
    stored.put_all({"folder/": b"", "folder/x": b"x"})
    got = s3.get_recursive(["folder"])
    assert [(o.url, o.key, o.blob) for o in got] == [(f"{root}/folder/", "", b""), (f"{root}/folder/x", "x", b"x")]


@pytest.mark.one_server
def test_hundreds_of_objects_in_key_order(s3):
    blobs = {f"many/{number % 7}/{number:03}": b"%d" % number for number in range(210)}
    s3.put_many(blobs.items())

    got = s3.get_recursive(["many"], return_info=True)

    assert [o.key for o in got] == sorted(blobs)
    assert {o.key: o.blob for o in got} == blobs
